"""The queues as Redis holds them: how long, how old, how much is in hand."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import Any, cast

from visearch.contract import QUEUES, SENT_HEADER
from visearch.errors import Overloaded
from visearch.store.redis.client import Client, answering, seconds

_UNACKED = "unacked"
"""Kombu's hash of the messages that workers hold: [message, exchange, routing key] in JSON."""


@dataclass(frozen=True, kw_only=True)
class Queue:
    """One queue: messages that wait, that workers hold, and the age of the oldest waiting."""

    depth: int
    reserved: int
    oldest_age_s: float | None


def look(client: Client) -> dict[str, Queue]:
    """Return every queue by name; raises DependencyUnavailable.

    An age is what Redis's clock shows less what the sender's did.
    """
    with answering(), client.pipeline(transaction=False) as pipe:
        for name in QUEUES:
            pipe.llen(name)
            pipe.lindex(name, -1)  # workers take from the right
        pipe.hvals(_UNACKED)
        pipe.time()
        *ends, held, told = pipe.execute()
    reserved = Counter(json.loads(value)[2] for value in cast("list[bytes]", held))
    return {
        name: Queue(depth=depth, reserved=reserved[name], oldest_age_s=_age(oldest, seconds(told)))
        for name, depth, oldest in zip(QUEUES, ends[::2], ends[1::2], strict=True)
    }


def depth(client: Client, queue: str) -> int:
    """Return how many messages wait in a queue; raises DependencyUnavailable."""
    with answering():
        return client.llen(queue)


def is_first(client: Client, tick: str, within_s: float) -> bool:
    """Whether this is the first tick of its name for ``within_s``.

    A full Redis cannot remember it: then it counts as the first. One whose clock was set back
    would remember an earlier tick for too long.
    """
    key, within_ms = f"visearch:tick:{tick}", int(within_s * 1e3)
    try:
        with answering():
            if client.set(key, "", nx=True, px=within_ms):
                return True
            if client.pttl(key) <= within_ms:
                return False
            client.set(key, "", px=within_ms)
            return True
    except Overloaded:
        return True


def _age(message: bytes | None, at: float) -> float | None:
    if message is None:
        return None
    headers: dict[str, Any] = json.loads(message).get("headers") or {}
    sent = headers.get(SENT_HEADER)
    return None if sent is None else round(max(0.0, at - float(sent)), 3)
