"""What search and shard workers share: indexes that follow the database."""

from __future__ import annotations

from functools import partial

from visearch.searching.indexes import Indexes, keep_fresh
from visearch.store.redis.presence import await_change
from workers.app import context


def follow(indexes: Indexes) -> None:
    """Keep the indexes fresh in the background: announced changes at once, else twice a second."""
    events = context.redis.pubsub(ignore_subscribe_messages=True)
    keep_fresh(indexes, partial(await_change, events))
