"""Golden queries: pictures whose products are known, and at which place searches find them.

Whoever makes, changes or deletes one holds its catalog's row lock. ``golden_turns`` has what a
check writes.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from visearch.errors import InvalidRequest, NotFound
from visearch.records import Catalog
from visearch.rules import MOST_GOLDEN_QUERIES
from visearch.store.schema import catalogs, products
from visearch.store.schema_golden import golden_pictures, golden_queries

TEN = 10
"""A product among the first ten counts as found by whoever looks at one page."""


class Check(NamedTuple):
    """What a check found: the best place of an expected product, or None, and who answered."""

    rank: int | None
    checked_at: datetime
    generation: str | None
    encoder: str


@dataclass(frozen=True, kw_only=True)
class Golden:
    """A picture as a shopper sends it, and the products of which one ought to be found.

    ``last`` is its last check, ``previous`` the last one under another generation or encoder. The
    error is that of a later try without a result.
    """

    pk: int
    catalog_pk: int
    catalog: str
    name: str
    products: tuple[str, ...]
    digest: str
    last: Check | None
    previous: Check | None
    tries: int
    error_code: str | None
    error_detail: str | None
    created_at: datetime
    updated_at: datetime


class Counts(NamedTuple):
    """How many golden queries find a product first, among the first ten, or not at all."""

    queries: int
    first: int
    in_ten: int
    not_found: int
    unchecked: int
    checked_at: datetime | None


class Expected(NamedTuple):
    """The picture of a golden query, and the keys of those of its products that are live."""

    picture: bytes
    product_pks: frozenset[int]


_JOINED = sa.select(golden_queries, catalogs.c.name.label("catalog")).join(
    catalogs, catalogs.c.pk == golden_queries.c.catalog_pk
)

_UNCHECKED: dict[str, Any] = {
    "rank": None,
    "checked_at": None,
    "generation": None,
    "encoder": None,
    "previous_rank": None,
    "previous_at": None,
    "previous_generation": None,
    "previous_encoder": None,
}


def _to_be_checked(at: float) -> dict[str, Any]:
    """Return what has it checked after all that were asked for before ``at``.

    Who checks it now does not know of what has been said since: its result is dropped.
    """
    return {
        "asked": True,
        "not_before": at,
        "tries": 0,
        "leased_by": None,
        "leased_until": 0.0,
        "error_code": None,
        "error_detail": None,
    }


def joined(*conditions: sa.ColumnElement[bool]) -> sa.Select[Any]:
    """Return the statement for the golden queries that meet the conditions, with their catalogs."""
    return _JOINED.where(*conditions)


def record_of(row: sa.Row[Any]) -> Golden:
    """Return the golden query in a row of ``joined``."""
    return Golden(
        pk=row.pk,
        catalog_pk=row.catalog_pk,
        catalog=row.catalog,
        name=row.name,
        products=tuple(row.products),
        digest=row.digest,
        last=_check(row.rank, row.checked_at, row.generation, row.encoder),
        previous=_check(
            row.previous_rank, row.previous_at, row.previous_generation, row.previous_encoder
        ),
        tries=row.tries,
        error_code=row.error_code,
        error_detail=row.error_detail,
        created_at=datetime.fromtimestamp(row.created_at, UTC),
        updated_at=datetime.fromtimestamp(row.updated_at, UTC),
    )


def _check(
    rank: int | None, at: float | None, generation: str | None, encoder: str | None
) -> Check | None:
    if at is None or encoder is None:
        return None
    return Check(rank, datetime.fromtimestamp(at, UTC), generation, encoder)


def put(
    connection: sa.Connection,
    catalog: Catalog,
    name: str,
    *,
    expected: Sequence[str],
    picture: bytes,
) -> tuple[Golden, bool]:
    """Make a golden query, or state an old one anew; returns it, and whether it is new.

    One that is another by now is checked as if it were new; one that is the same stays as it is.

    Raises:
        InvalidRequest: the catalog has too many golden queries.
    """
    at = time.time()
    said = {"products": list(expected), "digest": hashlib.sha256(picture).hexdigest()}
    old = _one(connection, catalog, name)
    if old is None:
        if counts(connection, catalog).queries >= MOST_GOLDEN_QUERIES:
            detail = (
                f"A catalog has at most {MOST_GOLDEN_QUERIES} golden queries. Delete one first."
            )
            raise InvalidRequest(detail, (("name", detail),))
        row = {"catalog_pk": catalog.pk, "name": name, "created_at": at, "updated_at": at}
        values = {**row, **said, **_to_be_checked(at)}
        made = sa.insert(golden_queries).values(values).returning(golden_queries.c.pk)
        kept = {"golden_pk": connection.execute(made).scalar_one(), "picture": picture}
        connection.execute(sa.insert(golden_pictures).values(kept))
    elif (list(old.products), old.digest) != (said["products"], said["digest"]):
        changes = {**said, **_UNCHECKED, **_to_be_checked(at), "updated_at": at}
        mine = golden_queries.c.pk == old.pk
        connection.execute(sa.update(golden_queries).where(mine).values(changes))
        its = golden_pictures.c.golden_pk == old.pk
        connection.execute(sa.update(golden_pictures).where(its).values(picture=picture))
    return get(connection, catalog, name), old is None


def _one(connection: sa.Connection, catalog: Catalog, name: str) -> Golden | None:
    mine = (golden_queries.c.catalog_pk == catalog.pk, golden_queries.c.name == name)
    row = connection.execute(joined(*mine)).one_or_none()
    return None if row is None else record_of(row)


def get(connection: sa.Connection, catalog: Catalog, name: str) -> Golden:
    """Return one golden query of a catalog; raises NotFound."""
    found = _one(connection, catalog, name)
    if found is None:
        raise NotFound(f"Catalog {catalog.name!r} has no golden query {name!r}.")
    return found


def picture_of(connection: sa.Connection, golden: Golden) -> bytes:
    """Return the picture of a golden query, a JPEG; raises NotFound if it was deleted."""
    query = sa.select(golden_pictures.c.picture).where(golden_pictures.c.golden_pk == golden.pk)
    found = connection.execute(query).scalar_one_or_none()
    if found is None:
        raise NotFound("The golden query was deleted.")
    return bytes(found)


def page(connection: sa.Connection, catalog: Catalog, after: str, limit: int) -> list[Golden]:
    """Return up to ``limit`` golden queries of a catalog by name, starting after ``after``."""
    mine = (golden_queries.c.catalog_pk == catalog.pk, golden_queries.c.name > after)
    query = joined(*mine).order_by(golden_queries.c.name).limit(limit)
    return [record_of(row) for row in connection.execute(query)]


def delete(connection: sa.Connection, golden: Golden) -> None:
    """Forget a golden query and its checks."""
    connection.execute(sa.delete(golden_queries).where(golden_queries.c.pk == golden.pk))


def ask(connection: sa.Connection, catalog: Catalog) -> None:
    """Have every golden query of a catalog checked, whether or not anything has changed.

    One that has been asked for, and that nobody has begun, keeps its turn.
    """
    waits = sa.and_(
        golden_queries.c.asked, golden_queries.c.leased_by.is_(None), golden_queries.c.tries == 0
    )
    others = (golden_queries.c.catalog_pk == catalog.pk, sa.not_(waits))
    values = _to_be_checked(time.time())
    connection.execute(sa.update(golden_queries).where(*others).values(values))


def counts(connection: sa.Connection, catalog: Catalog) -> Counts:
    """Count a catalog's golden queries by the place that their last checks found."""
    rank, checked = golden_queries.c.rank, golden_queries.c.checked_at.is_not(None)
    row: Any = connection.execute(
        sa.select(
            sa.func.count(),
            *(
                sa.func.count(sa.case((condition, 1)))
                for condition in (
                    rank == 1,
                    rank <= TEN,
                    sa.and_(checked, rank.is_(None)),
                    sa.not_(checked),
                )
            ),
            sa.func.max(golden_queries.c.checked_at),
        ).where(golden_queries.c.catalog_pk == catalog.pk)
    ).one()
    queries, first, in_ten, not_found, unchecked, at = row
    checked_at = datetime.fromtimestamp(at, UTC) if at else None
    return Counts(queries, first, in_ten, not_found, unchecked, checked_at)


def expected(connection: sa.Connection, catalog: Catalog) -> list[Expected]:
    """Return what the golden queries of a catalog ask for, and what they ought to find."""
    mine = golden_queries.c.catalog_pk == catalog.pk
    asked = (
        sa.select(golden_queries.c.products, golden_pictures.c.picture)
        .join(golden_pictures, golden_pictures.c.golden_pk == golden_queries.c.pk)
        .where(mine)
    )
    rows = connection.execute(asked.order_by(golden_queries.c.name)).all()
    keys: dict[str, int] = {}
    for row in rows:
        live = (products.c.catalog_pk == catalog.pk, products.c.deleted.is_(sa.false()))
        named = products.c.external_id.in_(row.products)
        query = sa.select(products.c.external_id, products.c.pk).where(*live, named)
        keys |= {each.external_id: each.pk for each in connection.execute(query)}
    return [
        Expected(bytes(row.picture), frozenset(keys[each] for each in row.products if each in keys))
        for row in rows
    ]
