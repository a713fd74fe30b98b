"""What roles share: state made once before the first task, work that one thread does at a time."""

from __future__ import annotations

import threading

import pytest
from celery import signals

from workers.app import at_start, one_at_a_time


def test_state_is_made_once_when_the_worker_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("visearch.logs.configure", lambda *_: None)
    made: list[int] = []

    @at_start
    def state() -> list[int]:
        made.append(1)
        return made

    with pytest.raises(AssertionError, match="state is made when a worker"):
        state()
    signals.worker_init.send(sender=None)
    assert state() is made and state() == [1]


def test_state_that_cannot_be_made_ends_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("visearch.logs.configure", lambda *_: None)
    before = list(signals.worker_init.receivers or ())

    @at_start
    def state() -> None:
        raise RuntimeError("no weights")

    try:
        with pytest.raises(SystemExit):
            signals.worker_init.send(sender=None)
    finally:
        signals.worker_init.receivers = before
    with pytest.raises(AssertionError):
        state()


def test_work_is_left_out_while_another_thread_does_it() -> None:
    begun, go_on, turns = threading.Event(), threading.Event(), []

    @one_at_a_time
    def work(name: str) -> None:
        turns.append(name)
        begun.set()
        assert go_on.wait(10)

    first = threading.Thread(target=work, args=("first",))
    first.start()
    assert begun.wait(10)
    work("second")
    go_on.set()
    first.join()
    work("third")
    assert turns == ["first", "third"]


def test_work_that_fails_may_be_done_again() -> None:
    turns = []

    @one_at_a_time
    def work() -> None:
        turns.append(1)
        raise RuntimeError("odd")

    for _ in range(2):
        with pytest.raises(RuntimeError):
            work()
    assert len(turns) == 2
