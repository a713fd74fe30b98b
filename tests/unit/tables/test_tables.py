"""The whole room: what was written is read back; any bytes give records or one clear error."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st
from table_files import opened, row, source, workbook

from visearch.errors import TableUnreadable
from visearch.tables.opening import open_table
from visearch.tables.text import NO_WIDTH, UNREADABLE, is_foul

ROOT = Path(__file__).parents[3]
NAMES = ["a.csv", "a.tsv", "a.xlsx", "a.json", "a.ndjson", "a.xml", "a"]

LETTERS = st.characters(exclude_categories=["Cs", "Cc"], exclude_characters=[UNREADABLE, "\ufffd"])
PLAIN = st.sampled_from("abcXYZ019 ,;|\t\"'\\=\n\räßéñøłžçışабвгджαβγאבגابت红色衬衫あいう한국어€😀")
CELL = st.text(PLAIN | LETTERS, max_size=12).filter(lambda text: '="' not in text)
MARKED = ["utf-8-sig", "utf-16", "utf-32"]
UNMARKED = ["utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"]


def written(cells: list[str], delimiter: str, end: str, *, always: bool) -> str:
    """Return a line of delimited text; what needs quotes, or everything, is quoted."""
    special = re.compile(f'["\r\n]|{re.escape(delimiter)}')
    return end.join(
        delimiter.join(
            '"' + cell.replace('"', '""') + '"' if always or special.search(cell) else cell
            for cell in line
        )
        for line in [cells]
    )


@settings(max_examples=150, deadline=None)
@given(
    rows=st.lists(st.lists(CELL, min_size=2, max_size=2), max_size=6),
    delimiter=st.sampled_from(",;\t|"),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    encoding=st.sampled_from(MARKED + UNMARKED),
    always=st.booleans(),
    last=st.booleans(),
    size=st.sampled_from([1, 7, 1 << 16]),
)
def test_delimited_text_is_read_back(
    rows: list[list[str]],
    delimiter: str,
    end: str,
    encoding: str,
    always: bool,
    last: bool,
    size: int,
) -> None:
    if encoding in ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"):
        # Without a mark, only texts in which ASCII is not rare are sure to be known.
        rows = [[re.sub("[\u0100-\U0010ffff]", "x", cell) for cell in row] for row in rows]
    lines = [["id", "title", "image"], *([f"k{n}", *cells] for n, cells in enumerate(rows))]
    text = end.join(written(line, delimiter, end, always=always) for line in lines)
    table = opened((text + end * last).encode(encoding), size=size)
    assert table.headings == lines[0] and table.description.delimiter == delimiter
    records = list(table.records())
    assert [record.problem for record in records] == [None] * len(rows)
    seen = [[cell.strip(NO_WIDTH) for cell in line] for line in lines[1:]]
    assert [list(record.cells.values()) for record in records] == seen
    assert list(table.records()) == records


VALUE = CELL | st.integers(-(10**17), 10**17) | st.booleans() | st.floats(-1e9, 1e9)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.fixed_dictionaries({"id": CELL, "a b": VALUE, "c": VALUE}), min_size=1),
    encoding=st.sampled_from([*MARKED, "utf-8"]),
    as_lines=st.booleans(),
    escaped=st.booleans(),
    indent=st.sampled_from([None, 2]),
)
def test_json_is_read_back(
    rows: list[dict[str, object]], encoding: str, as_lines: bool, escaped: bool, indent: int | None
) -> None:
    dumped = [json.dumps(row, ensure_ascii=escaped) for row in rows]
    text = "\n".join(dumped) if as_lines else json.dumps(rows, ensure_ascii=escaped, indent=indent)
    table = opened(text.encode(encoding))
    assert table.description.kind == ("ndjson" if as_lines else "json")
    assert [dict(record.cells) for record in table.records()] == rows
    assert table.headings == list(rows[0])


GOOGLE = "http://base.google.com/ns/1.0"
SEEDS = [
    b'id;t\n1;"a\nb"\n2;c\\"d\n3;="007"\n',
    "sep=,\r\nid,t\r\n1,Größe\r\n".encode("utf-16"),
    "id\tt\r1\tКрасная рубашка\r2\tСиние джинсы\r".encode("cp1251"),
    b'[{"id": "1", "a": {"b": [1, {"c": 2}]}}, {"id": "2"}]',
    b'{"id": "1", "x": 1.5}\n{"id": "2"}\n',
    b'{"n": 1, "products": [{"id": "1"}, {"id": "2"}]}',
    b'<?xml version="1.0" encoding="windows-1252"?><p><x a="1"><id>1</id></x><x><id>2</id></x></p>',
    f'<rss xmlns:g="{GOOGLE}"><channel><item><g:id>1</g:id></item></channel></rss>'.encode(),
    workbook(row("id", "t") + row("1", 2.5), strings="<si><t>x</t></si>"),
]


def examined(data: bytes, name: str, size: int) -> None:
    """Read a file as a stranger sent it: records or one clear error."""
    try:
        table = open_table(source(data, size), name)
        records = list(table.records())
    except TableUnreadable as error:
        assert error.detail.endswith(".") and "\n" not in error.detail[:-1]
        return
    assert len(set(table.headings)) == len(table.headings) > 0
    assert not any(map(is_foul, table.headings))
    for record in records:
        assert record.line > 0 and set(record.cells) <= set(table.headings)
        texts = [value for value in record.cells.values() if isinstance(value, str)]
        assert not any(map(is_foul, texts))
        if record.problem is not None:
            assert record.problem[0].islower() and not record.problem.endswith(".")


@settings(max_examples=120, deadline=None)
@given(
    data=st.binary(max_size=400), name=st.sampled_from(NAMES), size=st.sampled_from([1, 1 << 16])
)
@example(data=b"PK\x05\x06" + bytes(18), name="a", size=9)
@example(data=b'"', name="a.csv", size=9)
@example(data=b'id,t\n1,"a\\', name="a.csv", size=9)
@example(data=b"\xff\xfe\x00\x00", name="a.csv", size=9)
@example(data=b'{"', name="a.json", size=1)
@example(data=b'[{"a": 1},', name="a.json", size=1)
@example(data=b"<a", name="a.xml", size=1)
def test_any_bytes(data: bytes, name: str, size: int) -> None:
    examined(data, name, size)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damaged_files(data: st.DataObject) -> None:
    raw = bytearray(data.draw(st.sampled_from(SEEDS)))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(raw)))
        end = data.draw(st.integers(at, min(len(raw), at + 20)))
        raw[at:end] = data.draw(
            st.binary(max_size=6) | st.sampled_from([b'"', b"\\", b"<", b"{", b"[", b"\r", b"&x;"])
        )
    examined(
        bytes(raw), data.draw(st.sampled_from(NAMES)), data.draw(st.sampled_from([5, 1 << 16]))
    )


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_damaged_parts_of_workbooks(data: st.DataObject) -> None:
    """Damage inside of the zip, where no checksum finds it."""
    pieces = [
        "<row>",
        '<c r="B2" t="s">',
        "<v>1</v>",
        "</c>",
        "</row>",
        '<c t="inlineStr">',
        "<is>",
    ]
    pieces += [
        "<t>x</t>",
        "</is>",
        '<row r="99999999999">',
        '<c r="A0" s="7" t="zz">',
        "<v>nan</v>",
    ]
    pieces += ['<c t="d"><v>x</v></c>', '<c t="s"><v>-1</v></c>', "<c><v>1e400</v></c>", "&#xD800;"]
    rows = "".join(data.draw(st.lists(st.sampled_from(pieces), max_size=12)))
    examined(workbook(row("id", "t") + rows, row("id") + row("1")), "a.xlsx", 1 << 16)


MEASURE = """
import io, resource, sys, zipfile
from table_files import row, workbook
from visearch.tables.opening import open_table

