"""A worker's connection to a Redis that dies can be closed; what comes late fails as expected."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from kombu import Connection, Consumer, Message, Queue
from kombu.common import ignore_errors
from kombu.transport import redis
from redis import Redis
from redis.exceptions import ConnectionError as NoRedis
from system import eventually

from visearch.cli.redis_server import command
from visearch.settings import Settings
from visearch.store.redis import broker

Server = subprocess.Popen[bytes]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path)


@pytest.fixture
def server(settings: Settings) -> Iterator[Server]:
    process = subprocess.Popen(command(settings), stdout=subprocess.DEVNULL)
    eventually(lambda: is_up(settings), what="Redis")
    yield process
    process.kill()
    process.wait()


def is_up(settings: Settings) -> bool:
    try:
        with Redis(unix_socket_path=str(settings.redis_socket)) as client:
            return bool(client.ping())
    except NoRedis:
        return False


def received(connection: Connection, server: Redis | None = None) -> Message:
    """Send a message and take it, without acknowledging it; ``server`` is then full."""
    taken: list[Message] = []
    queue = Queue("q", channel=connection.default_channel)
    queue.declare()
    connection.Producer().publish({}, routing_key="q")
    if server is not None:
        server.config_set("maxmemory", "100kb")
    Consumer(connection, [queue], callbacks=[lambda _, message: taken.append(message)]).consume()
    connection.drain_events(timeout=10)
    return taken[0]


def test_a_connection_whose_redis_died_is_closed(settings: Settings, server: Server) -> None:
    """As Celery closes it: with a message not yet acknowledged, while two channels wait."""
    broker.mend(redis.Transport)
    connection = Connection(settings.broker)
    message = received(connection)
    Consumer(connection.channel(), [Queue("other")]).consume()
    with pytest.raises(TimeoutError):
        connection.drain_events(timeout=0.1)
    server.kill()
    server.wait()
    connection.collect()
    ignore_errors(connection, connection.close)
    with pytest.raises(connection.connection_errors):
        message.ack()


def test_a_message_of_a_full_redis_is_taken(settings: Settings, server: Server) -> None:
    broker.mend(redis.Transport)
    with (
        Connection(settings.broker) as connection,
        Redis(unix_socket_path=str(settings.redis_socket)) as direct,
    ):
        received(connection, direct).ack()
        assert direct.keys() == []
