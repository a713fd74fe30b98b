"""Ticks and the age of messages, on a real Redis."""

from __future__ import annotations

import json
import time

from visearch.contract import MAINTAIN, SENT_HEADER
from visearch.store.redis import queues
from visearch.store.redis.client import Client


def test_of_many_ticks_at_once_one_counts(redis: Client) -> None:
    assert [queues.is_first(redis, "a", 0.2) for _ in range(5)] == [True, *[False] * 4]
    assert queues.is_first(redis, "b", 0.2)
    time.sleep(0.25)
    assert queues.is_first(redis, "a", 0.2)


def test_ticks_go_on_where_the_clock_of_redis_is_set_back(redis: Client) -> None:
    """What was to expire within seconds then seems to live for long."""
    assert queues.is_first(redis, "a", 3600)
    assert queues.is_first(redis, "a", 60)
    assert not queues.is_first(redis, "a", 60)


def test_ticks_count_where_redis_is_full(redis: Client) -> None:
    redis.config_set("maxmemory", "100kb")
    try:
        assert queues.is_first(redis, "a", 9) and queues.is_first(redis, "a", 9)
    finally:
        redis.config_set("maxmemory", "0")


def test_a_message_from_a_fast_clock_has_no_age(redis: Client) -> None:
    for ahead in (60, -60):
        headers = {SENT_HEADER: time.time() + ahead}
        redis.rpush(MAINTAIN, json.dumps({"headers": headers}))
        age = queues.look(redis)[MAINTAIN].oldest_age_s
        assert age is not None and (age == 0 if ahead > 0 else 59 < age < 70)
