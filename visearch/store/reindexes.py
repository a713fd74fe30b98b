"""Reindexes: rows, the vectors they have made, and the exchange of one encoder for another."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import sqlalchemy as sa

from visearch.errors import Conflict, NotFound
from visearch.ids import new_id
from visearch.records import Catalog
from visearch.store import catalogs as catalog_rows
from visearch.store.changes import Stored, stored
from visearch.store.schema import catalogs, embeddings, images, reindexes

Activate = Literal["auto", "manual"]
RUNNING, READY, ACTIVE, FORMER = "running", "ready", "active", "former"
CANCELLED, FAILED = "cancelled", "failed"
KEPT_UP = (RUNNING, READY, FORMER)
"""While a reindex is in one of these, every new picture gets its vector too."""

_LIVE = images.c.removed.is_(None)


@dataclass(frozen=True, kw_only=True)
class Reindex:
    """A catalog's way to another encoder, or back to its former one.

    ``done`` of ``total`` live pictures have a vector. ``comparison`` is what golden queries
    showed, once it is ready.
    """

    pk: int
    id: str
    catalog_pk: int
    encoder: str
    fingerprint: str
    dimension: int
    activate: Activate
    status: str
    generation: str | None
    comparison: dict[str, Any] | None
    error_code: str | None
    error_detail: str | None
    created_at: datetime
    finished_at: datetime | None
    done: int
    total: int


def create(
    connection: sa.Connection,
    catalog: Catalog,
    *,
    encoder: str,
    fingerprint: str,
    dimension: int,
    activate: Activate,
) -> Reindex:
    """Begin a reindex.

    Raises:
        Conflict: one is under way, or the catalog has this encoder already.
    """
    catalog_rows.lock(connection, catalog.pk)
    if fingerprint == catalog.fingerprint:
        raise Conflict(f"catalog {catalog.name!r} has encoder {fingerprint} already")
    under_way = sa.select(reindexes.c.id).where(
        reindexes.c.catalog_pk == catalog.pk, reindexes.c.status.in_((RUNNING, READY))
    )
    if (other := connection.execute(under_way).scalar_one_or_none()) is not None:
        raise Conflict(f"reindex {other} is under way; activate or cancel it first")
    name = new_id()
    connection.execute(
        sa.insert(reindexes).values(
            id=name,
            catalog_pk=catalog.pk,
            encoder=encoder,
            fingerprint=fingerprint,
            dimension=dimension,
            activate=activate,
            status=RUNNING,
            created_at=time.time(),
        )
    )
    return get(connection, catalog, name)


def get(connection: sa.Connection, catalog: Catalog, reindex_id: str) -> Reindex:
    """Return one reindex of a catalog; raises NotFound."""
    found = _read(
        connection, reindexes.c.catalog_pk == catalog.pk, reindexes.c.id == reindex_id
    )
    if not found:
        raise NotFound(f"catalog {catalog.name!r} has no reindex {reindex_id!r}")
    return found[0]


def kept_up(connection: sa.Connection) -> list[Reindex]:
    """Return the reindexes of live catalogs that need a vector of every picture."""
    return _read(
        connection,
        reindexes.c.status.in_(KEPT_UP),
        reindexes.c.catalog_pk.in_(
            sa.select(catalogs.c.pk).where(catalogs.c.deleted_at.is_(None))
        ),
    )


def former(connection: sa.Connection, catalog: Catalog) -> Reindex:
    """Return the way back to the encoder before; raises Conflict if there is none."""
    found = _read(
        connection, reindexes.c.catalog_pk == catalog.pk, reindexes.c.status == FORMER
    )
    if not found:
        raise Conflict(f"catalog {catalog.name!r} has no former encoder to go back to")
    return found[-1]


def change(connection: sa.Connection, reindex: Reindex, **values: Any) -> None:
    """Change columns of a reindex."""
    connection.execute(
        sa.update(reindexes).where(reindexes.c.pk == reindex.pk).values(**values)
    )


def missing(connection: sa.Connection, reindex: Reindex, limit: int) -> list[sa.Row[Any]]:
    """Return up to ``limit`` live pictures (pk, sha256) without a vector, oldest first."""
    query = (
        sa.select(images.c.pk, images.c.sha256)
        .where(images.c.catalog_pk == reindex.catalog_pk, _LIVE, ~_has_vector(reindex))
        .order_by(images.c.pk)
        .limit(limit)
    )
    return list(connection.execute(query))


def note(
    connection: sa.Connection, reindex: Reindex, segment: str, rows: Sequence[tuple[int, int]]
) -> None:
    """Keep vectors: (picture, its row of the segment). Pictures purged meanwhile are left out."""
    known = set(
        connection.execute(
            sa.select(images.c.pk).where(images.c.pk.in_([picture for picture, _ in rows]))
        ).scalars()
    )
    values = [
        {"reindex_pk": reindex.pk, "image_pk": picture, "segment": segment, "row": row}
        for picture, row in rows
        if picture in known
    ]
    if values:
        connection.execute(sa.insert(embeddings), values)


def vectors(connection: sa.Connection, reindex: Reindex) -> Stored:
    """Return where the new vectors of the live pictures lie, oldest first."""
    return stored(
        connection.execute(
            sa.select(images.c.pk, embeddings.c.segment, embeddings.c.row)
            .join(images, images.c.pk == embeddings.c.image_pk)
            .where(embeddings.c.reindex_pk == reindex.pk, _LIVE)
            .order_by(images.c.pk)
        ).all()
    )


def exchange(connection: sa.Connection, catalog: Catalog, reindex: Reindex) -> bool:
    """Give the catalog the reindex's encoder, vectors and generation, in one transaction.

    What it had becomes the way back. False, and nothing is changed, while a picture still
    lacks its vector.
    """
    catalog_rows.next_revision(connection, catalog.pk)  # holds off every other writer
    if missing(connection, reindex, 1):
        return False
    before = catalog_rows.get(connection, catalog.name)
    back = _way_back(connection, before)
    connection.execute(
        sa.insert(embeddings).from_select(
            ["reindex_pk", "image_pk", "segment", "row"],
            sa.select(sa.literal(back), images.c.pk, images.c.segment, images.c.row).where(
                images.c.catalog_pk == catalog.pk, _LIVE
            ),
        )
    )
    new = sa.select(embeddings).where(
        embeddings.c.reindex_pk == reindex.pk, embeddings.c.image_pk == images.c.pk
    )
    connection.execute(
        sa.update(images)
        .where(images.c.catalog_pk == catalog.pk, _LIVE)
        .values(
            segment=new.with_only_columns(embeddings.c.segment).scalar_subquery(),
            row=new.with_only_columns(embeddings.c.row).scalar_subquery(),
        )
    )
    connection.execute(sa.delete(embeddings).where(embeddings.c.reindex_pk == reindex.pk))
    connection.execute(
        sa.update(catalogs)
        .where(catalogs.c.pk == catalog.pk)
        .values(
            encoder=reindex.encoder,
            fingerprint=reindex.fingerprint,
            dimension=reindex.dimension,
            generation=reindex.generation,
        )
    )
    change(connection, reindex, status=ACTIVE, finished_at=time.time())
    return True


def _way_back(connection: sa.Connection, catalog: Catalog) -> int:
    """Make the row under which the catalog's present vectors are kept; returns its key."""
    connection.execute(
        sa.update(reindexes)
        .where(reindexes.c.catalog_pk == catalog.pk, reindexes.c.status == FORMER)
        .values(status=CANCELLED)
    )
    result = connection.execute(
        sa.insert(reindexes).values(
            id=new_id(),
            catalog_pk=catalog.pk,
            encoder=catalog.encoder,
            fingerprint=catalog.fingerprint,
            dimension=catalog.dimension,
            activate="manual",
            status=FORMER,
            generation=catalog.generation,
            created_at=time.time(),
        )
    )
    (pk,) = result.inserted_primary_key or (0,)
    return int(pk)


def _has_vector(reindex: Reindex) -> sa.Exists:
    return sa.exists().where(
        embeddings.c.reindex_pk == reindex.pk, embeddings.c.image_pk == images.c.pk
    )


def _read(connection: sa.Connection, *conditions: sa.ColumnElement[bool]) -> list[Reindex]:
    query = sa.select(reindexes).where(*conditions).order_by(reindexes.c.pk)
    return [_record(connection, row) for row in connection.execute(query).mappings().all()]


def _record(connection: sa.Connection, row: Any) -> Reindex:
    mine = (images.c.catalog_pk == row["catalog_pk"], _LIVE)
    total = connection.execute(sa.select(sa.func.count()).where(*mine)).scalar_one()
    made = sa.exists().where(
        embeddings.c.reindex_pk == row["pk"], embeddings.c.image_pk == images.c.pk
    )
    done = connection.execute(sa.select(sa.func.count()).where(*mine, made)).scalar_one()
    finished = row["finished_at"]
    return Reindex(
        **{
            **row,
            "created_at": datetime.fromtimestamp(row["created_at"], UTC),
            "finished_at": datetime.fromtimestamp(finished, UTC) if finished else None,
            "done": total if row["status"] == ACTIVE else done,
            "total": total,
        }
    )
