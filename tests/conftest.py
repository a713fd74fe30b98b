"""Fixtures shared by all tests: a running system per module, loud skips; the longest go first."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import databases
import pytest
from system import System, shared_data

# Before anything imports jax, and for the processes that tests start: they compile many programs
# and run each a few times, so that optimising the machine code takes most of their time.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")

HERE = Path(__file__).parent

# Begun last, one of these would be waited for by a worker that has nothing else to do. Each has a
# system of its own or none: one that shares its folder's would start that here, apart from the
# others that use it.
LONGEST = (
    "unit/training/test_loop.py",
    "faults/test_database_faults.py",
    "faults/test_storms.py",
    "faults/test_full_disks.py",
    "integration/test_reindex.py",
    "docs/test_readme.py",
    "faults/test_deaths.py",
    "faults/test_generations.py",
    "faults/test_load.py",
    "parity/test_families.py",
    "integration/test_weights.py",
    "unit/encoders/runtimes/test_flax_export.py",
    "faults/test_hangs.py",
    "faults/test_slow_clients.py",
    "integration/test_supervisor.py",
    "integration/test_shards.py",
    "faults/test_redis_faults.py",
    "integration/test_backup.py",
    "integration/test_recall_promise.py",
    "integration/test_embedded.py",
)


def pytest_configure(config: pytest.Config) -> None:
    """Let all processes of a run share what they compile: it takes most of the time of many."""
    if not hasattr(config, "workerinput"):  # the one that starts the others
        folder = tempfile.mkdtemp(prefix="visearch-compiled-")
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
        os.environ["JAX_COMPILATION_CACHE_DIR"] = folder
        os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the longest modules start first; everything else keeps its place."""
    rank = {HERE / name: place for place, name in enumerate(LONGEST)}
    if lost := [str(path) for path in rank if not path.is_file()]:
        raise pytest.UsageError(f"LONGEST in tests/conftest.py names what is not there: {lost}")
    items.sort(key=lambda item: rank.get(item.path, len(rank)))


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
