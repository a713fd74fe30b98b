"""Delimited text: delimiters, quotes, line ends, and rows that fail alone."""

from __future__ import annotations

import csv
import random

import pytest
from shop_texts import PAIRS, words
from table_files import cells, opened, read, source

from visearch.errors import TableUnreadable
from visearch.tables.delimited import DelimitedTable, sniff
from visearch.tables.limits import LONGEST_CELL, LONGEST_RECORD
from visearch.tables.table import Description

GOOD = "3,c.jpg,good\n"


def problems(text: str | bytes) -> list[tuple[int, dict[str, object], str | None]]:
    """Return the records of a table; the last must be the good one."""
    *records, last = read(text)
    assert last.cells == {"id": "3", "image": "c.jpg", "title": "good"} and last.problem is None
    return [(record.line, dict(record.cells), record.problem) for record in records]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_delimiters_and_line_ends(delimiter: str, end: str) -> None:
    rows = [("id", "image", "price"), ("1", "a, b; c.jpg", "12,99"), ("2", 'x "y"', "1.299,00")]
    quoted = [[f'"{v.replace(chr(34), chr(34) * 2)}"' for v in row] for row in rows]
    table = opened(end.join(delimiter.join(row) for row in quoted))
    assert table.description == Description("csv", "utf-8", False, delimiter)
    assert table.headings == ["id", "image", "price"]
    assert [tuple(record.cells.values()) for record in table.records()] == rows[1:]


def test_decimal_commas_and_lists_are_no_delimiters() -> None:
    assert sniff(["id;price;size\n", "1;12,99;a|b|c\n", "2;1,50;a|b|c\n"]) == ";"
    assert sniff(["id,tags\n", "1,a;b;c\n", "2,d;e;f\n"]) == ","
    assert sniff(["id\ttext\n", "1\ta, b\n", "2\tc, d, e\n"]) == "\t"
    assert sniff(['id,"a;b",c\n', '1,"x;y;z",2\n']) == ","


def test_one_column_has_no_delimiter() -> None:
    table = opened("id\n1\na, b; c\n")
    assert (table.headings, table.description.delimiter) == (["id"], None)
    assert [record.cells["id"] for record in table.records()] == ["1", "a, b; c"]


@pytest.mark.parametrize("line", ["sep=;", '"sep=;"', "SEP=;;;;", "\ufeffsep=;"])
def test_the_line_that_names_the_delimiter(line: str) -> None:
    table = opened(f"{line}\r\nid;a,b\r\n1;x,y\r\n")
    assert table.headings == ["id", "a,b"] and table.description.delimiter == ";"
    assert table.description.notes == ("The first line says that values are separated by ';'.",)
    assert [record.line for record in table.records()] == [3]
    assert opened("sep=\t\nid\timage\n1\ta\n").headings == ["id", "image"]


def test_titles_and_comments_above_the_headings() -> None:
    table = opened("Our products\n\n# export, 2024\nid,image,title\n1,a,b\n")
    assert table.headings == ["id", "image", "title"]
    assert table.description.notes == ("Lines 1 to 3 above the headings are left out.",)
    assert [record.line for record in table.records()] == [5]
    assert opened("Shop\nid,a\n1,b\n").description.notes == (
        "Line 1 above the headings is left out.",
    )


def test_titles_of_several_cells_above_the_headings() -> None:
    text = "My shop,,,\nExported,2024-05-01,,\nid,title,image,price\n1,Cup,a.jpg,5\n"
    table = opened(text)
    assert table.headings == ["id", "title", "image", "price"]
    assert [record.line for record in table.records()] == [4]
    assert table.description.notes == ("Lines 1 to 2 above the headings are left out.",)


def test_quoted_newlines_and_blank_lines() -> None:
    assert read('\nid,t\n\n1,"a\nb\r\n\n""c"""\n , \n,,,\n\n2,d\n') == [
        (4, {"id": "1", "t": 'a\nb\r\n\n"c"'}, None),
        (11, {"id": "2", "t": "d"}, None),
    ]


def test_short_rows_and_extra_empty_cells() -> None:
    assert cells("id,image,title\n1\n2,b\n3,c,d,,\n4,e,, \n") == [
        {"id": "1"},
        {"id": "2", "image": "b"},
        {"id": "3", "image": "c", "title": "d"},
        {"id": "4", "image": "e", "title": ""},
    ]


def test_values_stay_as_typed() -> None:
    assert cells('id,a,b\n00123, 90.750 ,"1.10"\n') == [
        {"id": "00123", "a": " 90.750 ", "b": "1.10"}
    ]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("blanks", [" ", "   "])
