"""A Redis that accepts connections and says nothing: short waits, then none for a moment."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import visearch
from visearch.contract import REDIS_TIMEOUT_S
from visearch.errors import DependencyUnavailable
from visearch.store.redis.client import Client, answering, await_item, connect


@pytest.fixture
def silent() -> Iterator[Client]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = connect(f"redis://127.0.0.1:{server.getsockname()[1]}")
        yield client
        client.close()


def seconds_of(client: Client) -> float:
    start = time.monotonic()
    with pytest.raises(DependencyUnavailable), answering():
        client.get("key")
    return time.monotonic() - start


def test_a_silent_redis_is_asked_once_in_a_while(silent: Client) -> None:
    assert REDIS_TIMEOUT_S - 0.1 < seconds_of(silent) < REDIS_TIMEOUT_S + 1
    assert max(seconds_of(silent) for _ in range(20)) < 0.2
    time.sleep(1.1)
    assert seconds_of(silent) > REDIS_TIMEOUT_S - 0.1


def test_a_redis_that_is_away_is_asked_again_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    client = connect(f"redis://127.0.0.1:{port}")
    assert seconds_of(client) < 2
    assert client._silent_until == 0.0


def test_a_redis_that_answers_again_is_used_again(redis: Client) -> None:
    redis._silent_until = time.monotonic() + 0.2
    assert seconds_of(redis) < 0.1
    time.sleep(0.25)
    assert redis.set("key", "1") and redis.get("key") == b"1"


@pytest.mark.parametrize("within_s", [-1.0, 0.0, 0.0001, 0.0009, 0.001, 0.005, 0.02, 1.0005])
def test_an_item_that_does_not_come_is_not_waited_for_longer(
    redis: Client, within_s: float
) -> None:
    """An older Redis waits for ever where it is asked to wait for a millisecond."""
    start = time.monotonic()
    assert await_item(redis, "list", within_s) is None
    assert time.monotonic() - start < max(within_s, 0) + 0.5


@pytest.mark.parametrize("within_s", [-1.0, 0.001, 1.0])
def test_an_item_that_is_there_is_taken_however_late(redis: Client, within_s: float) -> None:
    redis.rpush("list", "first", "second")
    assert await_item(redis, "list", within_s) == b"first"
    assert redis.lrange("list", 0, -1) == [b"second"]


def test_only_one_place_asks_redis_to_wait() -> None:
    package = Path(visearch.__file__).parent
    assert [path.name for path in package.rglob("*.py") if "blpop(" in path.read_text()] == [
        "client.py"
    ]
