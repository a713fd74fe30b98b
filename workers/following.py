"""What search and shard workers share: indexes that follow the database."""

from __future__ import annotations

import threading

from visearch.contract import CHANGED_CHANNEL
from visearch.searching.indexes import Indexes, keep_fresh
from visearch.store.redis import answering
from workers.app import context


def follow(indexes: Indexes) -> None:
    """Keep the indexes fresh in the background: announced changes at once, else twice a second."""
    threading.Thread(target=_follow, args=(indexes,), daemon=True, name="indexes").start()


def _follow(indexes: Indexes) -> None:
    events = context.redis.pubsub(ignore_subscribe_messages=True)

    def wait(seconds: float) -> None:
        with answering():
            if not events.subscribed:
                events.subscribe(CHANGED_CHANNEL)
            events.get_message(timeout=seconds)

    keep_fresh(indexes, wait, threading.Event())
