"""Search jobs on a real Redis: one end for each, computed once, by Redis's clock."""

from __future__ import annotations

import random
import time

import pytest
from some_jobs import Jobs

from visearch.errors import DependencyUnavailable, Gone, NotFound, Overloaded
from visearch.store.redis.client import Client


def held(redis: Client, room: str) -> int:
    """Return the bytes that a room holds, after checking its books."""
    members = [member.decode() for member in redis.zrange(f"visearch:{room}", 0, -1)]
    sizes = {name: int(size) for size, _, name in (member.partition(":") for member in members)}
    kept = int(redis.get(f"visearch:{room}:bytes") or 0)
    assert kept == sum(sizes.values())
    for name, size in sizes.items():
        assert redis.strlen(f"visearch:{room}:{name}") in (size, 0)
    return kept


def test_a_search_is_begun_once_however_often_it_is_delivered(redis: Client) -> None:
    jobs = Jobs(redis)
    assert jobs.ask("a") == "queued" and jobs.sent == ["a"]
    taken = jobs.take("a")
    assert taken is not None
    assert (taken.picture, taken.digest) == (b"picture", "digest of one")
    assert (taken.query.limit, taken.request_id) == (7, "request of a")
    assert jobs.take("a") is None and jobs.status("a") == "running"
    assert jobs.finish("a", "succeeded", '{"n": 1}')
    assert jobs.take("a") is None and jobs.read("a").body == b'{"n": 1}'
    assert not jobs.finish("a", "failed")
    assert held(redis, "pictures") == 0


