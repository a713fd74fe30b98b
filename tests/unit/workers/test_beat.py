"""The maintainer's clock where the time of day is changed."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from celery import Celery, beat

from workers.beat import Scheduler


class Shifted(Celery):
    """Its time of day may be changed."""

    shift = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.shift


class Noting(Scheduler):
    """Notes what it would send."""

    def __init__(self, app: Celery) -> None:
        self.sent: list[str] = []
        super().__init__(app)

    def apply_async(self, entry: beat.ScheduleEntry, *_: Any, **__: Any) -> None:
        self.sent.append(str(entry.task))


@pytest.mark.parametrize("hours", [-1, 1])
def test_ticks_go_on_where_the_time_of_day_is_changed(
    monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    monkeypatch.setattr("workers.beat.presence.beat", lambda *_: None)
    app = Shifted("test", broker="memory://")
    app.conf.beat_schedule = {"a": {"task": "a", "schedule": 0.5}}
    scheduler = Noting(app)
    for _ in range(2):
        scheduler.sent.clear()
        end = time.monotonic() + 2.0
        while time.monotonic() < end:
            time.sleep(max(0.0, min(0.1, scheduler.tick())))
        assert 2 <= len(scheduler.sent) <= 5
        app.shift += timedelta(hours=hours)
