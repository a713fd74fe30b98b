"""Opens a table-like file: by what it holds first, by its name second."""

from __future__ import annotations

import json
import re

from visearch.errors import TableUnreadable
from visearch.tables.delimited import DelimitedTable
from visearch.tables.foreign import SEND, refuse_bytes, refuse_page
from visearch.tables.jsons import JsonTable, NdjsonTable, is_product
from visearch.tables.table import Source, Table
from visearch.tables.text import beginning, head_of
from visearch.tables.xlsx import XlsxTable
from visearch.tables.xmls import XmlTable

_BLANK = " \t\r\n\ufeff"
"""What may stand before a document that programs have put together."""

_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_JSON = re.compile(r'\s*(?:\{\s*(?:["}]|\Z)|\[\s*(?:[\[{\]"]|\Z))')
_XML = re.compile(r"\s*<(?:\?xml|!--|!doctype|[a-z_])", re.IGNORECASE)

_CONTROLS = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_MOST_CONTROLS = 0.05
"""The share of control characters from which on a file is not text."""

_JSON_NAMES = ("json", "ndjson", "jsonl")
_OTHER_NAMES = (*_JSON_NAMES, "xml", "rss", "atom", "html", "htm", "pdf", "ods", "numbers")
"""Files of these names are not delimited text, unless they have several columns all the same."""


def open_table(source: Source, name: str) -> Table:
    """Open the table in a file.

    Args:
        source: gives the file's bytes; it is called for each pass.
        name: the file's name, which decides only where its content does not.

    Raises:
        TableUnreadable: the file is of a kind that is not read, or cannot be read as a whole.
    """
    head = head_of(source)
    ending = name.rpartition(".")[2].casefold()
    if head.startswith(_ZIP):
        return XlsxTable(source)
    refuse_bytes(head)
    text = beginning(head).lstrip(_BLANK)
    if not text.strip("\x00 \t\r\n"):
        raise TableUnreadable(f"The file is empty. {SEND}")
    refuse_page(text)
    if _JSON.match(text) or (ending in _JSON_NAMES and text.lstrip().startswith(("{", "["))):
        return NdjsonTable(source) if _is_a_line_each(text, ending) else JsonTable(source)
    if _XML.match(text):
        return XmlTable(source)
    if _is_binary(text):
        raise TableUnreadable(f"The file is not text, and of no kind that visearch reads. {SEND}")
    table = DelimitedTable(source)
    if ending in _OTHER_NAMES and len(table.headings) < 2:
        raise TableUnreadable(f"The file is called .{ending} but does not begin like one. {SEND}")
    return table


def is_text(head: bytes) -> bool:
    """Tell whether a file that begins so may be a table in a text."""
    text = beginning(head).lstrip(_BLANK)
    return bool(_JSON.match(text) or _XML.match(text)) or not _is_binary(text)


def _is_binary(text: str) -> bool:
    return len(_CONTROLS.findall(text)) > _MOST_CONTROLS * len(text)


def _is_a_line_each(text: str, ending: str) -> bool:
    """Tell whether the beginning of a JSON text is one object a line, not one document."""
    lines = [line for line in re.split("[\r\n]+", text) if line.strip()]
    first = lines[0].strip()
    if not first.startswith("{"):
        return False
    others_begin = len(lines) > 1 and lines[1].lstrip().startswith("{")
    may_be = others_begin or ending in ("ndjson", "jsonl")
    try:
        value = json.loads(first.removesuffix(","), strict=False)
    except (ValueError, RecursionError):  # it is longer than what is looked at here, or broken
        return may_be and not first.endswith(("{", "[", ":", ","))  # it goes on in the next line
    # A document that ends with its first line is one product, or holds a list of them.
    return may_be if len(lines) > 1 else first.endswith(",") or is_product(value)
