"""The texts that a workbook's cells share: on disk, so that memory does not grow with them."""

from __future__ import annotations

import os
import re
import tempfile
from array import array
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from visearch.errors import TableUnreadable
from visearch.tables.limits import LONGEST_CELL, MOST_STRINGS

_ESCAPE = re.compile("_x([0-9A-Fa-f]{4})_")


class SharedStrings:
    """Texts by number."""

    def __init__(self, file: int, ends: array[int]) -> None:
        self._file = file
        self._ends = ends

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, number: int) -> str:
        start = self._ends[number - 1] if number else 0
        # Not mapped into memory: whoever reads strangers' files has little address space.
        raw = os.pread(self._file, self._ends[number] - start, start)
        return raw.decode("utf-8", "surrogatepass")


@contextmanager
def stored(items: Iterable[Any]) -> Iterator[SharedStrings]:
    """Keep the texts of these ``<si>`` elements in a nameless file for the time of the context.

    One that is longer than a value may be is cut, but for one character more than that.
    """
    ends = array("Q")
    size = 0
    with tempfile.TemporaryFile() as file:
        for item in items:
            size += file.write(text_of(item)[: LONGEST_CELL + 1].encode("utf-8", "surrogatepass"))
            ends.append(size)
            if len(ends) > MOST_STRINGS:
                raise TableUnreadable(
                    f"The workbook has more than {MOST_STRINGS:,} texts. Split it, or send CSV."
                )
        file.flush()
        yield SharedStrings(file.fileno(), ends)


def text_of(element: Any) -> str:
    """Return the text of a ``<si>`` or ``<is>`` element, without its formats and its ruby."""
    parts = (
        text.text or ""
        for text in element.iter("{*}t")
        if not text.getparent().tag.endswith("}rPh")
    )
    return unescape("".join(parts))


def unescape(text: str) -> str:
    """Return a text in which ``_x000D_`` is again the character that XML cannot hold."""
    return _ESCAPE.sub(lambda m: chr(int(m[1], 16)), text) if "_x" in text else text
