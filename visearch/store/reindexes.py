"""Reindexes: their rows, and the activation of another encoder."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

import sqlalchemy as sa

from visearch.errors import Conflict, NotFound
from visearch.ids import new_id
from visearch.records import Catalog
from visearch.store import catalogs as catalog_rows
from visearch.store import rankings
from visearch.store.embeddings import failed, forget_failed, lacking
from visearch.store.schema import catalogs, embeddings, images, reindexes

Activate = Literal["auto", "manual", "now"]
"""What happens once a reindex is ready: ``auto`` activates it if nothing got worse, ``manual``
waits for an operator, ``now`` activates it because an operator has asked for it."""
RUNNING, READY, ACTIVE, FORMER = "running", "ready", "active", "former"
SUPERSEDED, CANCELLED, FAILED = "superseded", "cancelled", "failed"
KEPT_UP = (RUNNING, READY, FORMER)
"""While a reindex has one of these, new pictures are embedded with its encoder too."""


@dataclass(frozen=True, kw_only=True)
class Reindex:
    """A catalog's way to another encoder, or back to its former one.

    Of ``total`` live pictures, ``done`` have their fate: an embedding, or for ``failed`` of them
    a reason why there is none. ``comparison`` is the result of the golden queries, once they have
    run.
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
    failed: int
    total: int


def create(
    connection: sa.Connection,
    catalog: Catalog,
    *,
    encoder: str,
    fingerprint: str,
    dimension: int,
    activate: Activate,
    name: str | None = None,
) -> Reindex:
    """Begin a reindex, with the id ``name`` if it is given; it supersedes those that failed.

    Pictures that this encoder had no vector of are tried again.

    Raises:
        Conflict: one is under way, or the catalog has this encoder already.
    """
    catalog_rows.lock(connection, catalog.pk)
    if fingerprint == catalog.fingerprint:
        raise Conflict(f"Catalog {catalog.name!r} already has the encoder {fingerprint}.")
    mine = reindexes.c.catalog_pk == catalog.pk
    under_way = sa.select(reindexes.c.id).where(mine, reindexes.c.status.in_((RUNNING, READY)))
    if (other := connection.execute(under_way).scalar_one_or_none()) is not None:
        raise Conflict(f"Reindex {other} is under way. Activate or cancel it first.")
    forget_failed(connection, catalog.pk, fingerprint)
    connection.execute(
        sa.update(reindexes).where(mine, reindexes.c.status == FAILED).values(status=SUPERSEDED)
    )
    name = name or new_id()
    row = {"encoder": encoder, "fingerprint": fingerprint, "dimension": dimension}
    _insert(connection, catalog.pk, id=name, activate=activate, status=RUNNING, **row)
    return get(connection, catalog, name)


def _insert(connection: sa.Connection, catalog_pk: int, **values: Any) -> None:
    common = {"catalog_pk": catalog_pk, "leased_until": 0.0, "created_at": time.time()}
    connection.execute(sa.insert(reindexes).values(**common, **values))


def get(connection: sa.Connection, catalog: Catalog, reindex_id: str) -> Reindex:
    """Return one reindex of a catalog; raises NotFound."""
    found = _read(connection, reindexes.c.catalog_pk == catalog.pk, reindexes.c.id == reindex_id)
    if not found:
        raise NotFound(f"Catalog {catalog.name!r} has no reindex {reindex_id!r}.")
    return found[0]


def standing(connection: sa.Connection, catalog: Catalog) -> list[Reindex]:
    """Return what there is to do about a catalog's encoder: under way, failed, or the way back."""
    mine = reindexes.c.catalog_pk == catalog.pk
    return _read(connection, mine, reindexes.c.status.in_((*KEPT_UP, FAILED)))


