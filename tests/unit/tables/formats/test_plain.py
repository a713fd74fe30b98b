"""Tables of nobody's format, in twelve languages."""

from __future__ import annotations

import pytest
from paper_tables import csv_table, good, reading_of, rows_of, table_of

from visearch.tables.mapping import choices_of
from visearch.tables.table import Cell


def test_a_table_as_the_contract_has_it() -> None:
    rows = good(rows_of("ID,Image,title,url,Colour,n\n1,p/b.jpg|p/a.jpg,T,http://u,red,7\n"))
    row = rows["1"]
    assert row.images == ("p/b.jpg", "p/a.jpg")
    assert (row.title, row.url, row.line) == ("T", "http://u", 2)
    assert row.attributes == {"Colour": "red", "n": 7}


@pytest.mark.parametrize(
    "headings",
    [
        "article number,product name,photo,link,retail price,details",
        "Artikelnummer,Bezeichnung,Bild,Produktlink,Verkaufspreis,Beschreibung",
        "Référence,Désignation,Image,Lien,Prix TTC,Descriptif",
        "Referencia,Nombre,Imagen,Enlace,Precio,Descripción",
        "Codice,Nome,Immagine,URL prodotto,Prezzo,Descrizione",
        "Artikelcode,Naam,Afbeelding,Productlink,Prijs,Omschrijving",
        "Indeks,Nazwa,Zdjęcie,Adres,Cena,Opis",
        "Código do produto,Nome do produto,Imagem,Link do produto,Preço,Descrição",
        "商品番号,商品名,画像,商品ページ,販売価格,商品説明",
        "货号,标题,图片,网址,售价,描述",
        "Артикул,Название,Фото,Ссылка,Цена,Описание",
        "상품코드,상품명,이미지,상품 링크,판매가,상품 설명",
        "productId,productName,imageUrl,productUrl,unitPrice,longDescription",
    ],
)
def test_headings_of_many_languages(headings: str) -> None:
    reading = reading_of(f"{headings}\n007,Cup,c.jpg,https://s/c,9.50,Blue cup\n")
    assert reading.format.name == "plain"
    (row,) = rows_of(csv_table(f"{headings}\n007,Cup,c.jpg,https://s/c,9.50,Blue cup\n"))
    assert (row.id, row.title, row.images, row.url) == ("007", "Cup", ("c.jpg",), "https://s/c")
    assert list(row.attributes.values()) == [9.5]
    assert row.description == "Blue cup"


@pytest.mark.parametrize("codes", ["EAN", "EAN13", "Barcode", "Código de barras", "JANコード"])
def test_a_barcode_is_the_id_only_of_a_table_without_another(codes: str) -> None:
    text = f"{codes},Variant SKU,image\n4006381333931,S1,a.jpg\n"
    row = good(rows_of(text))["S1"]
    assert row.attributes == {codes: "4006381333931"}
    assert list(good(rows_of(f"{codes},image\n4006381333931,a.jpg\n"))) == ["4006381333931"]


def test_the_word_product_is_a_title_only_where_there_is_no_other() -> None:
    text = "id,Product,{},image\n1,Cup,Blue cup,a.jpg\n"
    assert good(rows_of(text.format("Colour")))["1"].title == "Cup"
    assert good(rows_of(text.format("Product name")))["1"].title == "Blue cup"


def test_a_name_of_a_file_beside_its_url_is_no_other_picture() -> None:
    text = "id,Image Name,{}\n1,a,https://s.example/a.jpg\n"
    assert good(rows_of(text.format("Image 1 URL")))["1"].images == ("https://s.example/a.jpg",)
    assert good(rows_of(text.format("link")))["1"].images == ("a",)


def test_all_pictures_of_a_magento_export() -> None:
    text = 'sku,name,base_image,additional_images\n1,Cup,/a/b.jpg,"/c/d.jpg,/e/f.jpg"\n'
    assert good(rows_of(text))["1"].images == ("/a/b.jpg", "/c/d.jpg", "/e/f.jpg")


@pytest.mark.parametrize("values", [("ja", "nein"), ("1", "0"), ("TRUE", "FALSE"), ("0", "0")])
def test_a_column_that_says_which_rows_are_parents_is_no_group(values: tuple[str, str]) -> None:
    text = f"sku,image,Hauptartikel\nA,a.jpg,{values[0]}\nB,b.jpg,{values[1]}\n"
    assert list(good(rows_of(text))) == ["A", "B"]


