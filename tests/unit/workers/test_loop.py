"""When a worker's loop counts as stuck."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from workers import loop


def test_a_loop_is_stuck_that_should_turn_and_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    turning, now = loop.Turning(), 0.0
    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=lambda: now))
    now = 1000.0
    assert not turning.is_stuck(), "it has not begun"
    turning.mark()
    now += loop.STUCK_S
    assert not turning.is_stuck()
    now += 1
    assert turning.is_stuck()
    turning.mark()
    assert not turning.is_stuck()
    now += loop.STUCK_S + 1
    turning.end()
    assert not turning.is_stuck(), "it looks for its broker, or finishes what it holds"
