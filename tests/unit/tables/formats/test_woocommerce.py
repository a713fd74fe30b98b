"""WooCommerce's product CSV in four languages."""

from __future__ import annotations

import pytest
from paper_tables import export, good, reading_of, rows_of

from visearch.tables.formats.woocommerce_words import attribute_part
from visearch.tables.mapping import choices_of

LANGUAGES = ("english", "german", "french", "spanish")


@pytest.mark.parametrize("language", LANGUAGES)
def test_variations_belong_to_their_parents(language: str) -> None:
    text = export(f"woocommerce_{language}.csv")
    assert reading_of(text).format.name == "woocommerce"
    rows = good(rows_of(text))
    assert list(rows) == ["SHIRT", "13", "14"]
    names = text.splitlines()[0].split(",")
    published, stock, weight, categories, tags = (names[n] for n in (4, 9, 10, 13, 14))
    shirt = rows["SHIRT"]
    assert (shirt.title, shirt.description) == ("Shirt", "Soft and warm")
    assert shirt.images == ("https://c/a.jpg", "https://c/b.jpg", "https://c/s.jpg")
    assert shirt.attributes == {
        published: 1,
        stock: 1,
        weight: 0.2,
        categories: "Clothes > Shirts",
        tags: "summer",
        "sale_price": 9.99,
        "price": 12.99,
        "Size": ["S", "M"],
    }
    assert rows["13"].url == "https://other/mug" and rows["13"].images == ("img/m.jpg",)
    assert rows["14"].images == ("https://c/c.jpg", "https://c/d.jpg")
    assert rows["14"].attributes["Colour"] == ["Red", "Dark, blue"]


def test_a_variation_may_stand_before_its_parent() -> None:
    head = "ID,Type,SKU,Name,Published,Images,Parent,Regular price"
    text = (
        f"{head}\n2,variation,,V,1,v.jpg,id:9,5\n3,simple,S,S,1,s.jpg,,\n9,variable,P,P,1,p.jpg,,\n"
    )
    rows = rows_of(text)
    assert [row.id for row in rows] == ["S", "P"]
    product = good(rows)["P"]
    assert (product.title, product.images) == ("P", ("v.jpg", "p.jpg"))
    assert product.attributes == {"price": 5, "Published": 1}


def test_the_number_can_be_the_id() -> None:
    choices = choices_of({"ID": "id"})
    rows = good(rows_of(export("woocommerce_english.csv"), choices=choices))
    assert list(rows) == ["10", "13", "14"]
    assert len(rows["10"].images) == 3 and rows["10"].attributes["SKU"] == "SHIRT"


@pytest.mark.parametrize(
    ("parent", "problem"),
    [("", "the variation names no parent"), ("X", "its parent 'X' is not in the file")],
)
def test_a_variation_without_its_parent_fails_alone(parent: str, problem: str) -> None:
    text = f"ID,Type,SKU,Name,Images,Parent\n1,variation,V,V,v.jpg,{parent}\n2,simple,S,S,s.jpg,\n"
    assert [(row.line, row.id, row.problem) for row in rows_of(text)] == [
        (2, "V", problem),
        (3, "S", None),
    ]


def test_commas_separate_pictures_but_stay_in_names() -> None:
    head = "ID,Type,SKU,Name,Images,Parent\n"
    cell = '"https://c/a,w=5/b.jpg,https://c/b.jpg, c.jpg"'
    (row,) = rows_of(f"{head}1,simple,S,S,{cell},\n")
    assert row.images == ("https://c/a,w=5/b.jpg", "https://c/b.jpg", "c.jpg")
    (row,) = rows_of(f"{head}1,simple,S,S,https://c/a.jpg | //c.example/b.jpg,\n")
    assert row.images == ("https://c/a.jpg", "https://c.example/b.jpg")
    (row,) = rows_of(f'{head}1,simple,S,S,"img/a.jpg,img/b.jpg",\n')
    assert row.images == ("img/a.jpg", "img/b.jpg")


@pytest.mark.parametrize(
    ("heading", "part"),
    [
        ("Attribute 12 name", ("12", "name")),
        ("Attribute 1 value(s)", ("1", "values")),
        ("Wert(e) von Attribut 2", ("2", "values")),
        ("Attribut 3 Standard", ("3", "other")),
        ("Valeur(s) de l'attribut 1", ("1", "values")),
        ("Atributo visible 4", ("4", "other")),
        ("Attribute", None),
        ("Name", None),
    ],
)
def test_numbered_attributes(heading: str, part: tuple[str, str] | None) -> None:
    assert attribute_part(heading) == part
