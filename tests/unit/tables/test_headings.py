"""Headings in twelve languages."""

from __future__ import annotations

import pytest

from visearch.tables.headings import FIELDS, Field, normal, place, promises_codes, promises_prices


@pytest.mark.parametrize(
    ("heading", "field"),
    [
        ("SKU", "id"),
        ("Artikel-Nr.", "id"),
        ("RÉFÉRENCE", "id"),
        ("Codice articolo", "id"),
        ("nr_katalogowy", "id"),
        ("商品番号", "id"),
        ("商品编号", "id"),
        ("Product Name", "title"),
        ("Bezeichnung", "title"),
        ("Désignation", "title"),
        ("Título", "title"),
        ("Naam", "title"),
        ("商品名", "title"),
        ("標題", "title"),
        ("image_2", "picture"),
        ("Image Link", "picture"),
        ("images.src", "picture"),
        ("item.photo", "picture"),
        ("Produktbild", "picture"),
        ("Imágenes", "picture"),
        ("zdjęcie główne", "picture"),
        ("afbeelding3", "picture"),
        ("画像", "picture"),
        ("图片链接", "picture"),
        ("Product URL", "url"),
        ("Lien", "url"),
        ("Preis", "price"),
        ("preço", "price"),
        ("售价", "price"),
        ("item_group_id", "group"),
        ("Beschreibung", "description"),
        ("opis", "description"),
        ("productId", "id"),
        ("PRODUCT_ID", "id"),
        ("Item #", "id"),
        ("Artikel-Nummer", "id"),
        ("Numéro de produit", "id"),
        ("Code-barres", "id"),
        ("EAN Code", "id"),
        ("Style Code", "id"),
        ("商家编码", "id"),
        ("Артикул", "id"),
        ("상품코드", "id"),
        ("productName", "title"),
        ("Item Description", "title"),
        ("Nom de l'article", "title"),
        ("Título del producto", "title"),
        ("Denominazione articolo", "title"),
        ("Produkt", "title"),
        ("宝贝标题", "title"),
        ("Наименование товара", "title"),
        ("상품명", "title"),
        ("imageUrl", "picture"),
        ("imageUrls", "picture"),
        ("imageURL", "picture"),
        ("imageURLs", "picture"),
        ("ImageLink", "picture"),
        ("Image 1 URL", "picture"),
        ("other_image_url12", "picture"),
        ("base_image", "picture"),
        ("IMGURL_ALTERNATIVE", "picture"),
        ("Featured Image", "picture"),
        ("Image principale", "picture"),
        ("Bildname", "picture"),
        ("主图链接", "picture"),
        ("Изображение 2", "picture"),
        ("대표 이미지", "picture"),
        ("itemGroupId", "group"),
        ("ITEMGROUP_ID", "group"),
        ("Variant Group ID", "group"),
        ("親商品コード", "group"),
    ],
)
def test_what_a_heading_means(heading: str, field: Field) -> None:
    assert [each for each in FIELDS if place(heading, each) is not None] == [field]


@pytest.mark.parametrize(
    "heading",
    [
        "",
        "colour",
        "2",
        "size",
        "imagery",
        "entitle",
        "Größe",
        "brand.id",
        "category.name",
        "brand.image",
        "Parent",
        "parent_product",
        "Parent code",
        "master SKU",
        "Hauptartikel",
        "Stammartikel",
        "Vaterartikel",
        "hoofdartikel",
        "親SKU",
        "SPU",
        "Group",
        "Wariant",
        "ID группы",
        "swatch_image",
        "Model",
    ],
)
def test_headings_that_mean_nothing_known(heading: str) -> None:
    assert [each for each in FIELDS if place(heading, each) is not None] == []


def test_the_surer_heading_has_the_lower_place() -> None:
    ranks = [place(each, "id") for each in ("id", "sku", "code", "ean")]
    assert ranks == sorted(ranks, key=lambda rank: -1 if rank is None else rank)


@pytest.mark.parametrize(
    ("surer", "other"),
    [
        ("Variant SKU", "EAN13"),
        ("Artikelnummer", "UUID"),
        ("商品SKU", "JANコード"),
        ("SKU Code", "Style Code"),
        ("EAN", "Style code"),
        ("Strichcode", "Modellnummer"),
        ("バーコード", "model no"),
        ("MPN", "style number"),
        ("UPC", "Handle"),
        ("GTIN", "Herstellernummer"),
        ("Barcode", "uuid"),
        ("Référence article", "Code-barres"),
    ],
)
def test_a_proper_id_is_surer_than_what_only_looks_like_one(surer: str, other: str) -> None:
    ranks = place(surer, "id"), place(other, "id")
    assert None not in ranks and ranks == tuple(sorted(ranks, key=lambda rank: rank or 0))


def test_letters_are_compared_without_case_accents_and_signs() -> None:
    assert normal(" Référence_Produit-Nr. ") == "reference produit nr"
    assert normal("ZDJĘCIE GŁÓWNE") == "zdjecie glowne"
    assert normal("itemGroupID") == "item group id"
    assert normal("ProductImageURLs") == "product image urls"


@pytest.mark.parametrize("heading", ["sale_price", "Preis (EUR)", "Variant Price", "販売価格"])
def test_headings_that_promise_prices(heading: str) -> None:
    assert promises_prices(heading)


@pytest.mark.parametrize("heading", ["sku_code", "EAN", "Artikelnummer", "g:gtin", "商品コード"])
def test_headings_that_promise_codes(heading: str) -> None:
    assert promises_codes(heading) and not promises_prices(heading)


@pytest.mark.parametrize("heading", ["size", "weight", "barcodes", "priceless"])
def test_headings_that_promise_neither(heading: str) -> None:
    assert not promises_codes(heading) and not promises_prices(heading)
