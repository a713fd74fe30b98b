"""Files of shops that have few characters outside of ASCII, with the encodings they come in."""

from __future__ import annotations

from itertools import cycle, islice
from typing import NamedTuple


class ShopFile(NamedTuple):
    """A file of some rows: the titles take turns, and so do the prices."""

    name: str
    encoding: str
    titles: tuple[str, ...]
    price: str = "{}.99"
    delimiter: str = ","

    def text(self, rows: int) -> str:
        """Return the file with so many rows."""
        lines = ["id,title,image,price".replace(",", self.delimiter)]
        for number, title in enumerate(islice(cycle(self.titles), rows)):
            price = self.price.format(number + 3)
            picture = f"https://s.example/{number}.jpg"
            lines.append(self.delimiter.join((str(number), title, picture, f'"{price}"')))
        return "\n".join(lines) + "\n"


_ENGLISH = ("Desk lamp", "Red shirt", "Wool scarf", "Oak table")
_ACCENTED = ("Café set", "Desk lamp", "Table décor")
_GERMAN = ("Größe M", "schöne grüne Hose", "Kleid für Mädchen", "weiße Schuhe", "Gürtel")
_FRENCH = ("Chemise à carreaux", "Robe d'été", "écharpe légère", "Manteau", "pièce unique")
_ITALIAN = ("Maglia più lunga", "Tazza da caffè", "Gonna", "Camicia blu", "Qualità")
_DUTCH = ("Blauwe broek", "Tweeëntwintig", "Jurk", "Ruime keuze, één maat".replace(",", ""))
_SPANISH = ("Camiseta de algodón", "pantalón", "niño pequeño", "Falda", "cinturón")
_SWEDISH = ("Röd skjorta", "blå jeans", "grå byxor", "Skor", "klänning")
_POLISH = ("Koszula w kratę", "żółty szalik", "płaszcz", "Sukienka", "odzież dziecięca", "męska")
_CZECH = ("Červená košile", "modré džíny", "kabát", "žlutý svetr", "dětské boty")
_HUNGARIAN = ("Piros ing", "kék nadrág", "gyűrű", "női cipő", "bőröv")
_ROMANIAN = ("Cămaşă roşie", "pantaloni", "fustă", "şapcă", "rochie de vară")
_TURKISH = ("Kırmızı gömlek", "çocuk ayakkabısı", "güneş gözlüğü", "şapka")
_RUSSIAN = ("Красная рубашка", "синие джинсы", "пальто", "платье", "кожаный ремень", "Кружка 5л")
_LITHUANIAN = ("Raudoni marškiniai", "mėlyni džinsai", "odinis diržas", "žiemos šalikas")
_HEBREW = ("חולצה אדומה", "מכנסי ג'ינס כחולים", "מעיל צמר", "שמלת קיץ")
_ARABIC = ("قميص أحمر للرجال", "بنطلون جينز أزرق", "معطف من الصوف", "فستان صيفي")
_GREEK = ("Κόκκινο πουκάμισο", "μπλε τζιν", "παλτό", "φόρεμα")
_CHINESE = ("红色衬衫", "蓝色牛仔裤", "羊毛大衣", "儿童鞋")
_TAIWANESE = ("紅色襯衫", "藍色牛仔褲", "羊毛大衣", "兒童鞋")
_JAPANESE = ("赤いシャツ", "青いジーンズ", "ウールのコート", "革のベルト")
_KOREAN = ("빨간 셔츠", "파란 청바지", "양모 코트", "가죽 벨트")

