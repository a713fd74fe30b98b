"""Fixtures shared by all tests: a running system per module, loud skips."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import databases
import pytest
from system import System, shared_data


@pytest.fixture(scope="session", autouse=True)
def _database_server() -> Iterator[None]:
    """The server of the databases that tests use, if they are to use one."""
    with databases.chosen():
        yield


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A running system that the tests of one module share; each uses catalogs of its own."""
    running = System(tmp_path_factory.mktemp("up") / "home").start()
    yield running
    assert running.stop() == 0, running.output()


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of shared data; the test is skipped, and counted, without it."""
    folder = shared_data()
    if folder is None:
        pytest.skip("NO SHARED DATA: set VISEARCH_SHARED to the folder that holds data/")
    return folder
