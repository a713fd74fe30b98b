"""One running system for this folder; every answer it gives is held against its own document."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from promise import Promise
from shop import FETCHING, SHOP, fill
from system import System


@pytest.fixture(scope="package")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A running system that the tests of this folder share; each uses catalogs of its own."""
    home = tmp_path_factory.mktemp("up") / "home"
    running = System(home, public_hosts="shop.example", **FETCHING).start()
    promise = Promise(running.http.get("/openapi.json").json())
    running.http.event_hooks["response"].append(promise.check)
    yield running
    assert running.stop() == 0, running.output()


@pytest.fixture(scope="package")
def shop(system: System) -> str:
    """A filled catalog that no test changes; returns its name."""
    fill(system)
    return SHOP