def dead(
    connection: sa.Connection, before: str = "", limit: int = 1, *, only: str = ""
) -> list[tuple[str, Reindex]]:
    """Return failed reindexes with the names of their catalogs, newest first.

    Only those of live catalogs that are older than the id ``before``, or the one with the id
    ``only``.
    """
    query = (
        sa.select(reindexes, catalogs.c.name.label("catalog"))
        .join(catalogs, catalogs.c.pk == reindexes.c.catalog_pk)
        .where(reindexes.c.status == FAILED, catalogs.c.deleted_at.is_(None))
    )
    if before:
        query = query.where(reindexes.c.id < before)
    if only:
        query = query.where(reindexes.c.id == only)
    rows = connection.execute(query.order_by(reindexes.c.id.desc()).limit(limit)).mappings()
    return [(row["catalog"], _record(connection, row)) for row in rows.all()]


def give_up(connection: sa.Connection, reindex: Reindex) -> bool:
    """Cancel a reindex that is kept up or has failed; False if it is neither."""
    changed = connection.execute(
        sa.update(reindexes)
        .where(reindexes.c.pk == reindex.pk, reindexes.c.status.in_((*KEPT_UP, FAILED)))
        .values(status=CANCELLED)
    ).rowcount
    return changed == 1


def former(connection: sa.Connection, catalog: Catalog) -> Reindex:
    """Return the way back to the encoder before; raises Conflict if there is none."""
    found = _read(connection, reindexes.c.catalog_pk == catalog.pk, reindexes.c.status == FORMER)
    if not found:
        raise Conflict(f"Catalog {catalog.name!r} has no former encoder to go back to.")
    return found[-1]


def kept_up(connection: sa.Connection) -> list[tuple[Catalog, Reindex]]:
    """Return the live catalogs' reindexes that need a vector of every picture."""
    by_pk = {catalog.pk: catalog for catalog in catalog_rows.everything(connection)}
    found = _read(connection, reindexes.c.status.in_(KEPT_UP))
    return [(by_pk[each.catalog_pk], each) for each in found if each.catalog_pk in by_pk]


def prospect(connection: sa.Connection, catalog: Catalog, reindex: Reindex) -> Catalog:
    """Return the catalog as it would be with the reindex's encoder.

    Its revision is the last one at which no picture lacks its embedding.
    """
    conditions = lacking(reindex.catalog_pk, reindex.fingerprint)
    first = connection.execute(
        sa.select(sa.func.min(images.c.added)).where(*conditions)
    ).scalar_one()
    after = _with(catalog, reindex)
    return replace(
        after,
        revision=catalog.revision if first is None else first - 1,
        weights=rankings.next_weights(connection, catalog, after),
    )


def _with(catalog: Catalog, reindex: Reindex) -> Catalog:
    return replace(
        catalog,
        encoder=reindex.encoder,
        fingerprint=reindex.fingerprint,
        dimension=reindex.dimension,
        generation=reindex.generation,
    )


def change(connection: sa.Connection, reindex: Reindex, **values: Any) -> bool:
    """Change columns of a reindex that is still kept up; False if it is not."""
    changed = connection.execute(
        sa.update(reindexes)
        .where(reindexes.c.pk == reindex.pk, reindexes.c.status.in_(KEPT_UP))
        .values(**values)
    ).rowcount
    return changed == 1


def publish_generation(connection: sa.Connection, reindex: Reindex, name: str) -> None:
    """Point a reindex that is kept up at another generation, if its pointer is unchanged.

    Raises:
        Conflict: someone else published first, or it has ended.
    """
    changed = connection.execute(
        sa.update(reindexes)
        .where(
            reindexes.c.pk == reindex.pk,
            reindexes.c.status.in_(KEPT_UP),
            reindexes.c.generation.is_not_distinct_from(reindex.generation),
        )
        .values(generation=name)
    ).rowcount
    if changed != 1:
        raise Conflict("Another index generation was published first.")


def check_ready(reindex: Reindex) -> None:
    """Raise Conflict if the reindex cannot be activated."""
    if reindex.status not in (READY, FORMER):
        raise Conflict(
            f"Reindex {reindex.id} is {reindex.status}. Only one that is ready can be activated."
        )


