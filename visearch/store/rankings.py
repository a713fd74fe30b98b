"""Rankings: how much each part of the embeddings counts in a catalog, by encoder.

Whoever writes one holds its catalog's row lock.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from visearch.encoders.layout import parts_of
from visearch.records import Catalog
from visearch.store import golden
from visearch.store.lapsed import lapsed
from visearch.store.schema import catalogs
from visearch.store.schema_ranking import rankings


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """The weights of a catalog's encoder's parts (None: as the encoder says), and the last fit.

    ``given`` says that somebody gave the weights. ``fit`` is ``fusion.fit.Fit`` as JSON; None if
    there was none yet (``fitted_at`` is None, too), or there were too few ``pictures``. ``asked``
    says that another one was asked for; ``held_by`` names the worker that is fitting it.
    """

    weights: dict[str, float] | None = None
    given: bool = False
    fit: dict[str, Any] | None = None
    fitted_at: datetime | None = None
    pictures: int | None = None
    asked: bool = False
    held_by: str | None = None


def get(connection: sa.Connection, catalog: Catalog) -> Ranking:
    """Return the ranking of a catalog with its present encoder."""
    row = connection.execute(sa.select(rankings).where(*_of(catalog))).one_or_none()
    if row is None:
        return Ranking()
    return Ranking(
        weights=row.weights,
        given=row.given,
        fit=row.fit,
        fitted_at=None if row.fitted_at is None else datetime.fromtimestamp(row.fitted_at, UTC),
        pictures=row.pictures,
        asked=row.asked,
        held_by=row.leased_by if row.leased_until >= time.time() else None,
    )


def give(connection: sa.Connection, catalog: Catalog, weights: dict[str, float] | None) -> None:
    """Give a catalog weights; with None, those of the last fit are in force, and it is fitted."""
    _ensure(connection, catalog)
    given = weights is not None
    before = get(connection, catalog)
    now = weights if given else fitted_weights(before.fit)
    _set(connection, catalog, weights=now, given=given, asked=not given)
    _check_again(connection, catalog, before.weights, now)


def next_weights(
    connection: sa.Connection, catalog: Catalog, after: Catalog
) -> dict[str, float] | None:
    """Return the weights that a catalog has with its next encoder; None: as that one says.

    Weights that somebody gave stay, if its embeddings have the same parts.
    """
    ranking = get(connection, catalog)
    return ranking.weights if _outlast(ranking, catalog, after) else get(connection, after).weights


def carry_over(connection: sa.Connection, catalog: Catalog, after: Catalog) -> None:
    """Keep the weights that somebody gave for a catalog's next encoder."""
    ranking = get(connection, catalog)
    if _outlast(ranking, catalog, after):
        give(connection, after, ranking.weights)


def _outlast(ranking: Ranking, catalog: Catalog, after: Catalog) -> bool:
    before, now = (parts_of(each.fingerprint, each.dimension) for each in (catalog, after))
    return ranking.given and set(before) == set(now)


def take(connection: sa.Connection, catalog: Catalog, worker: str, seconds: float) -> bool:
    """Keep other workers from fitting for so long; False if one of them is at it.

    Whoever has the same name may take it again: an embedded catalog that was killed in between.
    """
    _ensure(connection, catalog)
    at = time.time()
    free = sa.or_(lapsed(rankings.c.leased_until, at), rankings.c.leased_by == worker)
    taken = (
        sa.update(rankings)
        .where(*_of(catalog), free)
        .values(leased_by=worker, leased_until=at + seconds)
    )
    return connection.execute(taken).rowcount == 1


def asked(connection: sa.Connection) -> set[int]:
    """Return the keys of the catalogs that a fit was asked for, with their present encoders."""
    present = (catalogs.c.pk == rankings.c.catalog_pk) & (
        catalogs.c.fingerprint == rankings.c.fingerprint
    )
    query = sa.select(rankings.c.catalog_pk).join(catalogs, present).where(rankings.c.asked)
    return set(connection.execute(query).scalars())


def give_back(connection: sa.Connection, catalog: Catalog, worker: str) -> None:
    """End a worker's lease, if it still has one."""
    mine = (*_of(catalog), rankings.c.leased_by == worker)
    ended = sa.update(rankings).where(*mine).values(leased_by=None, leased_until=0.0)
    connection.execute(ended)


def note_fit(
    connection: sa.Connection,
    catalog: Catalog,
    worker: str,
    fit: dict[str, Any] | None,
    pictures: int,
) -> bool:
    """Write what a fit found; the lease ends. False if another worker has taken the fit over.

    Weights that were given stay in force.
    """
    mine = (*_of(catalog), rankings.c.leased_by == worker)
    if connection.execute(sa.select(rankings.c.given).where(*mine)).one_or_none() is None:
        return False
    before = get(connection, catalog)
    weights = before.weights if before.given else fitted_weights(fit)
    _set(
        connection,
        catalog,
        weights=weights,
        fit=fit,
        fitted_at=time.time(),
        pictures=pictures,
        asked=False,
        leased_by=None,
        leased_until=0.0,
    )
    _check_again(connection, catalog, before.weights, weights)
    return True


def fitted_weights(fit: dict[str, Any] | None) -> dict[str, float] | None:
    """Return the weights that a fit has chosen."""
    return None if fit is None else fit["chosen"]["weights"]


def _of(catalog: Catalog) -> tuple[sa.ColumnElement[bool], ...]:
    return rankings.c.catalog_pk == catalog.pk, rankings.c.fingerprint == catalog.fingerprint


def _ensure(connection: sa.Connection, catalog: Catalog) -> None:
    if connection.execute(sa.select(rankings.c.given).where(*_of(catalog))).first() is None:
        key = {"catalog_pk": catalog.pk, "fingerprint": catalog.fingerprint}
        first = sa.insert(rankings).values(**key, given=False, asked=False, leased_until=0.0)
        connection.execute(first)


def _check_again(
    connection: sa.Connection,
    catalog: Catalog,
    before: dict[str, float] | None,
    now: dict[str, float] | None,
) -> None:
    """Have the golden queries checked again if other weights are in force."""
    if before != now:
        golden.ask(connection, catalog)


def _set(connection: sa.Connection, catalog: Catalog, **values: Any) -> None:
    connection.execute(sa.update(rankings).where(*_of(catalog)).values(**values))