@pytest.mark.parametrize("heading", ["parent", "Parent product", "parent code", "Stammartikel"])
@pytest.mark.parametrize("values", [("", "A"), ("CAT1", "CAT1"), ("falsch", "wahr"), ("X", "")])
def test_a_parent_that_may_be_a_flag_or_a_category_merges_nothing(
    heading: str, values: tuple[str, str]
) -> None:
    text = f"sku,image,{heading}\nA,a.jpg,{values[0]}\nB,b.jpg,{values[1]}\n"
    assert list(good(rows_of(text))) == ["A", "B"]


def test_a_merchant_can_say_that_a_parent_is_a_group() -> None:
    text = "sku,Parent,image,size\nA,,a.jpg,\nA-1,A,b.jpg,S\nB,,c.jpg,\nB-1,B,d.jpg,S\n"
    assert list(good(rows_of(text))) == ["A", "A-1", "B", "B-1"]
    assert list(good(rows_of(text, choices=choices_of({"Parent": "group"})))) == ["A", "B"]


def test_the_code_of_a_style_is_no_id_beside_a_bar_code() -> None:
    text = "EAN,Style code,Title,Color,Size,Image\n"
    text += "4006381333931,S1,Shirt,red,S,a.jpg\n4006381333948,S1,Shirt,red,M,b.jpg\n"
    assert list(good(rows_of(text))) == ["4006381333931", "4006381333948"]


def test_a_parent_of_0_is_none() -> None:
    text = "id,parent_id,image\n7,0,a.jpg\n2,0,b.jpg\n3,7,c.jpg\n"
    rows = good(rows_of(text))
    assert [rows[each].images for each in ("7", "2")] == [("a.jpg", "c.jpg"), ("b.jpg",)]


@pytest.mark.parametrize(
    ("headings", "pictures"),
    [
        ("Featured Image,View 1,View 2", "012"),
        ("imageURL,zoom,detail", "012"),
        ("imageurl,zoom,detail", "012"),
        ("imageUrl,galleryImages.url,combinations.imageUrl", "012"),
        ("Фото,Ракурс,Деталь", "012"),
        ("View 1,Featured Image,View 2", "012"),
        ("Bildname,Ansicht 1,Ansicht 2", "12"),
        ("Featured Image,Brand logo,swatch_image", "0"),
        ("Featured Image,categories.imageUrl,link", "0"),
        # Where the headings tell of all pictures, others may be those of other things.
        ("image,zoom,size chart", "0"),
        ("Image 1,Image 2,Energy label", "01"),
        ("product.image,related.photo,zoom", "0"),
    ],
)
def test_pictures_known_by_their_values_beside_known_headings(headings: str, pictures: str) -> None:
    urls = [f"https://s.example/{number}.jpg" for number in range(3)]
    rows = good(rows_of(f"sku,name,{headings}\n1,Cup,{','.join(urls)}\n"))
    assert rows["1"].images == tuple(urls[int(number)] for number in pictures)


def test_several_picture_columns_keep_their_order() -> None:
    text = "sku,image,image 2,photo_3\n1,a.jpg,b.jpg,https://s/c.jpg;https://s/d.jpg\n"
    assert good(rows_of(text))["1"].images == (
        "a.jpg",
        "b.jpg",
        "https://s/c.jpg",
        "https://s/d.jpg",
    )


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("a.jpg, p/b.PNG", ("a.jpg", "p/b.PNG")),
        ("a.jpg;b.webp; c.heic;", ("a.jpg", "b.webp", "c.heic")),
        ("https://s/a.jpg, b.jpg", ("https://s/a.jpg", "b.jpg")),
        ("red, large.jpg", ("red, large.jpg",)),
        ("a.jpg, and more", ("a.jpg, and more",)),
        ("https://s/a?size=1,2.jpg", ("https://s/a?size=1,2.jpg",)),
    ],
)
def test_commas_separate_what_can_only_be_names_of_files(
    cell: str, expected: tuple[str, ...]
) -> None:
    assert good(rows_of(f'id,images\n1,"{cell}"\n'))["1"].images == expected


def test_a_position_orders_the_pictures_of_a_product() -> None:
    table = csv_table("id,image,place\n1,c.jpg,3\n1,a.jpg,1\n1,b.jpg,2\n")
    rows = rows_of(table, choices=choices_of({"place": "position"}))
    assert good(rows)["1"].images == ("a.jpg", "b.jpg", "c.jpg")
    assert good(rows)["1"].lines == (3, 4, 2)