def activate(connection: sa.Connection, catalog: Catalog, reindex: Reindex) -> bool:
    """Give the catalog the reindex's encoder and generation; what it had becomes the way back.

    The search workers have to be told of it after the commit. Returns False, and has changed
    nothing, while a picture has no fate yet.

    Raises:
        Conflict: the reindex is not ready.
        NotFound: the catalog was deleted.
    """
    catalog_rows.next_revision(connection, catalog.pk)  # holds off every other writer
    before, reindex = (
        catalog_rows.get(connection, catalog.name),
        get(connection, catalog, reindex.id),
    )
    check_ready(reindex)
    if reindex.done < reindex.total:
        return False
    mine = reindexes.c.catalog_pk == catalog.pk
    for old in (ACTIVE, FORMER):
        others = (mine, reindexes.c.status == old, reindexes.c.pk != reindex.pk)
        connection.execute(sa.update(reindexes).where(*others).values(status=SUPERSEDED))
    change(connection, reindex, status=ACTIVE, finished_at=time.time())
    _insert(
        connection,
        catalog.pk,
        id=new_id(),
        encoder=before.encoder,
        fingerprint=before.fingerprint,
        dimension=before.dimension,
        generation=before.generation,
        activate="manual",
        status=FORMER,
    )
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
    rankings.carry_over(connection, before, _with(before, reindex))
    return True


def generations_of(connection: sa.Connection, catalog: Catalog) -> list[str]:
    """Return the generations of the encoders that are kept up for a catalog."""
    query = sa.select(reindexes.c.generation).where(
        reindexes.c.catalog_pk == catalog.pk,
        reindexes.c.status.in_(KEPT_UP),
        reindexes.c.generation.is_not(None),
    )
    return list(connection.execute(query).scalars())


def kept_fingerprints(connection: sa.Connection, catalog: Catalog) -> list[str]:
    """Return the encoders that are kept up for a catalog beside its own."""
    query = sa.select(reindexes.c.fingerprint).where(
        reindexes.c.catalog_pk == catalog.pk, reindexes.c.status.in_(KEPT_UP)
    )
    return list(connection.execute(query).scalars())


def end_former(connection: sa.Connection, catalog: Catalog, before: float) -> None:
    """Give up the way back to encoders that were replaced before that time."""
    connection.execute(
        sa.update(reindexes)
        .where(
            reindexes.c.catalog_pk == catalog.pk,
            reindexes.c.status == FORMER,
            reindexes.c.created_at < before,
        )
        .values(status=SUPERSEDED)
    )


def _read(connection: sa.Connection, *conditions: sa.ColumnElement[bool]) -> list[Reindex]:
    query = sa.select(reindexes).where(*conditions).order_by(reindexes.c.pk)
    return [_record(connection, row) for row in connection.execute(query).mappings().all()]


def _record(connection: sa.Connection, row: sa.RowMapping) -> Reindex:
    values = {c.name: row[c.name] for c in reindexes.c if not c.name.startswith("leased_")}
    finished = row["finished_at"]
    values["created_at"] = datetime.fromtimestamp(row["created_at"], UTC)
    values["finished_at"] = datetime.fromtimestamp(finished, UTC) if finished else None
    reindex = Reindex(**values, done=0, failed=0, total=0)
    count = sa.select(sa.func.count()).select_from(images)
    live = (images.c.catalog_pk == reindex.catalog_pk, images.c.removed.is_(None))
    total = connection.execute(count.where(*live)).scalar_one()
    lost = connection.execute(
        sa.select(sa.func.count())
        .select_from(embeddings.join(images, embeddings.c.image_pk == images.c.pk))
        .where(*failed(reindex.catalog_pk, reindex.fingerprint))
    ).scalar_one()
    if reindex.status == ACTIVE:
        return replace(reindex, done=total, failed=lost, total=total)
    conditions = lacking(reindex.catalog_pk, reindex.fingerprint)
    left = connection.execute(count.where(*conditions)).scalar_one()
    return replace(reindex, done=total - left, failed=lost, total=total)
