"""What an import would do, told before it does anything."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from paper_tables import PaperTable, csv_table, reading_of

from visearch.tables import preview as module
from visearch.tables.mapping import choices_of
from visearch.tables.preview import (
    Fate,
    Preview,
    preview,
    preview_incomplete,
    preview_pictures,
)
from visearch.tables.products import look
from visearch.tables.row import Row

BAD_ROW = {"picture": None, "code": "invalid_manifest_row"}
SHOP = """
Artikelnummer,Bezeichnung,Bild,Preis,Breite
A1,Rot,a.jpg,"12,99",10
A2,Blau,b.jpg|c.jpg,auf Anfrage,20
,Grün,d.jpg,"5,00",30
A3,Gelb,,"5,00",30
A1,,e.jpg,,
"""


def of(table: PaperTable | str, **options: object) -> Preview:
    return preview(reading_of(table, **options))


def test_the_whole_answer() -> None:
    about_the_import = {"upload", "guard", "problem"}
    assert of(SHOP).model_dump(exclude=about_the_import) == {
        "format": "plain",
        "encoding": "utf-8",
        "delimiter": ",",
        "mapping": [
            {"column": column, "field": field, "type": type_, "example": example, "currency": None}
            for column, field, type_, example in [
                ("Artikelnummer", "id", "text", "A1"),
                ("Bezeichnung", "title", "text", "Rot"),
                ("Bild", "picture", "text", "a.jpg"),
                ("Preis", "price", "price", "12,99"),
                ("Breite", "attribute", "number", "10"),
            ]
        ],
        "products": [
            {
                "id": "A2",
                "title": "Blau",
                "url": None,
                "description": None,
                "attributes": {"Preis": "auf Anfrage", "Breite": 20},
                "pictures": [{"name": "b.jpg", "found": None}, {"name": "c.jpg", "found": None}],
            },
            {
                "id": "A1",
                "title": "Rot",
                "url": None,
                "description": None,
                "attributes": {"Preis": 12.99, "Breite": 10},
                "pictures": [{"name": "a.jpg", "found": None}, {"name": "e.jpg", "found": None}],
            },
        ],
        "counts": {
            "rows": 5,
            "products": 2,
            "pictures": 4,
            "add": None,
            "change": None,
            "remove": None,
            "unchanged": None,
            "failed": 2,
        },
        "failures": [
            {"line": 4, **BAD_ROW, "detail": "The row has no id."},
            {"line": 5, **BAD_ROW, "detail": "The row names no image."},
        ],
        "ignored": [],
        "notes": [
            "One value of the column 'Preis' cannot be read as price and stays text; "
            "the first is in line 3."
        ],
    }


def test_who_knows_the_archive_and_the_store_says_the_rest() -> None:
    batches: list[list[str]] = []

    def judge(rows: Sequence[Row]) -> list[Fate]:
        batches.append([row.id for row in rows])
        gone = ("name_not_found", "No file has this name.")
        return [
            Fate("add", {}) if row.id == "A2" else Fate("unchanged", {"e.jpg": gone})
            for row in rows
        ]

    found = preview(reading_of(SHOP), judge)
    assert batches == [["", "A2", "A3", "A1"]]
    assert (found.counts.add, found.counts.unchanged, found.counts.change) == (1, 1, 0)
    assert found.counts.failed == 3
    assert [(each.line, each.code) for each in found.failures][-1] == (6, "name_not_found")
    assert [each.found for each in found.products[1].pictures] == [True, False]


def test_a_picture_that_nobody_has_looked_for_is_neither_there_nor_missing() -> None:
    url = "https://shop.example/a.jpg"
    found = preview(reading_of(f"id,image\n1,{url}|b.jpg\n"), lambda rows: [Fate("add", {}, {url})])
    assert [each.found for each in found.products[0].pictures] == [None, True]


def test_ambiguous_ids_are_told_row_by_row() -> None:
    found = of("id,image\n4.00638E+12,a.jpg\n4.00638E+12,b.jpg\n4.00639E+12,c.jpg\n")
    assert [(each.line, each.code) for each in found.failures] == [
        (2, "id_ambiguous"),
        (3, "id_ambiguous"),
    ]
    assert found.failures[0].detail.startswith("A spreadsheet has cut digits off the id '4.00638E")
    assert found.failures[0].detail.endswith("export it again.")
    assert found.notes == [
        "A spreadsheet seems to have cut digits off 1 of the ids (4.00638E+12 was a longer code). "
        "Give the column the format 'text' and export it again."
    ]


def test_only_so_many_products_and_failures_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_FAILURES", 5)
    rows = "".join(f"{n},{n}.jpg\n,x.jpg\n" for n in range(600))
    found = of(f"id,image\n{rows}")
    assert (len(found.products), len(found.failures)) == (20, 5)
    assert (found.counts.rows, found.counts.products, found.counts.failed) == (1200, 600, 600)


def test_a_product_that_comes_in_parts_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("visearch.tables.products.MOST_OPEN", 1)
    found = of("id,image\n1,a.jpg\n2,b.jpg\n1,c.jpg\n2,d.jpg\n")
    assert (found.counts.products, found.counts.pictures) == (2, 4)


def test_notes_of_the_reader_come_first() -> None:
    table = csv_table("id,image,n\n1,a.jpg,x\n2,b.jpg,y\n")
    table.description = table.description._replace(notes=("The encoding was guessed.",))
    notes = of(table, choices=choices_of({"n": {"type": "number"}})).notes
    assert notes == [
        "The encoding was guessed.",
        "2 values of the column 'n' cannot be read as number and stay text; "
        "the first is in line 2.",
    ]


def test_a_product_without_a_usable_picture_becomes_nothing() -> None:
    missing = {"a.jpg": ("picture_missing", "There is no such file.")}
    found = preview(reading_of("id,image\n1,a.jpg\n"), lambda rows: [Fate(None, missing)])
    assert (found.counts.products, found.counts.add, found.counts.failed) == (1, 0, 1)


def test_pictures_without_a_table_may_share_an_id() -> None:
    rows = [Row(n, name, (f"{name}.{n}",), None, None, {}) for n, name in enumerate("aab")]
    fates = iter([Fate(None, {"a.0": ("x", "X.")}), Fate("add", {}), Fate("change", {})])
    found = preview_pictures(rows, lambda batch: [next(fates) for _ in batch])
    assert (found.format, found.encoding, found.mapping) == ("pictures", None, [])
    assert [each.id for each in found.products] == ["a", "b"]
    counts = found.counts
    assert (counts.products, counts.add, counts.change, counts.failed) == (2, 1, 1, 1)


def test_a_name_that_is_no_text_is_shown_all_the_same() -> None:
    rows = [Row(1, "a\udce9", ("a\udce9.jpg",), None, None, {})]
    found = preview_pictures(rows, lambda batch: [Fate("add", {})])
    assert '"id":"a?"' in found.model_dump_json()


def test_a_table_that_lacks_a_column_shows_those_it_has() -> None:
    found = preview_incomplete(look(csv_table("Ding,Foto\n,\nA1,a.jpg\n")))
    assert [(each.column, each.field, each.example) for each in found.mapping] == [
        ("Ding", "attribute", "A1"),
        ("Foto", "picture", "a.jpg"),
    ]
    assert found.counts.add is None
