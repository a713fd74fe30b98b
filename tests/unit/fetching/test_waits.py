"""When to try again: what hosts ask for, within bounds, and longer waits each time."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from visearch.errors import FetchError
from visearch.fetching.waits import LONGEST_ASKED_S, LONGEST_S, asked_s, retry_after_s

NOW = datetime(2026, 11, 29, 8, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("0", 0),
        (" 120 ", 120),
        ("999999999999", LONGEST_ASKED_S),
        ("9" * 5000, None),
        ("Sun, 29 Nov 2026 08:01:30 GMT", 90),
        ("Sun, 29 Nov 2026 08:01:30 -0000", 90),
        ("Sunday, 29-Nov-26 08:01:30 GMT", 90),
        ("Sun, 29 Nov 2026 07:00:00 GMT", 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", LONGEST_ASKED_S),
        ("Fri, 31 Dec 99999 23:59:59 GMT", None),
    ],
)
def test_retry_after_is_read_within_bounds(header: str | None, seconds: float | None) -> None:
    assert asked_s(header, NOW) == seconds


def test_waits_grow_and_end() -> None:
    error = FetchError("It failed.", passes=True)
    waits = [retry_after_s(error, attempt, 10.0) or 0 for attempt in range(6)]
    assert 8 <= waits[0] <= 12 and 32 <= waits[1] <= 48 and 128 <= waits[2] <= 192
    longest = retry_after_s(error, 10**9, 10.0) or 0
    assert waits[5] <= 1.2 * LONGEST_S and longest <= 1.2 * LONGEST_S
    assert 1.6 <= (retry_after_s(error, 0, 2.0) or 0) <= 2.4


def test_what_a_host_asks_for_is_the_least() -> None:
    asked = FetchError("It is busy.", passes=True, asked_s=500.0)
    assert retry_after_s(asked, 0, 10.0) == 500
    assert (retry_after_s(asked, 4, 10.0) or 0) > 500


def test_what_will_not_pass_is_not_tried_again() -> None:
    assert retry_after_s(FetchError("It is gone.", asked_s=5.0), 0, 10.0) is None
