"""Waiters are woken by name, and again after Redis was away."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as NoRedis
from system import eventually

from visearch.cli.redis_server import command
from visearch.settings import Settings
from visearch.store.redis.bell import Bell
from visearch.store.redis.client import Client, connect

Server = subprocess.Popen[bytes]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path)


def start(settings: Settings) -> Server:
    process = subprocess.Popen(command(settings), stdout=subprocess.DEVNULL)
    eventually(lambda: is_up(settings), what="Redis")
    return process


def is_up(settings: Settings) -> bool:
    try:
        with Redis(unix_socket_path=str(settings.redis_socket)) as client:
            return bool(client.ping())
    except NoRedis:
        return False


@pytest.fixture
def server(settings: Settings) -> Iterator[Server]:
    process = start(settings)
    yield process
    process.kill()
    process.wait()


@pytest.fixture
def client(settings: Settings, server: Server) -> Client:
    return connect(settings.redis)


@pytest.fixture
def bell(client: Client) -> Iterator[Bell]:
    made = Bell(client, "channel")
    yield made
    made.close()


def rings(client: Client, name: str, rung: threading.Event) -> bool:
    client.publish("channel", name)
    return rung.wait(0.2)


def test_each_waiter_of_a_name_is_woken_and_no_other(client: Client, bell: Bell) -> None:
    with bell.listen("a") as one, bell.listen("a") as another, bell.listen("b") as other:
        client.publish("channel", "a")
        assert one.wait(10) and another.wait(10)
        assert not other.is_set()
    with bell.listen("a") as later:
        assert not later.is_set(), "the ringing before is over"
        client.publish("channel", "a")
        assert later.wait(10)


def test_waiters_are_woken_after_redis_was_away(
    settings: Settings, server: Server, client: Client, bell: Bell
) -> None:
    with bell.listen("a") as rung:
        server.kill()
        server.wait()
        again = start(settings)
        try:
            eventually(lambda: rings(client, "a", rung), what="the bell")
        finally:
            again.kill()
            again.wait()
