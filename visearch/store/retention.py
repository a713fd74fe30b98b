"""Retention: what of imports that ended long ago is given up, and so cannot be retried any more.

The row says so first, and only then is anything deleted: an import that is retried at the same
moment keeps all that it needs.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

import sqlalchemy as sa

from visearch.records import TERMINAL_IMPORT
from visearch.store.imports import PRODUCTS, Kind
from visearch.store.schema import imports
from visearch.store.schema_imports import uploads as kept_files


class Upload(NamedTuple):
    """The uploaded file of an import, by the key of the import and the name of the blob."""

    import_pk: int
    source: str


def _over(ended_before: float) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    return imports.c.status.in_(TERMINAL_IMPORT), imports.c.finished_at < ended_before


def uploads(connection: sa.Connection, ended_before: float) -> list[Upload]:
    """Return the uploaded files, still kept, of the imports that ended before that time."""
    query = sa.select(imports.c.pk, imports.c.source).where(
        *_over(ended_before), imports.c.source != ""
    )
    return [Upload(*row) for row in connection.execute(query.order_by(imports.c.pk))]


def forget_upload(connection: sa.Connection, import_pk: int, ended_before: float) -> bool:
    """Give up an import's uploaded file; False if it has not ended before that time, after all."""
    mine = (imports.c.pk == import_pk, *_over(ended_before))
    return connection.execute(sa.update(imports).where(*mine).values(source="")).rowcount == 1


def make_final(connection: sa.Connection, kind: Kind, ended_before: float, limit: int) -> list[int]:
    """Let nobody retry up to ``limit`` imports of a kind that ended before that time.

    Returns their keys.
    """
    is_kind = imports.c.media == PRODUCTS if kind == "product" else imports.c.media != PRODUCTS
    # Said twice: a retry may be committed between the choice and the change.
    over = _over(ended_before)
    some = sa.select(imports.c.pk).where(*over, is_kind).limit(limit)
    changed = sa.update(imports).where(imports.c.pk.in_(some), *over).values(final=True)
    return list(connection.execute(changed.returning(imports.c.pk)).scalars())


def make_all_final(connection: sa.Connection) -> None:
    """Let nobody retry what has ended, as in a copy that lacks what was uploaded."""
    ended = imports.c.status.in_(TERMINAL_IMPORT)
    connection.execute(sa.update(imports).where(ended).values(source="", final=True))
    connection.execute(sa.update(kept_files).values(source=""))


def of_catalogs(connection: sa.Connection, catalog_pks: Sequence[int], limit: int) -> list[int]:
    """Return the keys of up to ``limit`` imports into these catalogs."""
    query = sa.select(imports.c.pk).where(imports.c.catalog_pk.in_(catalog_pks))
    return list(connection.execute(query.limit(limit)).scalars())


def forget(connection: sa.Connection, import_pks: Sequence[int]) -> None:
    """Delete imports and whatever is left of their ledgers."""
    connection.execute(sa.delete(imports).where(imports.c.pk.in_(import_pks)))


def statuses(connection: sa.Connection, ids: Collection[str]) -> dict[str, str]:
    """Return the status of each of these imports by its id; unknown ones are left out."""
    query = sa.select(imports.c.id, imports.c.status).where(imports.c.id.in_(ids))
    return {row.id: row.status for row in connection.execute(query)}


def sources(connection: sa.Connection, ids: Collection[str]) -> dict[str, str]:
    """Return the uploaded file of each of these imports by its id, "" where it is given up."""
    query = sa.select(imports.c.id, imports.c.source).where(imports.c.id.in_(ids))
    return {row.id: row.source for row in connection.execute(query)}
