"""Files for the tests of tables: bytes as a source, and workbooks in parts."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from xml.sax.saxutils import escape

from visearch.tables.opening import open_table
from visearch.tables.table import Cell, Record, Source, Table

_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"


def source(data: bytes, size: int = 1 << 16) -> Source:
    """Return a source that gives these bytes in pieces of ``size``."""

    def pieces() -> Iterator[bytes]:
        for at in range(0, len(data), size):
            yield data[at : at + size]

    return pieces


def opened(data: bytes | str, name: str = "products.csv", size: int = 1 << 16) -> Table:
    return open_table(source(data.encode() if isinstance(data, str) else data, size), name)


def read(data: bytes | str, name: str = "products.csv") -> list[Record]:
    return list(opened(data, name).records())


def cells(data: bytes | str, name: str = "products.csv") -> list[dict[str, Cell]]:
    """Return the cells of every record, of which none may have a problem."""
    records = read(data, name)
    assert [record for record in records if record.problem is not None] == []
    return [dict(record.cells) for record in records]


def relations(*kinds: tuple[str, str, str]) -> str:
    """Return a part that says which other parts belong to one: id, kind and target of each."""
    inner = "".join(
        f'<Relationship Id="{key}" Type="{_OFFICE}/{kind}" Target="{target}"/>'
        for key, kind, target in kinds
    )
    return f'<Relationships xmlns="{_PACKAGE}">{inner}</Relationships>'


def workbook(*sheets: str, strings: str = "", styles: str = "", before: str = "") -> bytes:
    """Return a workbook of these sheets' ``<row>`` elements, without the help of a library."""
    numbers = range(1, len(sheets) + 1)
    listed = "".join(f'<sheet name="Sheet {n}" r:id="r{n}"/>' for n in numbers)
    parts = {
        "_rels/.rels": relations(("r1", "officeDocument", "xl/workbook.xml")),
        "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}">{before}'
        f"<sheets>{listed}</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": relations(
            *((f"r{n}", "worksheet", f"worksheets/sheet{n}.xml") for n in numbers),
            ("s", "sharedStrings", "/xl/sharedStrings.xml"),
            ("f", "styles", "styles.xml"),
        ),
        "xl/sharedStrings.xml": f'<sst xmlns="{_MAIN}">{strings}</sst>',
        "xl/styles.xml": f'<styleSheet xmlns="{_MAIN}">{styles}</styleSheet>',
    }
    for n, rows in zip(numbers, sheets, strict=True):
        parts[f"xl/worksheets/sheet{n}.xml"] = (
            f'<worksheet xmlns="{_MAIN}"><sheetData>{rows}</sheetData></worksheet>'
        )
    return packed({name: text.encode() for name, text in parts.items()})


def packed(parts: dict[str, bytes]) -> bytes:
    """Return a zip of these members."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def row(*values: str | int | float | None) -> str:
    """Return a ``<row>`` without places; texts are inline."""
    inner = "".join(
        "<c/>"
        if value is None
        else f'<c t="inlineStr"><is><t>{escape(value)}</t></is></c>'
        if isinstance(value, str)
        else f"<c><v>{value}</v></c>"
        for value in values
    )
    return f"<row>{inner}</row>"
