"""A migrated database of each kind, shared by the tests of a module; each uses its own catalogs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from postgres import binaries, server

from visearch.store.database import Database
from visearch.store.migrate import migrate


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def either_database(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Database]:
    if request.param == "sqlite":
        yield from _migrated(f"sqlite:///{tmp_path_factory.mktemp('db') / 'v.db'}")
        return
    programs = binaries()
    if programs is None:
        pytest.skip("NO POSTGRESQL: install it to test visearch on it")
    with server(programs) as started:
        yield from _migrated(started.url())


def _migrated(url: str) -> Iterator[Database]:
    made = Database(url)
    migrate(made)
    yield made
    made.close()