def test_blanks_before_a_quote_are_no_part_of_the_value(delimiter: str, blanks: str) -> None:
    text = '"id", "title", "image"\n"1", "Red, ""big"" | a;b\tc\nd", "x"\n2, "", y\n'
    quoted = '"Red, ""big"" | a;b\tc\nd"'
    text = text.replace(quoted, "Q").replace(", ", delimiter + blanks).replace("Q", quoted)
    assert cells(text.replace("\n2,", f"\n2{delimiter}")) == [
        {"id": "1", "title": 'Red, "big" | a;b\tc\nd', "image": "x"},
        {"id": "2", "title": "", "image": "y"},
    ]


def test_an_odd_row_among_those_with_blanks_before_quotes_fails_alone() -> None:
    rows = ['"1", "a", "Red, big"', '"2", "b", "15" frame"', '"3", "c", "blue"']
    found = read('"id", "image", "title"\n' + "\n".join(rows))
    assert [(record.cells, record.problem) for record in found] == [
        ({"id": "1", "image": "a", "title": "Red, big"}, None),
        ({"id": "2", "image": "b"}, NOT_DOUBLED),
        ({"id": "3", "image": "c", "title": "blue"}, None),
    ]


def test_a_value_may_begin_with_a_blank_and_a_quoted_word() -> None:
    assert cells('id,title,image\n1, "Best" frame,a\n2, b ,c\n') == [
        {"id": "1", "title": ' "Best" frame', "image": "a"},
        {"id": "2", "title": " b ", "image": "c"},
    ]


@pytest.mark.parametrize("value", ['="00123"', '"=""00123"""', ' ="00123"'])
def test_the_formula_that_keeps_a_text_in_excel(value: str) -> None:
    assert cells(f"id,image\n{value},a\n") == [{"id": "00123", "image": "a"}]
    assert opened('="id",="a ""b"""\n').headings == ["id", 'a "b"']


def test_characters_that_nobody_sees_are_no_part_of_a_value() -> None:
    hidden = "id,\u200btitle\u2060,image\n\u200b1\ufeff,a\u200bb,\ufeffc\n"
    assert cells(hidden) == [{"id": "1", "title": "a\u200bb", "image": "c"}]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("headings", ['"id,title,image"', "id,title,image"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_rows_that_were_saved_as_one_value_each(delimiter: str, headings: str, end: str) -> None:
    lines = [headings, '"1,""Red""""s"",a"', "", '"2,""big', '"",b"', '"4,d"']
    text = end.join(lines).replace(",", delimiter)
    assert read(text) == [
        (2, {"id": "1", "title": 'Red"s', "image": "a"}, None),
        (4, {"id": "2", "title": f"big{end}", "image": "b"}, None),
        (6, {"id": "4", "title": "d"}, None),
    ]


@pytest.mark.parametrize(
    "text",
    [
        'title\n"Red, big"\n"Blue, small"\n',
        '"title"\n"Red, big"\n',
        'id,title,image\n"1",a,b\n"2"\n',
        '"id","title, long",image\n"1","a, b","c"\n',
    ],
)
def test_quoted_values_are_no_rows(text: str) -> None:
    rows = list(csv.reader(text.splitlines()))
    assert opened(text).headings == rows[0]
    assert [list(each.values()) for each in cells(text)] == rows[1:]


def test_other_formulas_and_html_are_text() -> None:
    html = '<a href=""x"">y</a>'
    assert cells(f'id,t,u\n1,"{html}",=A1&"x"\n') == [
        {"id": "1", "t": '<a href="x">y</a>', "u": '=A1&"x"'}
    ]


@pytest.mark.parametrize(
    ("line", "title"),
    [
        ('1,a,"The 15\\" frame"', 'The 15" frame'),
        ('1,a,"15\\", 20\\" frames"', '15", 20" frames'),
        ('1,a,"15\\""', '15"'),
    ],
)
def test_quotes_escaped_as_php_does(line: str, title: str) -> None:
    assert problems(f"id,image,title\n{line}\n{GOOD}") == [
        (2, {"id": "1", "image": "a", "title": title}, None)
    ]


def test_backslashes_that_escape_nothing() -> None:
    assert cells('id,image,title\n1,"C:\\a\\","\\n"\n') == [
        {"id": "1", "image": "C:\\a\\", "title": "\\n"}
    ]


NOT_DOUBLED = "a quote inside a quoted value is not doubled"
NEVER_CLOSED = "a quote is opened and never closed"


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        ('1,a,"15" frame"\n', (2, {"id": "1", "image": "a"}, NOT_DOUBLED)),
        ('"1",a,"15" frame\n', (2, {"id": "1", "image": "a"}, NOT_DOUBLED)),
        ('1,a,"never\n', (2, {"id": "1", "image": "a"}, NEVER_CLOSED)),
        ('1,a,"never\nclosed\n', (2, {"id": "1", "image": "a"}, f"{NEVER_CLOSED}; lines 2 to 3")),
        (
            "1,a,b,c\n",
            (2, {"id": "1", "image": "a", "title": "b"}, "it has 4 values for 3 columns"),
        ),
        ("1,a,b\x00c\n", (2, {"id": "1", "image": "a"}, "a character cannot be read")),
    ],
)
@pytest.mark.parametrize("after", ["", '4,"d, e",f\n', '4,d,"e\nf"\n'])
def test_one_odd_row_fails_alone(
    lines: str, found: tuple[int, dict[str, str], str], after: str
) -> None:
    odd, *rest = problems(f"id,image,title\n{lines}{after}{GOOD}")
    assert odd[:2] == found[:2] and odd[2] is not None and odd[2].startswith(found[2])
    assert len(rest) == bool(after) and all(problem is None for _, _, problem in rest)


