"""Hosts to fetch from, and a fetcher that may reach some of them and has little patience."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from picture_server import INSIDE, LIMITS, NAMES, SETTINGS, SHOP, Host, Town

from visearch.fetching import Fetcher


@pytest.fixture(scope="module")
def town() -> Iterator[Town]:
    """The hosts of one module."""
    running = Town()
    yield running
    running.close()


@pytest.fixture(scope="module")
def shop(town: Town) -> Host:
    """A host that may be fetched from."""
    return town.host(SHOP)


@pytest.fixture(scope="module")
def inside(town: Town) -> Host:
    """A host in a private network, from which nothing may be fetched."""
    return town.host(INSIDE)


@pytest.fixture
def fetcher() -> Iterator[Fetcher]:
    """A fetcher that knows nothing of any host yet."""
    with Fetcher(SETTINGS, limits=LIMITS, lookup=NAMES.__getitem__) as made:
        yield made