TEXT = b"text " * 200

def repeated(head, line, tail):
    def source():
        yield head
        for at in range(0, count, 100):
            yield b"".join(line % n for n in range(at, at + 100))
        yield tail
    return source

def book():
    small, large = io.BytesIO(workbook(row("id"))), io.BytesIO()
    with zipfile.ZipFile(small) as old, zipfile.ZipFile(large, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            before, mark, after = old.read(name).partition(b"</s")
            line = b"<si><t>%d " + TEXT + b"</t></si>"
            if "sheet1" in name:
                line = b'<row><c t="s"><v>%d</v></c></row>'
            with new.open(name, "w") as member:
                member.write(before)
                if "sheet1" in name or "Strings" in name:
                    member.writelines(line % n for n in range(count))
                member.write(mark + after)
    return lambda: iter([large.getvalue()])

count = int(sys.argv[1])
sources = [
    repeated(b"id,title,t\\n", b'%d,"a, b",' + TEXT + b"\\n", b""),
    repeated(b"", b'{"id": %d, "t": "' + TEXT + b'"}\\n', b""),
    repeated(b"[", b'{"id": %d, "t": "' + TEXT + b'"},', b"{}]"),
    repeated(b"<p>", b"<item><id>%d</id><t>" + TEXT + b"</t></item>", b"</p>"),
    book(),
]
print(sum(1 for source in sources for _ in open_table(source, "a").records()))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def measured(count: int) -> tuple[int, int]:
    """Return how many records of all kinds were read, and the most memory, in kB."""
    path = f"{ROOT}:{Path(__file__).parent}"
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(count)],
        env={"PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    records, memory = map(int, done.stdout.split())
    return records, memory


def test_memory_does_not_grow_with_the_file() -> None:
    """Of 1,000 characters a record, all of them would be 10 MB, and more as objects."""
    (few, small), (many, large) = measured(500), measured(10_000)
    assert (few, many) == (5 * 500 + 1, 5 * 10_000 + 1)
    assert large - small < 6 * 1024
