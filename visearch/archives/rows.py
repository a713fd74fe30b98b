"""Items that rows of a table describe: pictures by URL, and rows that cannot be used."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import BinaryIO

from visearch.archives.manifest import LARGEST, NOTHING
from visearch.archives.member import CHUNK
from visearch.errors import ArchiveTooLarge, excess
from visearch.records import PlannedItem
from visearch.rules import LONGEST_ID, LONGEST_URL, id_problem, is_storable
from visearch.tables.mapping import Known
from visearch.tables.opening import open_table
from visearch.tables.products import Look, look
from visearch.tables.row import Row

NO_ID_ADVICE = f"The product id is not 1 to {LONGEST_ID} printable characters. Change it."

# Characters that no id has.
_NO_ID = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffd]")
_URL = re.compile(r"\s*https?://", re.IGNORECASE)
_NO_URL = (
    "the picture is not an http or https URL, and a table by itself holds no files; write its URL, "
    "or upload a zip with the table and the pictures"
)


def look_at_table(file: BinaryIO, name: str, known: Known = NOTHING) -> Look:
    """Look at a table that was uploaded by itself, called ``name``: what its columns are.

    Raises:
        ArchiveCorrupt: it cannot be read, or is no table.
        ArchiveTooLarge: it has more than ``LARGEST`` bytes.
        InvalidRequest: ``known`` names columns that it lacks.
    """
    size = file.seek(0, 2)
    if size > LARGEST:
        raise ArchiveTooLarge(f"The table has {excess(size, LARGEST, 'bytes')}. Split the import.")
    return look(open_table(partial(_pieces, file, size), name), known.saved, known.choices)


def _pieces(file: BinaryIO, size: int) -> Iterator[bytes]:
    """Read the file from its start; several readers may take turns."""
    for at in range(0, size, CHUNK):
        file.seek(at)
        yield file.read(CHUNK)


def is_url(path: str) -> bool:
    """Tell whether a picture is named by URL."""
    return bool(_URL.match(path))


def by_url(path: str, row: Row, where: str, position: int) -> PlannedItem:
    """Return the item of a picture behind a URL; ``where`` names its row in sentences."""
    if not is_url(path):
        return refused(path, row, where, position, "picture_not_a_url", _NO_URL)
    url = path.strip()
    if len(url) > LONGEST_URL or not is_storable(url):
        why = f"the URL has more than {LONGEST_URL:,} characters, or some that no URL has"
        return refused(path, row, where, position, "url_error", why)
    if id_problem(row.id):
        return refused(path, row, where, position, "invalid_product_id", NO_ID_ADVICE)
    return PlannedItem(
        path=shown(url),
        product_id=row.id,
        position=position,
        title=row.title,
        url=row.url,
        description=row.description,
        attributes=dict(row.attributes),
        locator={"url": url},
        row=row.line,
    )


def refused(path: str, row: Row, where: str, position: int, code: str, why: str) -> PlannedItem:
    """Return the item of a picture, or of a row, that cannot be used."""
    return PlannedItem(
        path=shown(path),
        product_id=shown(row.id),
        position=position,
        code="invalid_product_id" if row.id and id_problem(row.id) else code,
        detail=f"{where}: {why}.",
    )


def shown(text: str) -> str:
    """Return untrusted text in a form that a database and a page can hold."""
    return _NO_ID.sub("\ufffd", text[:LONGEST_ID])
