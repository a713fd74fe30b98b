"""Previews in Redis: what is to be looked through, for one worker; its answer, for one request.

Keys, both expiring: ``visearch:preview:<id>`` (the order) and ``visearch:preview:<id>:answer`` (a
list of one).
"""

from __future__ import annotations

import time
from typing import cast

from visearch.contract import PREVIEW_UPLOAD, PreviewPayload
from visearch.ids import new_id
from visearch.store.outbox import Send
from visearch.store.redis.client import Client, answering, await_item

KEPT_S = 30
"""An answer that came too late is forgotten after so long."""


def ask(
    client: Client, send: Send, order: str, *, request_id: str, within_s: float
) -> bytes | None:
    """Have a worker look through a file; returns its answer, None if there is none in time.

    Raises:
        Overloaded: Redis is full.
        DependencyUnavailable: it does not answer.
    """
    preview_id, end = new_id(), time.monotonic() + within_s
    key = _key(preview_id)
    with answering():
        client.set(key, order, px=int(within_s * 1e3))
    send(PREVIEW_UPLOAD, PreviewPayload(preview_id=preview_id, request_id=request_id))
    found = await_item(client, _answer(key), end - time.monotonic())
    if found is None:
        with answering():
            client.delete(key)  # nobody need begin any more
    return found


def take(client: Client, preview_id: str) -> bytes | None:
    """Return what is to be looked through, once; None if nobody waits for it any more."""
    with answering():
        return cast("bytes | None", client.getdel(_key(preview_id)))


def answer(client: Client, preview_id: str, body: str) -> None:
    """Answer the request that waits; a second answer is not read."""
    key = _answer(_key(preview_id))
    with answering(), client.pipeline() as pipe:
        pipe.rpush(key, body)
        pipe.expire(key, KEPT_S)
        pipe.execute()


def _key(preview_id: str) -> str:
    return f"visearch:preview:{preview_id}"


def _answer(key: str) -> str:
    return f"{key}:answer"
