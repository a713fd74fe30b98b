"""The Redis connection, and the translation of its errors into ours."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import redis
from redis.backoff import ExponentialBackoff
from redis.exceptions import (
    BusyLoadingError,
    ConnectionError,
    RedisError,
    ResponseError,
    TimeoutError,
)
from redis.retry import Retry

from visearch.contract import REDIS_TIMEOUT_S
from visearch.errors import DependencyUnavailable, Overloaded

REST_S = 1.0
"""So long nobody asks a Redis that has just not answered in time."""

ASK_S = 1.0
"""So long Redis is asked to wait at a time: its client gives up soon after."""

SHORTEST_S = 0.01
"""Redis is not asked to wait for less: before 7.0.8 it takes a millisecond for ever."""

FULL = "Redis is full. Try again in a second."


class Client(redis.Redis):
    """A client that remembers for a moment that Redis was silent.

    Whoever asks in that time fails at once instead of waiting as long as those before. After it
    one caller asks, and the others fail until that one has an answer.
    """

    _silent_until = 0.0

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """Run a command; raises TimeoutError."""
        now = time.monotonic()
        if now < self._silent_until:
            raise TimeoutError("it was silent a moment ago")
        if self._silent_until:
            self._silent_until = now + REDIS_TIMEOUT_S
        silent_until = 0.0
        try:
            return super().execute_command(*args, **options)
        except TimeoutError:
            silent_until = time.monotonic() + REST_S
            raise
        finally:
            self._silent_until = silent_until


def connect(url: str) -> Client:
    """Make a client; it connects on first use and retries a lost connection for half a second.

    A Redis that accepts connections and says nothing is not asked again: no call takes much
    longer than ``REDIS_TIMEOUT_S``.
    """
    pool = redis.ConnectionPool.from_url(
        url,
        socket_timeout=REDIS_TIMEOUT_S,
        socket_connect_timeout=REDIS_TIMEOUT_S,
        health_check_interval=15,
        retry=Retry(ExponentialBackoff(cap=0.2, base=0.05), 3, (ConnectionError,)),
    )
    client = Client(connection_pool=pool)
    client.auto_close_connection_pool = True
    return client


def await_item(client: Client, key: str, within_s: float) -> bytes | None:
    """Take the first item of a list, waiting for it if need be; None if there is none in time.

    Raises:
        Overloaded: Redis is full.
        DependencyUnavailable: it does not answer.
    """
    end = time.monotonic() + within_s
    with answering():
        while (left := end - time.monotonic()) >= SHORTEST_S:
            if got := client.blpop([key], timeout=min(left, ASK_S)):
                return cast("tuple[bytes, bytes]", got)[1]
        return cast("bytes | None", client.lpop(key))


def server_time(client: Client) -> float:
    """Return the time by Redis's clock, in seconds since the epoch."""
    with answering():
        return seconds(client.time())


def seconds(told: tuple[int, int]) -> float:
    """Return what Redis's TIME told, in seconds since the epoch."""
    return told[0] + told[1] / 1e6


def is_full(error: Exception) -> bool:
    """Whether an error says that Redis has no memory left for what was asked."""
    return "command not allowed when used memory" in str(error)


def lives(client: Client) -> bool:
    """Tell whether the server answers at all, be it that its disk is full or it still loads."""
    try:
        client.ping()
    except (BusyLoadingError, ResponseError):
        return True
    except RedisError:
        return False
    return True


@contextmanager
def answering() -> Iterator[None]:
    """Raise an error of ours for any error of Redis in the block.

    Raises:
        Overloaded: Redis is full.
        DependencyUnavailable: it does not answer.
    """
    try:
        yield
    except RedisError as error:
        if is_full(error):
            raise Overloaded(FULL) from error
        raise DependencyUnavailable(f"Redis does not answer: {error}", "Redis") from error
