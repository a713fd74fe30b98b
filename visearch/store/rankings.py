"""Rankings: how much each part of the embeddings counts in a catalog, by encoder.

Whoever writes one holds its catalog's row lock.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from visearch.records import Catalog
from visearch.store.schema_ranking import rankings

_ASKED = rankings.c.asked


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """The weights of a catalog's encoder's parts (None: as the encoder says), and the last fit.

    ``given`` says that somebody gave the weights. ``fit`` is ``fusion.fit.Fit`` as JSON; None if
    there was none yet (``fitted_at`` is None, too), or there were too few ``pictures``. ``asked``
    says that another one was asked for.
    """

    weights: dict[str, float] | None = None
    given: bool = False
    fit: dict[str, Any] | None = None
    fitted_at: datetime | None = None
    pictures: int | None = None
    asked: bool = False


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
    )


def give(connection: sa.Connection, catalog: Catalog, weights: dict[str, float] | None) -> None:
    """Give a catalog weights; with None, those of the last fit are in force, and it is fitted."""
    _ensure(connection, catalog)
    given = weights is not None
    fitted = fitted_weights(get(connection, catalog).fit)
    _set(connection, catalog, weights=weights if given else fitted, given=given, asked=not given)


def take(connection: sa.Connection, catalog: Catalog, worker: str, seconds: float) -> bool:
    """Keep other workers from fitting for so long; False if one of them is at it."""
    _ensure(connection, catalog)
    at = time.time()
    free = (*_of(catalog), rankings.c.leased_until < at)
    taken = sa.update(rankings).where(*free).values(leased_by=worker, leased_until=at + seconds)
    return connection.execute(taken).rowcount == 1


def asked(connection: sa.Connection) -> set[int]:
    """Return the keys of the catalogs that a fit was asked for."""
    return set(connection.execute(sa.select(rankings.c.catalog_pk).where(_ASKED)).scalars())


def give_back(connection: sa.Connection, catalog: Catalog, worker: str) -> None:
    """End a worker's lease without a fit."""
    mine = (*_of(catalog), rankings.c.leased_by == worker)
    ended = sa.update(rankings).where(*mine).values(leased_by=None, leased_until=0.0)
    connection.execute(ended)


def note_fit(
    connection: sa.Connection,
    catalog: Catalog,
    worker: str,
    fit: dict[str, Any] | None,
    pictures: int,
) -> None:
    """Write what a fit found, unless another worker has taken it over; the lease ends.

    Weights that were given stay in force.
    """
    mine = (*_of(catalog), rankings.c.leased_by == worker)
    if connection.execute(sa.select(rankings.c.given).where(*mine)).one_or_none() is None:
        return
    weights = {} if get(connection, catalog).given else {"weights": fitted_weights(fit)}
    _set(
        connection,
        catalog,
        fit=fit,
        fitted_at=time.time(),
        pictures=pictures,
        asked=False,
        leased_by=None,
        leased_until=0.0,
        **weights,
    )


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


def _set(connection: sa.Connection, catalog: Catalog, **values: Any) -> None:
    connection.execute(sa.update(rankings).where(*_of(catalog)).values(**values))
