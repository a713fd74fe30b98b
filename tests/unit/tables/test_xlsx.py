"""Workbooks: typed values, the sheet that holds the table, and damage."""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from datetime import date, datetime, time
from typing import Any

import openpyxl
import pytest
from table_files import cells, opened, packed, read, relations, row, workbook

from visearch.errors import TableUnreadable
from visearch.tables import workbook as workbook_module
from visearch.tables import xlsx
from visearch.tables.limits import LONGEST_CELL
from visearch.tables.table import Description


def saved(*sheets: list[list[Any]], change: Callable[[Any], None] | None = None) -> bytes:
    """Return a workbook of these rows as a well-known library writes it."""
    book = openpyxl.Workbook()
    book.remove(book.active)
    for number, rows in enumerate(sheets, 1):
        sheet = book.create_sheet(f"Sheet {number}")
        for values in rows:
            sheet.append(values)
    if change is not None:
        change(book)
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def test_values_keep_their_types() -> None:
    values = [
        "00123", "90.750", 12.5, 7, 4006381333931, True, date(2024, 2, 29),
        datetime(2024, 2, 29, 7, 8, 9), time(7, 8), " é\n ", "x_x0041_",
    ]  # fmt: skip
    (found,) = cells(saved([[f"c{n}" for n in range(len(values))], values]), "a.xlsx")
    assert list(found.values()) == [
        "00123", "90.750", 12.5, 7, 4006381333931, True, "2024-02-29", "2024-02-29T07:08:09",
        "07:08:00", " é\n ", "xA",
    ]  # fmt: skip
    assert [type(value) for value in found.values()][2:6] == [float, int, int, bool]


def test_a_number_shown_with_leading_zeros_is_a_code() -> None:
    def change(book: Any) -> None:
        book.active["A2"].number_format = "00000"
        book.active["B2"].number_format = "0.00"

    assert cells(saved([["id", "price"], [123, 5]], change=change)) == [{"id": "00123", "price": 5}]


def test_formulas_are_never_evaluated() -> None:
    sheet = row("id", "sum", "text", "error")
    sheet += '<row><c t="inlineStr"><is><t>1</t></is></c><c><f>1+1</f><v>5</v></c>'
    sheet += '<c t="str"><f>A1</f><v>old</v></c><c t="str"><f>T(A1)</f><v></v></c></row>'
    sheet += (
        '<row><c t="inlineStr"><is><t>2</t></is></c><c t="e"><f>1/0</f><v>#DIV/0!</v></c></row>'
    )
    good, odd = read(workbook(sheet))
    assert good.cells == {"id": "1", "sum": 5, "text": "old"} and good.problem is None
    assert odd.cells == {"id": "2"}
    assert odd.problem == "column B: the formula gives the error #DIV/0!"


@pytest.mark.parametrize("cell", ["<c><f>A1</f></c>", "<c><f>A1</f><v/></c>"])
def test_a_formula_without_a_result_fails_its_row(cell: str) -> None:
    value = '<c t="inlineStr"><is><t>Cup</t></is></c>'
    (found,) = read(workbook(row("id", "title") + f"<row>{cell}{value}</row>"))
    assert found.cells == {"title": "Cup"}
    problem = (
        "column A: the formula has no result; open the file in a spreadsheet and save it again"
    )
    assert found.problem == problem


def test_a_formula_beside_the_table_needs_no_result() -> None:
    data = row("1", "a.jpg").removesuffix("</row>") + "<c/><c><f>A2&amp;B2</f></c></row>"
    below = '<row><c r="D3"><f>A3&amp;B3</f></c></row>'
    assert read(workbook(row("sku", "image") + data + below)) == [
        (2, {"sku": "1", "image": "a.jpg"}, None)
    ]
    gap = '<row><c t="inlineStr"><is><t>1</t></is></c><c><f>A2</f></c></row>'
    (found,) = read(workbook(row("sku", None, "image") + gap))
    assert found.problem is None
    (failed,) = read(workbook(row("sku", "image") + gap))
    assert failed.problem is not None


@pytest.mark.parametrize("result", ["<v>#VALUE!</v>", "<v/>", ""])
def test_a_formula_that_shows_a_picture_names_it(result: str) -> None:
    formula = '_xlfn.IMAGE("https://s.example/a.jpg",,1)'
    sheet = row("id", "image") + f'<row><c><v>1</v></c><c t="e"><f>{formula}</f>{result}</c></row>'
    assert cells(workbook(sheet)) == [{"id": 1, "image": f"={formula}"}]


def test_formulas_as_an_export_library_writes_them() -> None:
    (found,) = read(saved([["id", "title", "price"], ["1", "=UPPER(A2)", "=1+1"]]))
    assert found.problem is not None and "column B: the formula has no result" in found.problem


