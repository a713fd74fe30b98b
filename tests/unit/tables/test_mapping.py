"""What columns are: guessed, corrected by the merchant, and kept for the catalog."""

from __future__ import annotations

import json
from typing import Any

import pytest
from paper_tables import PaperTable, csv_table, good, reading_of, rows_of, table_of

from visearch.errors import InvalidRequest, MappingIncomplete
from visearch.tables.mapping import Choice, Known, SavedMapping, choices_of

SHOP = """
Artikelnummer,Bezeichnung,Bild,Preis,Breite,Farbe
A1,Rot,a.jpg,"12,99",10,red
A2,Blau,b.jpg,"1.299,00 €",20,blue
"""


def fields_of(table: PaperTable | str, **options: Any) -> dict[str, str]:
    return {each.column: each.field for each in reading_of(table, **options).mapping.columns}


def types_of(table: PaperTable | str, **options: Any) -> dict[str, str]:
    return {
        each.column: each.type
        for each in reading_of(table, **options).mapping.columns
        if each.field in ("attribute", "price")
    }


def saved_by(table: PaperTable | str, **options: Any) -> SavedMapping:
    """Return what a catalog keeps of a table, through the JSON in its row."""
    saved = reading_of(table, **options).mapping.save(options.get("saved"))
    return SavedMapping.model_validate_json(saved.model_dump_json())


def test_a_mapping_is_guessed() -> None:
    mapping = reading_of(SHOP).mapping
    assert [(each.column, each.field, each.type, each.example) for each in mapping.columns] == [
        ("Artikelnummer", "id", "text", "A1"),
        ("Bezeichnung", "title", "text", "Rot"),
        ("Bild", "picture", "text", "a.jpg"),
        ("Preis", "price", "price", "12,99"),
        ("Breite", "attribute", "number", "10"),
        ("Farbe", "attribute", "text", "red"),
    ]
    assert [each.currency for each in mapping.of("price")] == ["EUR"]


def test_the_merchant_knows_better() -> None:
    choices = choices_of({"farbe": "title", "Breite": {"type": "text"}, "Preis": "ignore"})
    assert fields_of(SHOP, choices=choices) == {
        "Artikelnummer": "id",
        "Bezeichnung": "attribute",
        "Bild": "picture",
        "Preis": "ignore",
        "Breite": "attribute",
        "Farbe": "title",
    }
    row = good(rows_of(SHOP, choices=choices))["A1"]
    assert (row.title, row.attributes) == ("red", {"Bezeichnung": "Rot", "Breite": "10"})


def test_a_saved_mapping_is_used_next_time() -> None:
    choices = choices_of({"Farbe": "title", "Breite": {"type": "text"}})
    saved = saved_by(SHOP, choices=choices)
    assert fields_of(SHOP, saved=saved)["Farbe"] == "title"
    assert types_of(SHOP, saved=saved)["Breite"] == "text"
    other = "sku,image,Breite\nB,a.jpg,1\n"  # a file that lacks most of the columns
    assert types_of(other, saved=saved) == {"Breite": "text"}
    assert "Farbe" in saved_by(other, saved=saved).columns


def test_a_mapping_can_be_stated_without_a_file() -> None:
    first = SavedMapping().stated(choices_of({"farbe": "title", "BREITE": {"type": "text"}}))
    saved = first.stated(choices_of({"farbe": {"field": "attribute", "type": "list"}}))
    assert fields_of(SHOP, saved=first)["Farbe"] == "title"
    assert fields_of(SHOP, saved=saved)["Farbe"] == "attribute"
    assert types_of(SHOP, saved=saved) == {"Preis": "price", "Breite": "text", "Farbe": "list"}


def test_a_column_that_becomes_the_id_has_no_type_any_more() -> None:
    saved = saved_by(SHOP, choices=choices_of({"Breite": {"type": "number"}}))
    (column,) = reading_of(SHOP, saved=saved, choices=choices_of({"Breite": "id"})).mapping.of("id")
    assert (column.column, column.type) == ("Breite", "text")


def test_of_two_saved_columns_for_one_field_the_first_is_taken() -> None:
    saved = SavedMapping().stated(choices_of({"Farbe": "title", "Breite": "title"}))
    found = fields_of(SHOP, saved=saved)
    assert (found["Breite"], found["Farbe"], found["Bezeichnung"]) == (
        "title",
        "attribute",
        "attribute",
    )


def test_a_new_choice_beats_a_saved_one() -> None:
    saved = saved_by(SHOP, choices=choices_of({"Farbe": "title"}))
    now = choices_of({"Bezeichnung": "title"})
    found = fields_of(SHOP, saved=saved, choices=now)
    assert (found["Bezeichnung"], found["Farbe"]) == ("title", "attribute")


def test_the_types_of_a_catalog_are_stable() -> None:
    saved = saved_by("id,image,size,code\n1,a.jpg,38,x\n")
    later = "id,image,size,code\n2,b.jpg,M,7\n3,c.jpg,40,8\n4,d.jpg,1.50,9\n"
    assert types_of(later, saved=saved) == {"size": "number", "code": "text"}
    kept = {row.id: row.attributes for row in rows_of(later, saved=saved)}
    assert kept == {
        "2": {"size": "M", "code": "7"},
        "3": {"size": 40, "code": "8"},
        "4": {"size": "1.50", "code": "9"},
    }


def test_a_column_that_was_empty_has_no_type_yet() -> None:
    saved = saved_by("id,image,size\n1,a.jpg,\n")
    assert saved.columns["size"].type is None
    assert types_of("id,image,size\n1,a.jpg,38\n", saved=saved) == {"size": "number"}