SHOP_FILES = (
    ShopFile("pounds", "cp1252", _ENGLISH, "£{}.99"),
    ShopFile("pounds, accents", "cp1252", _ACCENTED, "£{}.99"),
    ShopFile("pounds behind", "cp1252", _ENGLISH, "{} £"),
    ShopFile("euros behind", "cp1252", _ENGLISH, "{},99 €"),
    ShopFile("euros behind, tight", "cp1252", _ENGLISH, "{},99€"),
    ShopFile("euros before", "cp1252", _ENGLISH, "€{},99"),
    ShopFile("euros before, apart", "cp1252", _ENGLISH, "€ {},99"),
    ShopFile("yen", "cp1252", _ENGLISH, "¥{}00"),
    ShopFile("euros behind, with semicolons", "cp1252", _ENGLISH, "{},99€", ";"),
    ShopFile("German, tight euros", "cp1252", _GERMAN, "{},99€"),
    ShopFile("German, euros", "cp1252", _GERMAN, "{},99 €"),
    ShopFile("German, euros before", "cp1252", _GERMAN, "€{},99"),
    ShopFile("German, semicolons", "cp1252", _GERMAN, "{},99€", ";"),
    ShopFile("French, euros", "cp1252", _FRENCH, "{},99 €"),
    ShopFile("French, no-break spaces", "cp1252", _FRENCH, "1\u00a0{}99,00\u00a0€"),
    ShopFile("Italian, euros before", "cp1252", _ITALIAN, "€{},99"),
    ShopFile("Dutch, euros before", "cp1252", _DUTCH, "€{},99"),
    ShopFile("Spanish, euros", "cp1252", _SPANISH, "{},99€"),
    ShopFile("Swedish", "cp1252", _SWEDISH, "{} kr"),
    ShopFile("a dash", "cp1252", ("Shirt \u2013 red", "Lamp \u2013 oak", "Mug")),
    ShopFile("a dash in ranges", "cp1252", ("Age 3\u20135", "Age 6\u20138", "Mug")),
    ShopFile("an apostrophe", "cp1252", ("Men\u2019s Shirt", "Girl\u2019s Hat", "Mug")),
    ShopFile("one apostrophe", "cp1252", ("Men\u2019s Shirt", "Hat", "Mug")),
    ShopFile("plural apostrophes", "cp1252", ("Boys\u2019 Shirt", "Girls\u2019 Hat", "Mug")),
    ShopFile("quotes", "cp1252", ("\u201cClassic\u201d mug", "\u2018Retro\u2019 lamp", "Hat")),
    ShopFile("degrees", "cp1252", ("Bag to 20°C", "Bag to 0°C", "Oven 250°F")),
    ShopFile("bare degrees", "cp1252", ("Angle 45°", "Angle 90°", "Mug")),
    ShopFile("times", "cp1252", ("Rug 5×3", "Rug 60×90", "Rug 4×6")),
    ShopFile("times, apart", "cp1252", ("Rug 5 × 3", "Rug 60 × 90", "Rug")),
    ShopFile("inches", "cp1252", ("TV 42\u201d", "TV 55\u201d", "Stand")),
    ShopFile("no-break spaces", "cp1252", _ENGLISH, "1\u00a0{}99,00"),
    ShopFile("no-break spaces in titles", "cp1252", ("Red\u00a0shirt", "Oak\u00a0table", "Mug")),
    ShopFile("ranges of degrees", "cp1252", ("-5°C / +20°C", "N° 5", "nº 7"), "US$ {}"),
    ShopFile("fractions", "cp1252", ("Bolt 2½", "Bolt 3¼", "Bolt ½")),
    ShopFile("square metres", "cp1252", ("Rug 3 m²", "Tile 5m²", "Box 2 m³")),
    ShopFile("trade marks", "cp1252", ("Gore® coat", "Lycra\u2122 top", "Mug")),
    ShopFile("bullets and dots", "cp1252", ("Soft \u2022 warm", "and more\u2026", "Mug")),
    ShopFile("Polish", "cp1250", _POLISH, "{},99 zł"),
    ShopFile("Polish, euros", "cp1250", _POLISH, "{},99 €"),
    ShopFile("zloty only", "cp1250", _ENGLISH, "{},99 zł"),
    ShopFile("zloty only, tight", "cp1250", _ENGLISH, "{},99zł"),
    ShopFile("Polish of DOS", "cp852", _POLISH, "{},99 zł"),
    ShopFile("Polish, ISO", "iso8859_2", _POLISH, "{},99 zł"),
    ShopFile("Czech", "cp1250", _CZECH, "{} Kč"),
    ShopFile("Czech, tight", "cp1250", _CZECH, "{}Kč"),
    ShopFile("crowns only", "cp1250", _ENGLISH, "{} Kč"),
    ShopFile("Hungarian", "cp1250", _HUNGARIAN, "{} Ft"),
    ShopFile("Romanian", "cp1250", _ROMANIAN, "{} lei"),
    ShopFile("Turkish", "cp1254", _TURKISH, "{},99 TL"),
    ShopFile("Turkish, euros", "cp1254", _TURKISH, "€{},99"),
    ShopFile("Russian", "cp1251", _RUSSIAN, "{} руб."),
    ShopFile("Russian, euros", "cp1251", _RUSSIAN, "€{}"),
    ShopFile("Russian, sizes", "cp1251", ("Ковёр 60х90", "Ткань 40мм", "«Уют» №5"), "{}р."),
    ShopFile("roubles only", "cp1251", _ENGLISH, "{} руб."),
    ShopFile("roubles only, tight", "cp1251", _ENGLISH, "{}руб"),
    ShopFile("hryvnias only", "cp1251", _ENGLISH, "{} грн"),
    ShopFile("leva only", "cp1251", _ENGLISH, "{},99 лв."),
    ShopFile("Russian, KOI8", "koi8_r", _RUSSIAN, "{} руб."),
    ShopFile("Russian of DOS", "cp866", _RUSSIAN, "{} руб."),
    ShopFile("Russian, capitals of DOS", "cp866", ("РУБАШКА КРАСНАЯ", "ПЛАТЬЕ", "БРЮКИ 48")),
    ShopFile("Russian, ISO", "iso8859_5", _RUSSIAN, "{} руб."),
    ShopFile("Lithuanian", "cp1257", _LITHUANIAN, "{},99 €"),
    ShopFile("Hebrew", "cp1255", _HEBREW),
    ShopFile("Arabic", "cp1256", _ARABIC),
    ShopFile("Greek", "cp1253", _GREEK, "{},99 €"),
    ShopFile("Greek, euros before", "cp1253", _GREEK, "€{},99"),
    ShopFile("German of DOS", "cp850", _GERMAN),
    ShopFile("French of DOS", "cp850", _FRENCH),
    ShopFile("German of a Mac", "mac_roman", _GERMAN),
    ShopFile("French of a Mac", "mac_roman", _FRENCH, "{},99"),
    ShopFile("Spanish of a Mac", "mac_roman", _SPANISH),
    ShopFile("Chinese", "gb18030", _CHINESE, "¥{}.00"),
    ShopFile("Chinese, yuan", "gb18030", _CHINESE, "{}元"),
    ShopFile("Taiwanese", "big5", _TAIWANESE, "{}元"),
    ShopFile("Japanese", "cp932", _JAPANESE, "{}円"),
    ShopFile("Japanese, EUC", "euc_jp", _JAPANESE, "{}円"),
    ShopFile("Korean", "cp949", _KOREAN, "{}원"),
    ShopFile("Korean, plain prices", "cp949", _KOREAN),
)