def test_the_first_sheet_with_a_table() -> None:
    book = saved([["Welcome"]], [], [["Our products"], [], ["id", "image"], ["1", "a"]], [["x"]])
    table = opened(book, "a.xlsx")
    assert table.headings == ["id", "image"]
    assert [record.line for record in table.records()] == [4]
    note = "The sheet 'Sheet 3' is read; left out: Sheet 1, Sheet 2, Sheet 4."
    assert table.description == Description("xlsx", None, False, None, "Sheet 3", (note,))


@pytest.mark.parametrize(
    "first",
    [
        [["Instructions"], ["Fill in the sheet Products"]],
        [["Column", "What to write"], ["sku", "Your number"], ["image", "A file or URL"]],
    ],
)
def test_instructions_before_the_sheet_of_products(first: list[list[Any]]) -> None:
    table = opened(saved(first, [["sku", "image"], ["1", "a.jpg"]], [["id", "photo"], ["2", "b"]]))
    assert table.description.sheet == "Sheet 2"
    assert [record.cells for record in table.records()] == [{"sku": "1", "image": "a.jpg"}]
    note = "The sheet 'Sheet 2' is read; left out: Sheet 1, Sheet 3."
    assert table.description.notes == (note,)


@pytest.mark.parametrize(
    "first",
    [
        [["sku", "title", "Vorschau"], ["1", "Cup", "https://s.example/1.jpg"]],
        [["Nummer", "Titel", "Ansicht"], ["1", "Cup", "https://s.example/1"], ["2", "Hat", ""]],
        [["Nummer", "Ansicht"], ["1", "a.jpg|b.jpg"], ["2", "c.JPG"], ["3", "-"]],
        [["Nummer", "Ansicht"], ["1", '=IMAGE("https://s.example/1")']],
        [["sku", "title"], ["1", "Cup"]],
    ],
)
def test_a_sheet_that_may_hold_products_is_not_passed_over(first: list[list[Any]]) -> None:
    table = opened(saved([["Welcome"]], first, [["sku", "image", "position"], ["9", "z.jpg", 1]]))
    assert table.headings == first[0]


def test_without_known_headings_the_first_sheet_with_rows_is_read() -> None:
    table = opened(saved([["a", "b"]], [["Nr", "Datei"], ["1", "a"]], [["x", "y"], ["1", "2"]]))
    assert table.description.sheet == "Sheet 2"


def test_a_damaged_sheet_after_the_table_is_no_fault_of_it() -> None:
    table = opened(workbook(row("Nr", "Datei") + row("1", "a"), "<row>"))
    assert [record.cells for record in table.records()] == [{"Nr": "1", "Datei": "a"}]


def test_hidden_sheets_are_not_read() -> None:
    def change(book: Any) -> None:
        book.worksheets[0].sheet_state = "hidden"

    table = opened(saved([["id"], ["secret"]], [["id"], ["1"]], change=change))
    assert table.description.sheet == "Sheet 2" and table.description.notes == ()


def test_headings_rows_and_gaps() -> None:
    rows = [["id", "id", None, " t "], ["1", None, "x", None], [], [" ", ""], ["2", "b", None, "c"]]
    table = opened(saved(rows))
    assert table.headings == ["id", "id (2)", "column 3", "t"]
    assert list(table.records()) == [
        (2, {"id": "1", "column 3": "x"}, None),
        (5, {"id": "2", "id (2)": "b", "t": "c"}, None),
    ]


def test_odd_rows_fail_alone() -> None:
    long = "x" * (LONGEST_CELL + 1)
    sheet = row("id", "t") + row("1", long) + row("2", "a", None, "extra") + row("3", "a\ufdd0")
    sheet += "<row><c><v>4</v></c><c><v>a</v></c></row>"
    sheet += '<row><c><v>5</v></c><c t="s"><v>9</v></c></row><row><c r="ZZZZ1"><v>6</v></c></row>'
    assert read(workbook(sheet + row("7", "good"))) == [
        (2, {"id": "1"}, "column B: a value is longer than 1,048,576 characters"),
        (3, {"id": "2", "t": "a"}, "it has a value in column D, without a heading"),
        (4, {"id": "3"}, "column B: a character cannot be read; save the file as UTF-8"),
        (5, {"id": 4}, "column B: it is not a number"),
        (6, {"id": 5}, "column B: its text is missing in the workbook"),
        (7, {}, "it has a value beyond column XFD"),
        (8, {"id": "7", "t": "good"}, None),
    ]


def test_rich_texts_and_ruby() -> None:
    strings = "<si><r><t>id</t></r></si><si><r><t>Red </t></r><r><rPr/><t>shirt</t></r>"
    strings += "<rPh><t>ruby</t></rPh></si><si/>"
    sheet = '<row r="3"><c r="B3" t="s"><v>0</v></c></row>'
    sheet += '<row><c r="B4" t="s"><v>1</v></c><c r="C4" t="s"><v>2</v></c></row>'
    table = opened(workbook(sheet, strings=strings))
    assert table.headings == ["column 1", "id"]
    assert list(table.records()) == [(4, {"id": "Red shirt"}, None)]


