"""Heartbeats and announced changes, on a real Redis."""

from __future__ import annotations

import time

import pytest

from visearch.store.redis.client import Client, server_time
from visearch.store.redis.presence import alive, announce_change, await_change, beat, skews


def test_a_look_answers_every_announcement_before_it(redis: Client) -> None:
    events = redis.pubsub(ignore_subscribe_messages=True)
    await_change(events, 5.0)  # subscribes
    for _ in range(100):
        announce_change(redis, 1)
    await_change(events, 5.0)
    late = 0  # sent after the look began: another one answers them
    while events.get_message(timeout=0.2) is not None:
        late += 1
    assert late < 10
    events.close()


def test_a_worker_is_seen_by_the_clock_of_redis(
    redis: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = time.time
    for name, ahead in (("right", 0), ("fast", 60), ("slow", -7)):
        monkeypatch.setattr(time, "time", lambda ahead=ahead: right() + ahead)
        beat(redis, name, "search", queues=["search"])
    workers = alive(redis)
    assert workers["fast"]["queues"] == ["search"]
    at = server_time(redis)
    assert all(abs(at - worker["last_seen"]) < 2 for worker in workers.values())
    assert skews(workers) == [
        "fast: its clock is 60.0 s ahead of Redis's",
        "slow: its clock is 7.0 s behind Redis's",
    ]


def test_a_worker_that_spoke_before_the_clock_of_redis_was_set_back_is_not_there(
    redis: Client,
) -> None:
    beat(redis, "dead", "search")
    key = next(iter(redis.scan_iter("*:dead")))
    said = redis.get(key)
    assert isinstance(said, bytes)
    at, _, body = said.partition(b" ")
    redis.set(key, b"%.6f %s" % (float(at) + 3600, body))
    assert alive(redis) == {}
    beat(redis, "dead", "search")
    assert list(alive(redis)) == ["dead"]


def test_a_worker_is_seen_by_a_full_redis(redis: Client) -> None:
    redis.config_set("maxmemory", "100kb")
    try:
        beat(redis, "one", "search")
    finally:
        redis.config_set("maxmemory", "0")
    assert set(alive(redis)) == {"one"}
