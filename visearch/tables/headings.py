"""What headings mean, in the languages that merchants write them in."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache
from typing import Literal, get_args

Field = Literal[
    "id", "title", "picture", "url", "price", "group", "position", "description", "attribute",
    "ignore",
]  # fmt: skip
FIELDS: tuple[Field, ...] = get_args(Field)

_GAPS = re.compile(r"[\s_\-./:()\[\]#*\"'\u2019]+")
_NUMBERED = re.compile(r"(?<=\D) ?[0-9]{1,2}$")


@lru_cache(maxsize=4096)
def normal(heading: str) -> str:
    """Return a heading as it is compared: lower case, no accents, one space between words."""
    letters = unicodedata.normalize("NFKD", heading.casefold().replace("ł", "l"))
    bare = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return " ".join(_GAPS.sub(" ", bare).split())


def _list(text: str) -> dict[str, int]:
    """Read a list of headings, the surest first: name → place."""
    names = [normal(name) for name in text.replace("\n", ",").split(",")]
    return {name: place for place, name in reversed(list(enumerate(n for n in names if n)))}


# English; German; French; Spanish; Italian; Dutch; Polish; Portuguese; Japanese; Chinese.
_MEANINGS: dict[Field, dict[str, int]] = {
    "id": _list("""
        id, sku, product id, productid, item id, itemid, external id, article id, variant id,
        product code, item code, article code, product number, item number, article number,
        product no, item no, article no, item sku, product sku, part number, code, reference, ref
        artikelnummer, artikel nr, artikelnr, art nr, artnr, artikel id, artikelcode, artikel,
        produktnummer, produkt nr, produkt id, produktcode, bestellnummer, bestell nr
        référence, réf, identifiant, code article, code produit, référence produit, id produit,
        numéro d'article, ugs
        referencia, código, id producto, id del producto, código de producto,
        código del producto, código de artículo, identificador
        codice, riferimento, codice articolo, codice prodotto, id prodotto, cod articolo
        productnummer, productcode, bestelnummer
        kod, kod produktu, numer katalogowy, nr katalogowy, indeks, id produktu,
        identyfikator, numer produktu, symbol
        código do produto, id do produto, referência, identificador do produto, cód
        商品id, 商品番号, 商品コード, 品番, 管理番号, 商品管理番号, 型番, 製品番号
        商品编号, 产品编号, 商品编码, 产品编码, 货号, 编号, 款号, 商品編號, 產品編號, 貨號, 編號
        mpn, gtin, ean, barcode, upc, isbn
    """),
    "title": _list("""
        title, name, product title, product name, productname, item name, item title,
        display name
        titel, bezeichnung, produktname, produkttitel, artikelname, artikelbezeichnung,
        produktbezeichnung
        titre, nom, nom du produit, nom produit, désignation, intitulé, libellé
        título, nombre, nombre del producto, nombre producto, nombre de producto, denominación
        titolo, nome, nome prodotto, nome del prodotto, denominazione
        naam, productnaam, artikelnaam
        nazwa, tytuł, nazwa produktu, nazwa towaru
        nome do produto, nome produto, título do produto, designação
        商品名, 商品名称, タイトル, 名称, 品名, 製品名
        标题, 名称, 产品名称, 商品标题, 產品名稱, 商品名稱, 標題, 名稱
    """),
    "picture": _list("""
        image, images, picture, pictures, photo, photos, images src, image url, image urls,
        image link, image links, image src, image path, image file, image filename, img, img url,
        picture url, picture file, photo url, photo file, main image, main image url, product image,
        pictures url, photos url, media url, media src,
        product image url, images url, additional image, additional images, additional image link,
        additional image url, gallery, image uri, file, filename, file name, thumbnail,
        bild, bilder, foto, fotos, bild url, bildurl, bilddatei, bildlink, bild link, produktbild,
        hauptbild, bildpfad, zusätzlicher bildlink
        image du produit, images du produit, lien image, url image, url de l'image,
        photo du produit, fichier image, visuel
        imagen, imágenes, url de imagen, url imagen, url de la imagen, enlace imagen,
        imagen del producto, imagen principal
        immagine, immagini, url immagine, link immagine, immagine prodotto, file immagine
        afbeelding, afbeeldingen, afbeelding url, afbeeldingslink, plaatje, productafbeelding
        zdjęcie, zdjęcia, obraz, obrazek, obrazy, adres zdjęcia, url zdjęcia, link do zdjęcia,
        zdjęcie główne
        imagem, imagens, url da imagem, link da imagem, imagem do produto, imagem principal
        画像, 商品画像, 画像url, 画像ファイル, メイン画像, 写真, 画像ファイル名, 商品画像url
        图片, 图像, 主图, 照片, 商品图片, 产品图片, 图片链接, 图片地址, 图片url, 圖片, 圖像, 主圖,
        商品圖片, 圖片網址
    """),
    "url": _list("""
        url, link, product url, product link, producturl, page url, web page, product page, href,
        permalink
        produktlink, produkt url, produkturl, webseite, seite
        lien, lien produit, url produit, url du produit, lien du produit
        enlace, url producto, url del producto, enlace del producto, vínculo
        link prodotto, url prodotto, collegamento
        productlink, koppeling
        adres, link do produktu, url produktu, odnośnik
        url do produto, link do produto, ligação
        商品url, 商品ページurl, リンク, 商品ページ, 商品リンク
        链接, 商品链接, 产品链接, 网址, 連結, 商品連結, 網址
    """),
    "price": _list("""
        price, unit price, retail price, product price, regular price, list price, rrp, msrp
        preis, verkaufspreis, einzelpreis, listenpreis, bruttopreis, vk preis, uvp, preis brutto
        prix, prix ttc, prix de vente, tarif, prix unitaire
        precio, precio de venta, precio unitario, pvp
        prezzo, prezzo di vendita, prezzo unitario, prezzo di listino
        prijs, verkoopprijs, stukprijs, adviesprijs
        cena, cena brutto, cena sprzedaży, cena detaliczna
        preço, preço de venda, preço unitário, pvp
        価格, 販売価格, 税込価格, 単価, 値段, 定価
        价格, 售价, 单价, 零售价, 價格, 售價, 單價
    """),
    "group": _list("""
        item group id, group id, variant of, parent sku, parent id, parent product id
        variante von, übergeordnete artikelnummer, gruppen id, varianten id
        id de groupe, variante de, id parent, sku parent
        id de grupo, variante de, sku padre, id padre, sku principal
        id gruppo, variante di, sku padre, id padre
        groeps id, variant van
        id grupy, wariant
        グループid, 親商品コード, 親商品番号
        商品组id, 父sku, 商品群組id
    """),
    "description": _list("""
        description, product description, long description, short description, body, body html,
        details, details html
        beschreibung, produktbeschreibung, artikelbeschreibung, kurzbeschreibung, langbeschreibung,
        langtext
        description produit, description du produit, description courte, description longue,
        descriptif
        descripción, descripción del producto, descripción corta, descripción larga
        descrizione, descrizione prodotto, descrizione breve, descrizione lunga
        beschrijving, omschrijving, productbeschrijving, korte beschrijving, lange omschrijving
        opis, opis produktu, krótki opis
        descrição, descrição do produto, descrição curta
        商品説明, 説明, 説明文, 商品説明文
        描述, 商品描述, 产品描述, 详情, 说明, 產品描述, 詳情, 說明
    """),
}  # fmt: skip

_CONTAINERS = frozenset(_list("product, products, item, items, article, data, fields, node"))
_MONEY = frozenset(
    _list("""
        price, prices, preis, prix, precio, prezzo, prijs, cena, preço, msrp, rrp, uvp, pvp
        angebotspreis, verkaufspreis, einzelpreis, listenpreis, streichpreis, actieprijs
    """)
)
_MONEY_SIGNS = ("価格", "价格", "價格", "售价", "售價")
_CODES = frozenset(
    _list("""
        id, ids, sku, skus, ean, gtin, gtin8, gtin12, gtin13, gtin14, upc, mpn, isbn, asin,
        barcode, code, codes, reference, ref, zip, postcode, phone, hs
        artikelnummer, artikelnr, artnr, nummer, bestellnummer, productnummer, produktnummer,
        referenz, plz, telefon, strichcode
        código, codice, referencia, ugs, cod, kod, katalogowy
    """)
)
_CODE_SIGNS = ("番号", "コード", "编号", "编码", "货号", "編號", "貨號", "条码")

_VARIANTS = frozenset(
    _list("""
        size, sizes, color, colour, width, length, inseam, cup, größe, grösse, groesse, farbe, weite
        länge, schuhgröße, taille, pointure, couleur, longueur, talla, color, ancho, largo
        taglia, misura, colore, maat, kleur, rozmiar, kolor, tamanho, cor, размер, цвет
    """)
)
_VARIANT_SIGNS = ("サイズ", "カラー", "尺码", "尺寸", "尺碼", "颜色", "顏色", "사이즈", "색상")


def place(heading: str, field: Field) -> int | None:
    """Return how surely a heading means a field, 0 the surest; None if it does not."""
    known = _MEANINGS.get(field, {})
    name = normal(heading)
    found = known.get(name)
    if found is None and field in ("picture", "description"):  # "image 2", "photo3"
        found = known.get(_NUMBERED.sub("", name))
    if found is None and "." in heading:  # of a nested object: a brand's id is not the product's
        outer, _, inner = heading.rpartition(".")
        if normal(outer) in _CONTAINERS and (rank := known.get(normal(inner))) is not None:
            return rank + len(known)
    return found


def promises_prices(heading: str) -> bool:
    """Tell whether a column of this heading holds prices, if its values allow it."""
    return _says(heading, lambda words: bool(_MONEY & words), _MONEY_SIGNS)


def promises_codes(heading: str) -> bool:
    """Tell whether digits in a column of this heading are codes and not numbers."""
    return _says(heading, lambda words: bool(_CODES & words), _CODE_SIGNS)


def promises_variants(heading: str) -> bool:
    """Tell whether a column of this heading says in what the variants of a product differ."""
    return _says(heading, lambda words: bool(_VARIANTS & words), _VARIANT_SIGNS)


def _says(heading: str, words: Callable[[set[str]], bool], signs: tuple[str, ...]) -> bool:
    name = normal(heading)
    return words(set(name.split())) or any(normal(sign) in name for sign in signs)
