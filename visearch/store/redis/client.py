"""The Redis connection, and the translation of its errors into ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import redis
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError, RedisError, TimeoutError
from redis.retry import Retry

from visearch.errors import DependencyUnavailable

Client = redis.Redis


def connect(url: str) -> Client:
    """Make a client; it connects on first use and retries a lost connection for ~1 s."""
    return redis.Redis.from_url(
        url,
        socket_timeout=10,
        socket_connect_timeout=5,
        health_check_interval=15,
        retry=Retry(ExponentialBackoff(cap=0.5, base=0.05), retries=5),
        retry_on_error=[ConnectionError, TimeoutError],
    )


@contextmanager
def answering() -> Iterator[None]:
    """Raise DependencyUnavailable for any error of Redis in the block."""
    try:
        yield
    except RedisError as error:
        raise DependencyUnavailable(f"Redis does not answer: {error}", "Redis") from error
