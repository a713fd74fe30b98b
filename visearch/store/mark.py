"""The mark of the blob store: it tells the store from an empty folder where it is to be mounted.

Before a missing blob has consequences that last, and before work is accepted, the store is asked
for its mark: a blob whose name the database knows.
"""

from __future__ import annotations

import sqlalchemy as sa

from visearch.errors import DependencyUnavailable
from visearch.ids import new_id
from visearch.store import named
from visearch.store.blobs import Blobs
from visearch.store.database import Connection, Database, insert_new
from visearch.store.schema_marks import marks

FOLDER = "mark"
TEXT = b"visearch knows by this file that the right store is mounted. Keep it.\n"

_LOOKED_AT = 20
"""Of a store without a mark, so many blobs that it should hold are looked for."""


def require(database: Database, blobs: Blobs) -> None:
    """Make sure that this is the blob store of what the database names.

    A database that knows no mark yet marks the store in which it finds a blob that it names.

    Raises:
        DependencyUnavailable: it is another store, or an empty one, or it does not answer.
    """
    with database.read() as connection:
        name = find(connection)
    if name is None:
        name = _make(database, blobs)
    if not blobs.exists(name):
        raise DependencyUnavailable(
            f"The blob store lacks {name!r}, so it is not the one that belongs to the database. "
            "Is it mounted, and restored whole?",
            "blob store",
        )


def find(connection: Connection) -> str | None:
    """Return the name of the blob that is the mark; None if there is none yet."""
    name = connection.execute(sa.select(marks.c.name)).scalar_one_or_none()
    return name and f"{FOLDER}/{name}"


def _make(database: Database, blobs: Blobs) -> str:
    with database.read() as connection:
        wanted = named.some(connection, _LOOKED_AT)
    if wanted and not any(map(blobs.exists, wanted)):
        raise DependencyUnavailable(
            "The blob store has none of the pictures and embeddings that the database names. Is it "
            "mounted, and restored whole?",
            "blob store",
        )
    name = new_id()
    mine = f"{FOLDER}/{name}"
    blobs.put(mine, TEXT)
    with database.write() as connection:
        insert_new(connection, marks, [{"pk": 1, "name": name}])
        chosen = find(connection)
    if chosen != mine:
        blobs.delete(mine)  # another process was first
    return str(chosen)