def test_no_machine_needs_the_right_time(redis: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs, right = Jobs(redis, search_deadline_s=5.0), time.time
    for web, worker in ((-20, 20), (20, -20)):
        monkeypatch.setattr(time, "time", lambda ahead=web: right() + ahead)
        name = f"a{web}"
        jobs.ask(name, answer=name)
        monkeypatch.setattr(time, "time", lambda ahead=worker: right() + ahead)
        taken = jobs.take(name)
        assert taken is not None
        assert 4 < taken.left_s <= 5 and 0 <= taken.waited_s < 1
        assert jobs.finish(name, "succeeded")
        record = jobs.read(name)
        assert record.finished_at is not None
        assert abs(record.created_at - right()) < 2 and abs(record.finished_at - right()) < 2


def test_the_same_question_at_a_time_is_computed_once(redis: Client) -> None:
    jobs = Jobs(redis)
    for name in ("a", "b"):
        jobs.ask(name)
    assert jobs.take("a") is not None
    jobs.ask("c")
    assert jobs.take("b") is None, "it follows"
    assert jobs.finish("a", "succeeded", '{"n": 1}', answer="one")
    assert [jobs.read(name).body for name in "abc"] == [b'{"n": 1}'] * 3
    assert [jobs.read(name).cached for name in "abc"] == [False] * 3
    assert jobs.sent == ["a"]
    assert held(redis, "pictures") == 0 and held(redis, "answers") == 8
    assert not redis.keys("visearch:job:*")


def test_a_bad_picture_fails_all_that_sent_it(redis: Client) -> None:
    jobs = Jobs(redis)
    for name in "ab":
        jobs.ask(name)
    assert jobs.take("a") is not None
    jobs.finish("a", "failed", '{"code": "image_corrupt"}', shared=True)
    assert [jobs.read(name).body for name in "ab"] == [b'{"code": "image_corrupt"}'] * 2
    assert jobs.sent == ["a"] and held(redis, "pictures") == 0


@pytest.mark.parametrize("how", ["failed", "cancelled", "cancelled early", "expired"])
def test_if_the_first_has_no_answer_the_next_is_computed(redis: Client, how: str) -> None:
    jobs = Jobs(redis, search_deadline_s=0.3 if how == "expired" else 15.0)
    jobs.ask("a")
    if how != "cancelled early":
        assert jobs.take("a") is not None
    time.sleep(0.2)
    for name in ("gone", "b", "c"):
        jobs.ask(name)
    jobs.finish("gone", "cancelled")
    assert jobs.sent == ["a"]
    if how == "expired":
        time.sleep(0.15)
        assert jobs.status("c") == "queued", "its look finds the first one dead"
    else:
        jobs.finish("a", how.split()[0], "{}")
    assert jobs.status("a") == how.split()[0] and jobs.sent == ["a", "b"]
    taken = jobs.take("b")
    assert taken is not None
    assert (taken.picture, taken.request_id) == (b"picture", "request of b")
    assert jobs.finish("b", "succeeded", "{}")
    assert [jobs.status(name) for name in ("b", "c", "gone")] == [
        "succeeded",
        "succeeded",
        "cancelled",
    ]
    assert held(redis, "pictures") == 0


def test_a_new_search_does_not_follow_a_dead_one(redis: Client) -> None:
    jobs = Jobs(redis, search_deadline_s=0.2)
    jobs.ask("a")
    time.sleep(0.25)
    jobs.ask("b")
    assert jobs.sent == ["a", "b"] and jobs.status("a") == "expired"
    assert jobs.take("b") is not None


def test_an_expired_search_ended_at_its_deadline_whoever_looks_first(redis: Client) -> None:
    jobs = Jobs(redis, search_deadline_s=0.2)
    jobs.ask("a")
    time.sleep(0.4)
    first = jobs.read("a")
    assert (first.status, first.finished_at) == ("expired", first.deadline)
    assert jobs.read("a") == first


def test_an_answer_that_comes_too_late_is_still_that_of_the_others(redis: Client) -> None:
    jobs = Jobs(redis, search_deadline_s=0.3)
    jobs.ask("a")
    assert jobs.take("a") is not None
    time.sleep(0.2)
    jobs.ask("b")
    time.sleep(0.15)
    assert not jobs.finish("a", "succeeded", "{}", answer="one")
    assert (jobs.status("a"), jobs.status("b")) == ("expired", "succeeded")
    assert jobs.ask("c") == "succeeded"


def test_what_cannot_be_queued_leaves_nothing(redis: Client) -> None:
    jobs = Jobs(redis)

    def away(*_: object) -> None:
        raise DependencyUnavailable("for the test")

    remember, jobs._send = jobs._send, away
    with pytest.raises(DependencyUnavailable):
        jobs.ask("a")
    jobs._send = remember
    with pytest.raises(NotFound):
        jobs.read("a")
    assert held(redis, "pictures") == 0
    jobs.ask("b")
    assert jobs.sent == ["b"]


def test_waiting_pictures_are_bounded(redis: Client) -> None:
    jobs = Jobs(redis, search_queue_bytes=250, search_deadline_s=0.6)
    jobs.ask("a", "a", bytes(100))
    jobs.ask("b", "b", bytes(100))
    jobs.ask("again", "b", bytes(100))
    assert held(redis, "pictures") == 200, "the same picture once"
    with pytest.raises(Overloaded, match="pictures"):
        jobs.ask("c", "c", bytes(100))
    with pytest.raises(NotFound):
        jobs.read("c")
    jobs.take("a")
    assert held(redis, "pictures") == 100
    jobs.ask("c", "c", bytes(100))
    jobs.finish("c", "cancelled")
    jobs.finish("b", "cancelled")
    assert held(redis, "pictures") == 100, "one still waits"
    jobs.ask("d", "d", bytes(100))
    time.sleep(0.65)
    assert jobs.status("d") == "expired" and held(redis, "pictures") == 100
    jobs.ask("e", "e", bytes(200))
    assert held(redis, "pictures") == 200, "what nobody asked for any more is gone"


def test_an_answer_that_nobody_else_asks_for_leaves_its_room(redis: Client) -> None:
    jobs = Jobs(redis)
    jobs.ask("a")
    jobs.take("a")
    jobs.finish("a", "succeeded", '{"n": 1}', answer="one")
    assert held(redis, "answers") == 8
    for _ in range(2):
        jobs.forget("a")
        assert held(redis, "answers") == 0
    with pytest.raises(Gone, match="no longer kept"):
        jobs.read("a")
    assert jobs.ask("b") == "queued", "no longer cached"


def test_an_answer_is_kept_once_and_all_of_them_are_bounded(redis: Client) -> None:
    jobs = Jobs(redis, answers_bytes=2500)

    def answered(name: str) -> None:
        jobs.ask(name, name)
        jobs.take(name)
        jobs.finish(name, "succeeded", f'"{name:998}"', answer=name)

    answered("a")
    for repeat in range(100):
        assert jobs.ask(f"a{repeat}", "a") == "succeeded"
    assert held(redis, "answers") == 1000
    answered("b")
    time.sleep(0.01)  # the order is one of milliseconds
    jobs.ask("a again", "a")
    time.sleep(0.01)
    answered("c")
    assert held(redis, "answers") == 2000
    with pytest.raises(Gone, match="no longer kept"):
        jobs.read("b")
    assert jobs.read("a7").cached and jobs.status("c") == "succeeded"
    assert jobs.ask("b again", "b") == "queued", "no longer cached"


def test_the_books_are_right_whatever_happens(redis: Client) -> None:
    """Fifteen hundred random steps; at the end each search has had one end, and none is left."""
    dice = random.Random(7)
    jobs = Jobs(redis, search_queue_bytes=900, answers_bytes=900, search_deadline_s=0.2)
    names: list[str] = []
    ends: dict[str, str] = {}
    for step in range(1500):
        name = dice.choice(names[-8:]) if names else ""
        match dice.choice(("ask", "ask", "take", "answer", "fail", "cancel", "read")):
            case "ask":
                about = dice.choice("abcd")
                names.append(f"s{step}")
                try:
                    jobs.ask(names[-1], about, about.encode() * (100 * ord(about) - 9600))
                except Overloaded:
                    names.pop()
            case "take":
                jobs.take(name)
            case "answer":
                jobs.finish(name, "succeeded", "x" * dice.randint(1, 500), answer=name[-1])
            case "fail":
                jobs.finish(name, "failed", "{}", shared=dice.random() < 0.5)
            case "cancel":
                jobs.finish(name, "cancelled")
        for each in names[-20:]:
            try:
                record = jobs.read(each)
            except Gone:
                continue
            if record.terminal:
                assert ends.setdefault(each, record.status) == record.status
        assert held(redis, "pictures") <= 1000 and held(redis, "answers") <= 900
    time.sleep(0.25)
    for each in names:
        try:
            assert jobs.read(each).terminal
        except Gone:
            continue
    jobs.ask("last", "z")
    assert held(redis, "pictures") == len(b"picture")


def test_a_full_redis_refuses_what_is_new_and_lets_end_what_was_begun(redis: Client) -> None:
    jobs = Jobs(redis)
    for name in "ab":
        jobs.ask(name, name)
    jobs.ask("follows", "a")
    assert jobs.take("a") is not None
    redis.config_set("maxmemory", "100kb")
    try:
        with pytest.raises(Overloaded, match="full"):
            jobs.ask("c", "c")
        assert jobs.take("b") is not None
        assert jobs.finish("a", "succeeded", "{}", answer="a")
        assert jobs.finish("b", "failed", "{}")
        assert jobs.status("follows") == "succeeded"
    finally:
        redis.config_set("maxmemory", "0")
    with pytest.raises(NotFound):
        jobs.read("c")
    assert held(redis, "pictures") == 0
    jobs.ask("c", "c")


def test_a_search_is_held_until_its_picture_has_come(redis: Client) -> None:
    jobs = Jobs(redis)
    record = jobs.hold("a", "default")
    assert (record.status, jobs.status("a"), jobs.sent) == ("queued", "queued", [])
    assert jobs.take("a") is None, "there is nothing to compute yet"
    with jobs.watch("a") as wait:
        jobs.go_on(jobs.new("a"))
        assert jobs.sent == ["a"] and jobs.take("a") is not None
        jobs.finish("a", "succeeded", '{"n": 1}', answer="one")
        assert wait(5).body == b'{"n": 1}'
    assert jobs.read("a").created_at == record.created_at
    with jobs.watch("b") as wait:
        jobs.hold("b", "default")
        jobs.go_on(jobs.new("b"))
        assert (wait(5).body, wait(0).cached) == (b'{"n": 1}', True)
    assert jobs.sent == ["a"] and held(redis, "pictures") == 0


def test_a_search_that_is_over_is_not_gone_on_with(redis: Client) -> None:
    jobs = Jobs(redis, search_deadline_s=0.2)
    jobs.hold("cancelled", "default")
    jobs.finish("cancelled", "cancelled")
    jobs.hold("late", "default")
    time.sleep(0.3)
    jobs.hold("failed", "default")
    jobs.finish("failed", "failed", '{"code": "url_not_found"}')
    for name, status in (("cancelled",) * 2, ("late", "expired"), ("failed",) * 2):
        jobs.go_on(jobs.new(name))
        assert jobs.status(name) == status
    jobs.go_on(jobs.new("unknown"))
    assert jobs.sent == [] and held(redis, "pictures") == 0
    with pytest.raises(NotFound):
        jobs.read("unknown")


def test_a_held_search_keeps_its_deadline_and_finds_the_queue_full(redis: Client) -> None:
    jobs = Jobs(redis, search_queue_bytes=10, search_deadline_s=10)
    record = jobs.hold("a", "default")
    jobs.ask("b", answer="other")
    time.sleep(0.2)
    with pytest.raises(Overloaded):
        jobs.go_on(jobs.new("a"))
    assert jobs.status("a") == "queued"
    jobs.finish("b", "cancelled")
    jobs.go_on(jobs.new("a"))
    taken = jobs.take("a")
    assert taken is not None and taken.left_s <= 9.8 and taken.waited_s >= 0.2
    assert jobs.read("a").deadline == record.deadline
