"""URLs that were fetched for a catalog: what came, and how to ask whether it has changed."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import sqlalchemy as sa

from visearch.store.database import replace
from visearch.store.schema_imports import fetched_urls

_NAMED = 1000
"""URLs named in one statement."""


class Came(NamedTuple):
    """The picture that a URL gave; ``source`` is the URL after redirects."""

    sha256: str
    source: str
    etag: str | None
    modified: str | None


def known(connection: sa.Connection, catalog_pk: int, urls: Collection[str]) -> dict[str, Came]:
    """Return what came last from these URLs; those of which nothing is known are left out."""
    by_name = {_name(url): url for url in urls}
    names, found = list(by_name), dict[str, Came]()
    t = fetched_urls.c
    columns = sa.select(t.name, t.sha256, t.source, t.etag, t.modified)
    for start in range(0, len(names), _NAMED):
        some = t.name.in_(names[start : start + _NAMED])
        for name, *came in connection.execute(columns.where(t.catalog_pk == catalog_pk, some)):
            found[by_name[name]] = Came(*came)
    return found


def note(connection: sa.Connection, catalog_pk: int, came: Mapping[str, Came]) -> None:
    """Note what came from each URL, in place of what was known of it."""
    rows = [
        {"catalog_pk": catalog_pk, "name": _name(url), **each._asdict()}
        for url, each in came.items()
    ]
    # In one order, so that no two writers wait for each other.
    replace(connection, fetched_urls, sorted(rows, key=lambda row: row["name"]))


def forget_of(connection: sa.Connection, catalog_pks: Sequence[int], limit: int) -> int:
    """Forget up to ``limit`` URLs of these catalogs; returns how many were."""
    t = fetched_urls.c
    key = (t.catalog_pk, t.name)
    some = sa.select(*key).where(t.catalog_pk.in_(catalog_pks)).limit(limit)
    return connection.execute(sa.delete(fetched_urls).where(sa.tuple_(*key).in_(some))).rowcount


def _name(url: str) -> str:
    return hashlib.sha256(url.encode("utf-8", "surrogatepass")).hexdigest()
