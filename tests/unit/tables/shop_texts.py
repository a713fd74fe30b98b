"""Texts of shops in many languages, with the encodings that they were written in."""

from __future__ import annotations

TEXTS = {
    "ru": "Красная рубашка из хлопка, синие джинсы, шерстяное пальто, кожаный ремень, платье",
    "uk": "Червона сорочка, сині джинси, шкіряний ремінь, взуття, дитячий одяг, зелена сукня",
    "de": "Größe, schöne grüne Hose für Mädchen, Übergröße, weiß, Straßenschuhe, Tücher",
    "fr": "Chemise à carreaux, robe d'été, écharpe légère, pièce unique, élastiquée, français",
    "es": "Camiseta de algodón, pantalón pequeño, niño, señora, cinturón, colección de otoño",
    "pt": "Calção, camisão, coração, blusão de algodão, mão, criança, verão, número, coleção",
    "it": "Perché è così, città, qualità, più, lunedì, felicità, caffè, papà, maglieria è già",
    "sv": "Röd skjorta, blå jeans, överdel, skärp, grå byxor, klänning för våren, små skor",
    "pl": "Koszula w kratę, spódnica, żółty szalik, płaszcz wełniany, odzież, dziecięcy, męska",
    "cs": "Červená košile, modré džíny, vlněný kabát, kožený pásek, dětské oblečení, žlutý svetr",
    "hu": "Piros ing, kék farmernadrág, gyapjú kabát, bőröv, nyári ruha, gyűrű, női cipő, őszi",
    "tr": "Kırmızı gömlek, yünlü palto, yazlık elbise, çocuk ayakkabısı, güneş gözlüğü, şapka",
    "lt": "Raudoni marškiniai, mėlyni džinsai, odinis diržas, vasarinė suknelė, žiemos šalikas",
    "el": "Κόκκινο πουκάμισο, μπλε τζιν, μάλλινο παλτό, δερμάτινη ζώνη, καλοκαιρινό φόρεμα",
    "he": "חולצה אדומה, מכנסי ג'ינס כחולים, מעיל צמר, חגורת עור, שמלת קיץ",
    "ar": "قميص أحمر, بنطلون جينز أزرق, معطف صوف, حزام جلد, فستان صيفي",
    "zh": "红色衬衫, 蓝色牛仔裤, 羊毛大衣, 皮带, 夏季连衣裙, 儿童鞋",
    "zh-tw": "紅色襯衫, 藍色牛仔褲, 羊毛大衣, 皮帶, 夏季連衣裙, 兒童鞋",
    "ja": "赤いシャツ, 青いジーンズ, ウールのコート, 革のベルト, 夏のドレス, 子供靴",
    "ko": "빨간 셔츠, 파란 청바지, 양모 코트, 가죽 벨트, 여름 드레스, 아동 신발",
}

_WESTERN = ("cp1252", "mac_roman", "cp850")
ENCODINGS = {
    "ru": ("cp1251", "koi8_r", "iso8859_5", "cp866"),
    "uk": ("cp1251",),
    "de": _WESTERN,
    "fr": _WESTERN,
    "es": _WESTERN,
    "pt": _WESTERN,
    "it": _WESTERN,
    "sv": _WESTERN,
    "pl": ("cp1250", "iso8859_2", "cp852"),
    "cs": ("cp1250", "iso8859_2", "cp852"),
    "hu": ("cp1250",),
    "tr": ("cp1254",),
    "lt": ("cp1257",),
    "el": ("cp1253", "iso8859_7"),
    "he": ("cp1255",),
    "ar": ("cp1256",),
    "zh": ("gb18030",),
    "zh-tw": ("big5",),
    "ja": ("shift_jis", "euc_jp"),
    "ko": ("euc_kr",),
}

PAIRS = [(language, encoding) for language, each in ENCODINGS.items() for encoding in each]


def words(language: str) -> list[str]:
    return TEXTS[language].split(", ")
