"""When something is done again by itself: a cron expression, or every so many seconds; in UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from cronsim import CronSim, CronSimError

Schedule = str | dict[str, int]
"""``"30 4 * * *"``, or ``{"every": 3600}`` in seconds, which may be written ``"every: 3600"``."""

LEAST_EVERY_S = 60
MOST_EVERY_S = 31 * 86_400
LONGEST_CRON = 100
_FIELDS = 5
_EVERY = "every"
_WRITTEN = re.compile(r"every\s*:\s*([0-9]{1,9})", re.IGNORECASE)


def schedule_problem(schedule: Schedule) -> str | None:
    """Return why this is no schedule, as a sentence; None if it is one."""
    every_s = _every(schedule)
    if every_s is not None:
        if LEAST_EVERY_S <= every_s <= MOST_EVERY_S:
            return None
        return f"A schedule is every {LEAST_EVERY_S} to {MOST_EVERY_S:,} seconds, not {every_s:,}."
    advice = "Write minute, hour, day, month and weekday, as '30 4 * * *', or {\"every\": seconds}."
    if not isinstance(schedule, str):
        return f"The schedule has fields other than 'every'. {advice}"
    if len(schedule) > LONGEST_CRON or len(schedule.split()) != _FIELDS:
        return f"The schedule does not have the {_FIELDS} fields of cron. {advice}"
    try:
        never = next(CronSim(schedule, datetime.now(UTC)), None) is None
    except CronSimError as error:
        return f"The schedule cannot be read: {str(error).lower()}. {advice}"
    return f"The schedule never comes. {advice}" if never else None


def next_time(schedule: Schedule, after: float) -> float | None:
    """Return the first time of a sound schedule later than ``after``; both since the epoch.

    None if a cron expression names no day for decades.
    """
    if (every_s := _every(schedule)) is not None:
        return after + every_s
    assert isinstance(schedule, str), schedule
    found = next(CronSim(schedule, datetime.fromtimestamp(after, UTC)), None)
    return None if found is None else found.timestamp()


def normal(schedule: Schedule) -> Schedule:
    """Return a sound schedule as it is kept: seconds as an object."""
    every_s = _every(schedule)
    return schedule if every_s is None else {_EVERY: every_s}


def comes_at_once(schedule: Schedule) -> bool:
    """Tell whether the first time is as good as any: cron says when, seconds do not."""
    return _every(schedule) is not None


def _every(schedule: Schedule) -> int | None:
    if isinstance(schedule, dict):
        return schedule[_EVERY] if list(schedule) == [_EVERY] else None
    found = _WRITTEN.fullmatch(schedule.strip())
    return int(found[1]) if found else None
