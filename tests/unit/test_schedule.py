"""Schedules: cron and seconds, what is refused, and when they come next."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from visearch.schedule import LEAST_EVERY_S, MOST_EVERY_S, Schedule, next_time, schedule_problem

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("schedule", "time"),
    [
        ("30 4 * * *", datetime(2026, 3, 2, 4, 30, tzinfo=UTC)),
        ("*/15 * * * *", datetime(2026, 3, 1, 12, 15, tzinfo=UTC)),
        ("0 12 * * MON-FRI", datetime(2026, 3, 2, 12, tzinfo=UTC)),
        ("0 0 29 2 *", datetime(2028, 2, 29, tzinfo=UTC)),
        ({"every": 3600}, datetime(2026, 3, 1, 13, tzinfo=UTC)),
        ("every: 3600", datetime(2026, 3, 1, 13, tzinfo=UTC)),
    ],
)
def test_a_schedule_comes_next(schedule: Schedule, time: datetime) -> None:
    assert schedule_problem(schedule) is None
    assert next_time(schedule, NOON) == time.timestamp()


@pytest.mark.parametrize(
    "schedule",
    ["", "daily", "@daily", "* * * *", "0 0 0 * * *", "61 * * * *", "0 0 31 2 *", "every: x",
     "every: 5", {"every": 5}, {"every": MOST_EVERY_S + 1}, {}, {"at": 60},
     {"every": 60, "at": 60}, "1," * 60 + " * * * *"],
)  # fmt: skip
def test_what_is_no_schedule_says_what_to_write(schedule: Schedule) -> None:
    problem = schedule_problem(schedule)
    assert problem is not None and problem.endswith(".")
    assert "every" in problem


@given(st.text(max_size=120) | st.from_regex(r"[0-9*/,\-]{1,9}( [0-9*/,\-LW#]{1,9}){4}"))
def test_any_text_is_a_schedule_or_refused(text: str) -> None:
    if schedule_problem(text) is None:
        time = next_time(text, NOON)
        assert time is None or time > NOON


@given(st.integers(LEAST_EVERY_S, MOST_EVERY_S), st.floats(0, 4e9))
def test_seconds_are_counted_from_now(every_s: int, now: float) -> None:
    assert next_time({"every": every_s}, now) == now + every_s
