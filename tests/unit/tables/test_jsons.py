"""JSON: one object a line, or a list somewhere in a document."""

from __future__ import annotations

import json

import pytest
from table_files import cells, opened, read

from visearch.errors import TableUnreadable
from visearch.tables.limits import LONGEST_CELL, LONGEST_RECORD
from visearch.tables.table import Description
from visearch.tables.text import PIECE

OBJECT = {
    "id": "00123",
    "price": 12.5,
    "stock": 7,
    "new": True,
    "none": None,
    "dim": {"w": 1, "unit": {"name": "cm"}},
    "tags": ["a", 2, None, {"x": 1}],
    "images": [{"src": "a.jpg", "alt": "A"}, {"src": "b.jpg"}],
    "ean": 12345678901234567890,
}
CELLS = {
    "id": "00123",
    "price": 12.5,
    "stock": 7,
    "new": True,
    "none": None,
    "dim.w": 1,
    "dim.unit.name": "cm",
    "tags": ["a", "2", "", '{"x": 1}'],
    "images.src": ["a.jpg", "b.jpg"],
    "images.alt": ["A", ""],
    "ean": "12345678901234567890",
}


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (json.dumps([OBJECT]), "json"),
        (json.dumps([OBJECT], indent=2), "json"),
        (json.dumps({"shop": {"n": 1, "x": [1, 2], "products": [OBJECT]}, "ok": True}), "json"),
        (json.dumps({"products": [OBJECT], "categories": [{"id": 1}]}, indent=1), "json"),
        (json.dumps(OBJECT | {"images": []}), "ndjson"),
        (f"{json.dumps(OBJECT)}\n\n{json.dumps(OBJECT)}\r\n", "ndjson"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
def test_objects_become_cells(text: str, kind: str, encoding: str) -> None:
    table = opened(text.encode(encoding), "products.txt", size=7)
    assert table.description.kind == kind
    first = next(table.records())
    expected = CELLS if "src" in text else {k: v for k, v in CELLS.items() if k[:6] != "images"}
    assert dict(first.cells) | {"images": 0} == expected | {"images": 0} and first.problem is None
    assert table.headings == list(first.cells)


def test_headings_are_those_of_all_objects() -> None:
    table = opened('{"id": 1, "a": 2}\n{"b": 3, "id": 4}\n')
    assert table.headings == ["id", "a", "b"]
    assert table.description == Description("ndjson", "utf-8", False, None)


def test_a_line_that_is_not_an_object_fails_alone() -> None:
    lines = ['{"id": "B1"}', '{"id": ', "[1]", '{"id": "\\ud800", "t": 2}', '{"id": 1e999}', "7"]
    lines += ['{"a":' * 10_000, f'{{"id": {"9" * 5000}}}', '{"id": "B2", "dim": {"w": 1}}']
    records = read("\n".join(lines), "manifest.ndjson")
    assert [record.line for record in records] == list(range(1, 10))
    assert [record.problem and record.problem.split(" (")[0] for record in records] == [
        None,
        "it is not valid JSON",
        "it is not a JSON object",
        "a character cannot be read; save the file as UTF-8",
        "a number is too large, or not a number",
        "it is not a JSON object",
        "it is nested too deeply",
        "it is not valid JSON",
        None,
    ]
    assert records[3].cells == {"t": 2} and records[8].cells == {"id": "B2", "dim.w": 1}


def test_an_element_that_is_not_an_object_fails_alone() -> None:
    records = read('[{"id": 1}, 2, {"id": 3}]')
    assert [(r.line, r.problem) for r in records] == [
        (1, None),
        (2, "it is not a JSON object"),
        (3, None),
    ]


def test_what_is_too_long_fails_alone() -> None:
    cell, record = "x" * (LONGEST_CELL + 1), ["x" * LONGEST_CELL] * 9
    text = f'{{"id": 1, "t": "{cell}"}}\n{json.dumps({"id": 2, "t": record})}\n{{"id": 3}}\n'
    assert len(text) > LONGEST_RECORD
    assert [(dict(r.cells), r.problem) for r in read(text, "a.ndjson")] == [
        ({"id": 1}, "a value is longer than 1,048,576 characters"),
        ({}, "it is longer than 8 MB"),
        ({"id": 3}, None),
    ]


@pytest.mark.parametrize("before", [0, 1, 20, 500, 900, 1030, PIECE])
def test_the_last_object_may_begin_at_the_end_of_a_piece(before: int) -> None:
    first = {"id": 1, "t": "x" * (PIECE - before)}
    last = {"id": 2, "t": "y" * 1000}
    assert cells(json.dumps([first, last])) == [first, last]
    assert cells(json.dumps(first, indent=1)) == [first]


def test_control_characters_in_strings_are_kept() -> None:
    assert cells('{"id": "a\tb"}\n{"id": 2}') == [{"id": "a\tb"}, {"id": 2}]


def test_commas_between_lines_are_passed_over() -> None:
    lines = ['{"id": 1}', '{"id": 2, "t": "a,"}', '{"id": 3}']
    for text in (",\n".join(lines), "".join(f"{line}, \r\n" for line in lines)):
        assert cells(text, "products.json") == [{"id": 1}, {"id": 2, "t": "a,"}, {"id": 3}]


def test_an_object_on_many_lines_is_one_record() -> None:
    assert cells('{\n"id": 1,\n"dim": {"w": 2}}') == [{"id": 1, "dim.w": 2}]


def test_the_list_of_products_is_taken_among_several() -> None:
    text = '{"errors": [], "items": [{"id": 1}], "shops": [{"id": 2}]}'
    table = opened(text)
    assert [dict(r.cells) for r in table.records()] == [{"id": 1}]
    assert table.description.notes == ("The list 'items' is read; left out: shops.",)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[{"id": 1},\n{"id": }]', "line 2: Expecting value"),
        ('[{"id": 1}', "line 1: it is cut"),
        ('[{"id": 1}, {"id"', "line 1: Expecting"),
        ('[{"id": 1},', "line 1: it is cut"),
        ('{"a": ', "line 1: it is cut"),
        ('[{"id": 1}] [', "more text after the end"),
        ('[{"id": 1} {"id": 2}]', "',' is missing before '{'"),
        ('{"a": 1, 2: 3}\n ', "the name of a value is missing"),
        ('{"a": [{"id": 1}], "b": [{"id": 2}]}', "several lists of objects \\('a', 'b'\\)"),
        ("[]", "no list of objects"),
        ('{"products": [], "x": {"y": {}}}', "no list of objects"),
        ('{"products":\n[]}', "no list of objects"),
        ("[" * 100_000, "no list of objects|nested too deeply"),
        ('[{"a": ' + "[" * 100_000, "nested too deeply"),
        ("[{}]", "no JSON objects that can be read"),
        ('[{"a": "' + "x" * (LONGEST_RECORD + PIECE), "a value is longer than 8 MB"),
    ],
)
def test_a_document_that_is_broken_is_refused(text: str, words: str) -> None:
    with pytest.raises(TableUnreadable, match=words):
        opened(text)


def test_a_long_name_is_not_repeated_for_each_value_below_it() -> None:
    inner = ", ".join(f'"{n}": 1' for n in range(20_000))
    odd, good = read(f'{{"id": 1, "{"x" * 500_000}": {{{inner}}}}}\n{{"id": 2}}', "a.ndjson")
    assert odd.cells == {"id": 1} and good.problem is None
    assert odd.problem == "the name of a value is longer than 1,000 characters"


def test_a_list_whose_objects_have_nothing_in_common() -> None:
    listed = ", ".join(f'{{"k{n}": 1}}' for n in range(5000))
    odd, good = read(f'{{"id": 1, "t": [{listed}]}}\n{{"id": 2}}', "a.ndjson")
    assert odd.cells == {"id": 1} and good.problem is None
    assert odd.problem == "a list of objects has more than 100,000 values"