def test_dates_from_1904() -> None:
    styles = '<cellXfs><xf numFmtId="0"/><xf numFmtId="14"/></cellXfs>'
    sheet = row("when") + '<row><c s="1"><v>1</v></c></row><row><c s="1"><v>-5</v></c></row>'
    book = workbook(sheet, styles=styles, before='<workbookPr date1904="1"/>')
    assert cells(book) == [{"when": "1904-01-02"}, {"when": -5}]


def test_many_texts_of_all_kinds_are_found_again() -> None:
    draw = random.Random(0)
    texts = [["id", "t"]]
    texts += [[f"k{n}", "".join(draw.choices("aé红\U0001f600 _\n", k=9))] for n in range(1000)]
    found = [[record["id"], record.get("t", "")] for record in cells(saved(texts))]
    assert found == [[key, text if text.strip() else ""] for key, text in texts[1:]]


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"a.txt": b"x"}, "a zip archive, not a workbook"),
        ({"xl/workbook.xml": b"<workbook>"}, "xl/workbook.xml: Premature end"),
        ({"xl/workbook.xml": b"<workbook/>"}, "No sheet of the workbook holds a table"),
        ({"xl/workbook.bin": b""}, r"a binary Excel file \(.xlsb\), which visearch does not read"),
        ({"mimetype": b"", "META-INF/manifest.xml": b""}, r"OpenDocument file \(.ods\)"),
        ({"word/document.xml": b""}, r"a Word document \(.docx\)"),
        ({"Index/Document.iwa": b""}, "Apple Numbers"),
    ],
)
def test_zips_that_hold_no_workbook(parts: dict[str, bytes], words: str) -> None:
    with pytest.raises(TableUnreadable, match=words):
        opened(packed(parts), "a.xlsx")


def test_a_part_that_is_missing() -> None:
    book = '<workbook xmlns:r="x"><sheets><sheet name="A" r:id="r1"/></sheets></workbook>'
    target = relations(("r1", "worksheet", "../gone.xml"))
    raw = packed({"xl/workbook.xml": book.encode(), "xl/_rels/workbook.xml.rels": target.encode()})
    with pytest.raises(TableUnreadable, match=r"damaged: it has no part gone\.xml"):
        opened(raw, "a.xlsx")


def test_a_workbook_that_is_cut_or_damaged() -> None:
    raw = saved([["id", "t"], *(["1", str(n)] for n in range(500))])
    for end in (4, 100, len(raw) // 2, len(raw) - 1):
        with pytest.raises(TableUnreadable, match="damaged"):
            read(raw[:end])


def test_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = workbook(row("id") + row("1") * 5000)
    assert len(read(raw)) == 5000
    with monkeypatch.context() as patch:
        patch.setattr(workbook_module, "LARGEST_SHEET", 100_000)
        with pytest.raises(
            TableUnreadable, match=r"A part of the workbook has .* limit is 97\.7 kB"
        ):
            read(raw)
    with monkeypatch.context() as patch:
        patch.setattr(xlsx, "MOST_ROWS", 4000)
        with pytest.raises(TableUnreadable, match="'Sheet 1' has more than 4,000 rows"):
            read(raw)
    with monkeypatch.context() as patch:
        patch.setattr(workbook_module, "LONGEST_RECORD", 100_000)
        with pytest.raises(TableUnreadable, match="A <row> in the workbook has"):
            read(workbook(row("id") + f"<row>{'<c/>' * 100_000}</row>"))


def test_a_directory_that_is_too_long_is_not_read() -> None:
    raw = packed({f"{n}": b"" for n in range(10_001)})
    with pytest.raises(TableUnreadable, match="more than 10,000 parts"):
        opened(raw)
    # The same number in the zip64 record, which zipfile believes before the other.
    place = raw.rfind(b"PK\x05\x06")
    record = b"PK\x06\x06" + (44).to_bytes(8, "little") + bytes(20) + (20_000).to_bytes(8, "little")
    locator = b"PK\x06\x07" + bytes(16)
    with pytest.raises(TableUnreadable, match="more than 10,000 parts"):
        opened(raw[:place] + record + bytes(16) + locator + raw[place : place + 8] + bytes(14))


def test_a_bomb_is_given_up() -> None:
    """A thousand times its size when unpacked, in one text."""
    raw = workbook(row("id", "t") + row("1", "x" * (16 * 1024 * 1024)))
    assert len(raw) < 50_000
    with pytest.raises(TableUnreadable, match="A <row> in the workbook has 8"):
        read(raw)


def test_entities_are_not_expanded() -> None:
    evil = b'<!DOCTYPE s [<!ENTITY x SYSTEM "file:///etc/passwd">]><workbook>&x;</workbook>'
    with pytest.raises(TableUnreadable):
        opened(packed({"xl/workbook.xml": evil}))