@pytest.mark.parametrize(
    ("raw", "pointer", "words"),
    [
        ([], "mapping", "not an object"),
        ({"a": "colour"}, "mapping/a", "A field is one of id, title"),
        ({"a/b": 7}, "mapping/a~1b", "A field is one of"),
        ({"a": {}}, "mapping/a", "Say the column's field"),
        ({"a": {"field": "id", "kind": "text"}}, "mapping/a", "not 'kind'"),
        ({"a": {"type": "float"}}, "mapping/a", "A type is one of text, number"),
        ({"a": {"field": "id", "type": "number"}}, "mapping/a", "Only an attribute or a price"),
    ],
)
def test_a_mapping_that_cannot_be_used(raw: Any, pointer: str, words: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        choices_of(raw)
    ((where, why),) = caught.value.fields
    assert where == pointer and words in why


def test_choices_are_read() -> None:
    assert choices_of({" a ": "id", "b": {"field": "price", "type": "price"}}) == {
        "a": Choice("id", None),
        "b": Choice("price", "price"),
    }


def test_a_choice_for_a_column_that_is_not_there() -> None:
    with pytest.raises(InvalidRequest, match=r"It has: Artikelnummer, Bezeichnung") as caught:
        reading_of(SHOP, choices=choices_of({"Foto": "picture"}))
    assert caught.value.fields == (("mapping/Foto", "The table has no such column."),)


def test_two_columns_cannot_both_be_the_id() -> None:
    with pytest.raises(InvalidRequest, match="cannot both be the id") as caught:
        reading_of(SHOP, choices=choices_of({"Farbe": "id", "Breite": "id"}))
    assert [pointer for pointer, _ in caught.value.fields] == ["mapping/Breite"]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("foo,image\n1,a.jpg\n", "the product's id. Its columns are: foo, image."),
        ("id,foo\n1,bar\n", "the product's pictures. Its columns are: id, foo."),
    ],
)
def test_a_table_without_what_every_product_needs(text: str, what: str) -> None:
    with pytest.raises(MappingIncomplete) as caught:
        reading_of(text)
    assert what in caught.value.detail and "say which it is in the mapping" in caught.value.detail


def test_columns_whose_values_are_pictures_are_found_without_a_heading() -> None:
    text = "id,eins,zwei,url\n1,a.JPG,x,https://s/1\n2,p/b.png?v=2|c.webp,y,https://s/2\n"
    assert fields_of(text) == {"id": "id", "eins": "picture", "zwei": "attribute", "url": "url"}
    assert fields_of("id,url\n1,https://s/1.jpg\n") == {"id": "id", "url": "picture"}


def test_a_heading_of_pictures_over_something_else_is_an_attribute() -> None:
    """Another column names the files."""
    table = "id,image,picture,photo\n1,a.jpg,drawn,\n2,b/c,painted,\n"
    assert fields_of(table) == {
        "id": "id",
        "image": "picture",
        "picture": "attribute",
        "photo": "picture",
    }


def test_the_surest_heading_wins_and_the_others_are_attributes() -> None:
    assert fields_of("ean,name,sku,title,image,photo 2\n4,n,s,t,a.jpg,b.jpg\n") == {
        "ean": "attribute",
        "name": "attribute",
        "sku": "id",
        "title": "title",
        "image": "picture",
        "photo 2": "picture",
    }


def test_a_mapping_is_plain_json() -> None:
    dumped = json.loads(saved_by(SHOP).model_dump_json())
    assert dumped["columns"]["Preis"] == {
        "field": None,
        "type": "price",
        "type_stated": False,
        "currency": "EUR",
        "decimal": ",",
    }


def test_typed_tables_are_mapped_too() -> None:
    table = table_of({"sku": 7, "images": ["a.jpg", "b.jpg"], "price": 9.5, "new": True})
    assert types_of(table) == {"price": "price", "new": "boolean"}
    row = good(rows_of(table))["7"]
    assert row.images == ("a.jpg", "b.jpg")
    assert row.attributes == {"price": 9.5, "new": True}


def test_csv_tables_are_read_in_three_passes() -> None:
    table = csv_table(SHOP)
    rows_of(table)
    assert table.passes == 3  # a sample, the survey, the products


def test_what_was_stated_can_be_taken_back() -> None:
    saved = saved_by(SHOP, choices=choices_of({"Farbe": "title", "Breite": {"type": "text"}}))
    left = saved.without_stated()
    types = {name: each.type for name, each in left.columns.items()}
    assert types == {"Bezeichnung": "text", "Preis": "price"}
    assert fields_of(SHOP, saved=left)["Farbe"] == "attribute"


def test_a_catalog_remembers_only_so_many_columns() -> None:
    wide = ",".join(f"c{n}" for n in range(1100))
    values = ",".join("5" for _ in range(1100))
    text = f"id,image,{wide},last,{'x' * 300}\n1,a.jpg,{values},6,7\n"
    saved = saved_by(text, choices=choices_of({"last": {"type": "text"}}))
    assert len(saved.columns) < 1010
    assert saved.columns["last"].type == "text" and "x" * 300 not in saved.columns


def test_what_is_known_travels_as_json() -> None:
    known = Known(choices=choices_of({"Farbe": "title"}), saved=saved_by(SHOP))
    assert Known.model_validate(json.loads(known.model_dump_json())) == known
    assert Known().is_nothing and not known.is_nothing
