"""The queues as Redis holds them: how long, how old, how much is in hand."""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any, cast

from visearch.contract import QUEUES, SENT_HEADER
from visearch.store.redis.client import Client, answering

_UNACKED = "unacked"
"""Kombu's hash of the messages that workers hold: [message, exchange, routing key] in JSON."""


@dataclass(frozen=True, kw_only=True)
class Queue:
    """One queue: messages that wait, that workers hold, and the age of the oldest waiting."""

    depth: int
    reserved: int
    oldest_age_s: float | None


def look(client: Client) -> dict[str, Queue]:
    """Return every queue by name; raises DependencyUnavailable."""
    with answering(), client.pipeline(transaction=False) as pipe:
        for name in QUEUES:
            pipe.llen(name)
            pipe.lindex(name, -1)  # workers take from the right
        pipe.hvals(_UNACKED)
        *ends, held = pipe.execute()
    reserved = Counter(json.loads(value)[2] for value in cast("list[bytes]", held))
    return {
        name: Queue(depth=depth, reserved=reserved[name], oldest_age_s=_age(oldest))
        for name, depth, oldest in zip(QUEUES, ends[::2], ends[1::2], strict=True)
    }


def _age(message: bytes | None) -> float | None:
    if message is None:
        return None
    headers: dict[str, Any] = json.loads(message).get("headers") or {}
    sent = headers.get(SENT_HEADER)
    return None if sent is None else round(max(0.0, time.time() - float(sent)), 3)
