"""Hints: what many requests may notice, and one message is enough for."""

from __future__ import annotations

from visearch.store.redis.client import Client, answering


def is_news(client: Client, name: str, seconds: int) -> bool:
    """Note that something was noticed; True unless it was in the last so many ``seconds``.

    Raises:
        Overloaded: Redis is full.
        DependencyUnavailable: it does not answer.
    """
    with answering():
        return bool(client.set(f"visearch:hint:{name}", b"", ex=seconds, nx=True))