def test_what_cannot_be_read_is_left_out_of_a_row_that_fails_for_another_reason() -> None:
    odd, _ = read(f"id,image,title\n1,a\x00,b,c\n{GOOD}")
    assert odd == (2, {"id": "1", "title": "b"}, "it has 4 values for 3 columns")


def test_a_quote_that_never_closes_at_the_end() -> None:
    rows = "".join(f"{n},a,b\n" for n in range(5000))
    records = read(f'id,image,title\n{rows}z,a,"b\n')
    assert len(records) == 5001 and records[-1].problem == NEVER_CLOSED
    assert records[-1].cells == {"id": "z", "image": "a"}


def test_rows_below_an_open_quote_are_not_swallowed() -> None:
    rows = "".join(f'{n},a,"b, {n}"\n' for n in range(3000))
    records = read(f'id,image,title\nz,a,"b\n{rows}')
    assert [record.problem for record in records] == [NEVER_CLOSED, *[None] * 3000]


def test_tabs_often_come_without_quoting() -> None:
    assert cells('id\timage\ttitle\n1\ta\t"Best" frame\n2\tb\t"open\n3\tc\t"q\tq"\n') == [
        {"id": "1", "image": "a", "title": '"Best" frame'},
        {"id": "2", "image": "b", "title": '"open'},
        {"id": "3", "image": "c", "title": "q\tq"},
    ]


def test_a_value_that_is_too_long_fails_its_row() -> None:
    fits, too_long = "x" * LONGEST_CELL, "x" * (LONGEST_CELL + 1)
    text = f'id,image,title\n0,a,{fits}\n1,a,{too_long}\n2,a,"{too_long}"\n{GOOD}'
    (_, kept, _), *odd = problems(text)
    assert kept["title"] == fits
    assert odd == [
        (3, {"id": "1", "image": "a"}, "a value is longer than 1,048,576 characters"),
        (4, {"id": "2", "image": "a"}, "a value is longer than 1,048,576 characters"),
    ]


def test_a_row_that_is_too_long_fails_alone() -> None:
    part = ",".join(["x" * (LONGEST_CELL // 2)] * 20)
    assert len(part) > LONGEST_RECORD
    text = f"id,image,title{',x' * 20}\n1,a,b,{part}\n{GOOD}"
    odd, good = read(text)
    assert (odd.line, odd.cells, odd.problem) == (2, {"id": "1"}, "it is longer than 8 MB")
    assert good.cells["id"] == "3"


def test_many_odd_rows_take_no_longer_each() -> None:
    rows = 'x,"a" b,c\n' * 5000
    records = read(f"id,image,title\n{rows}")
    assert len(records) == 5000 and all(record.problem for record in records)


@pytest.mark.parametrize(("language", "encoding"), PAIRS)
def test_tables_in_many_encodings(language: str, encoding: str) -> None:
    draw = random.Random(f"{language} {encoding}")
    delimiter, end = draw.choice(",;\t|"), draw.choice(["\n", "\r\n", "\r"])
    rows = [(str(n), *draw.sample(words(language), 2)) for n in range(40)]
    lines = ["id,title,colour", *(f'{n},"{a}",{b}' for n, a, b in rows)]
    text = "".join(line.replace(",", delimiter) + end for line in lines)
    table = opened(text.encode(encoding))
    assert [tuple(record.cells.values()) for record in table.records()] == rows
    assert table.description.assumed and table.description.notes


def test_bytes_that_cannot_be_decoded_fail_their_row() -> None:
    good = "1,a,рубашка\n" * 30
    raw = f"id,image,title\n{good}".encode("cp1251") + b"2,b,\x98\n" + GOOD.encode()
    *_, odd = problems(raw)
    assert odd == (
        32,
        {"id": "2", "image": "b"},
        "a character cannot be read; save the file as UTF-8",
    )


@pytest.mark.parametrize(
    ("raw", "words"), [(b"", "no text"), (b"\n \r\n", "no text"), (b",,\n", "no text")]
)
def test_files_without_a_table(raw: bytes, words: str) -> None:
    with pytest.raises(TableUnreadable, match=words):
        DelimitedTable(source(raw))
