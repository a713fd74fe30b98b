"""A Redis of the tests' own."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest
from system import eventually

from visearch.cli import redis_server
from visearch.settings import Settings
from visearch.store.redis.client import Client, connect


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """The settings of a Redis that runs for the tests of one module."""
    settings = Settings(home=tmp_path_factory.mktemp("redis"))
    with subprocess.Popen(redis_server.command(settings), stdout=subprocess.DEVNULL) as server:
        client = connect(settings.redis)
        eventually(settings.redis_socket.exists, what="the socket")
        client.ping()
        client.close()
        yield settings
        server.terminate()


@pytest.fixture
def redis(running: Settings) -> Iterator[Client]:
    """A client of that Redis, which is empty."""
    client = connect(running.redis)
    client.flushall()
    yield client
    client.close()