def test_a_group_makes_variants_one_product() -> None:
    text = "sku,parent sku,title,image,colour\nA,,Cup,a.jpg,red\nB,A,Cup blue,b.jpg,blue\n"
    row = good(rows_of(text))["A"]
    assert (row.title, row.images) == ("Cup", ("a.jpg", "b.jpg"))
    assert row.attributes == {"colour": ["red", "blue"], "sku": "B"}


@pytest.mark.parametrize("group", ["item_group_id", "parent sku"])
def test_a_group_has_the_sizes_and_colours_and_ids_of_its_variants(group: str) -> None:
    text = f"id,title,image_link,color,size,weight,maker,{group}\n"
    text += "A-1,Shirt,https://s.example/1.jpg,red,38,1.5,Acme,A\n"
    text += "A-2,Shirt,https://s.example/2.jpg,blue,39,2.5,Acme,A\n"
    text += "B-1,Cup,https://s.example/3.jpg,red,38,1.5,Acme,B\n"
    rows = good(rows_of(text))
    assert rows["A"].attributes == {
        "id": ["A-1", "A-2"],
        "color": ["red", "blue"],
        "size": ["38", "39"],
        "weight": 1.5,
        "maker": "Acme",
    }
    assert rows["B"].attributes["id"] == "B-1" and rows["B"].attributes["size"] == 38


def test_a_group_has_the_lists_of_its_variants() -> None:
    def variant(number: str, *tags: str) -> dict[str, Cell]:
        return {"id": number, "image": f"{number}.jpg", "group id": "G", "tags": list(tags)}

    row = good(rows_of(table_of(variant("1", "a", "b"), variant("2", "b", "c"))))["G"]
    assert row.attributes == {"id": ["1", "2"], "tags": ["a", "b", "c"]}


def test_the_prices_of_variants_are_no_list() -> None:
    text = "sku,image,Sale price,Price,Group ID\n1,a.jpg,5 or 6,7 EUR,G\n2,b.jpg,9 or 8,8 EUR,G\n"
    attributes = good(rows_of(text))["G"].attributes
    assert (attributes["Sale price"], attributes["Price"]) == ("5 or 6", 7)


@pytest.mark.parametrize("error", ["#N/A", "#REF!", "#NV", "#¡VALOR!", "#ССЫЛКА!"])
def test_an_error_of_a_spreadsheet_fails_its_row(error: str) -> None:
    text = f"id,title,image\n{error},Cup,a.jpg\n2,{error},b.jpg\n3,#1 hit,c.jpg\n"
    said = f"the formula gives the error {error}"
    assert [(row.id, row.problem) for row in rows_of(text)] == [
        ("", f"column 'id': {said}"),
        ("2", f"column 'title': {said}"),
        ("3", None),
    ]
    rows = rows_of(text, choices=choices_of({"title": "ignore"}))
    assert [row.id for row in rows if row.problem is None] == ["2", "3"]


def test_prices_in_a_currency_of_three_decimals() -> None:
    text = 'id,image,Price (KWD)\n1,a.jpg,12.500\n2,b.jpg,"1,250"\n'
    rows = good(rows_of(text))
    assert [row.attributes["Price (KWD)"] for row in rows.values()] == [12.5, 1250]


@pytest.mark.parametrize("unseen", ["\u200b", "\ufeff", "\u2060", "\u200e", " \u200b\u00a0"])
def test_what_nobody_sees_is_no_part_of_an_id(unseen: str) -> None:
    text = f"id,image,parent sku\n{unseen}1,a.jpg,\n2{unseen},b.jpg,1{unseen}\n{unseen},c.jpg,\n"
    assert [(row.id, row.problem) for row in rows_of(text)] == [
        ("", "the row has no id"),
        ("1", None),
    ]
    assert list(good(rows_of(f"id,image\na{unseen}b,a.jpg\n"))) == [f"a{unseen}b"]


def test_objects_with_lists_and_nested_fields() -> None:
    table = table_of({"id": "1", "title": "T", "images.src": ["a.jpg", "b.jpg"], "tags": ["x"]})
    row = good(rows_of(table))["1"]
    assert row.images == ("a.jpg", "b.jpg") and row.attributes == {"tags": ["x"]}
