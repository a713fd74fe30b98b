"""Announced changes, on a real Redis: many of them are one reason to look."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from system import eventually

from visearch.cli import redis_server
from visearch.settings import Settings
from visearch.store.redis.client import Client, connect
from visearch.store.redis.presence import announce_change, await_change


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Client]:
    settings = Settings(home=tmp_path)
    with subprocess.Popen(redis_server.command(settings), stdout=subprocess.DEVNULL) as server:
        client = connect(settings.redis)
        eventually(settings.redis_socket.exists, what="the socket")
        client.ping()
        yield client
        client.close()
        server.terminate()


def test_a_look_answers_every_announcement_before_it(redis: Client) -> None:
    events = redis.pubsub(ignore_subscribe_messages=True)
    await_change(events, 5.0)  # subscribes
    for _ in range(100):
        announce_change(redis, 1)
    await_change(events, 5.0)
    assert events.get_message(timeout=0.1) is None
    events.close()
