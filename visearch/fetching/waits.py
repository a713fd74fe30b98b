"""How long to wait before a URL is tried again."""

from __future__ import annotations

import random
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from visearch.errors import FetchError

FACTOR = 4.0
LONGEST_S = 3600.0
"""Waits grow from a first one by ``FACTOR`` to ``LONGEST_S``, each by chance a fifth more or less:
what failed together is not tried again together."""

LONGEST_ASKED_S = 6 * 3600.0
"""No host can put a picture off for longer than this at a time."""


def asked_s(header: str | None, now: datetime | None = None) -> float | None:
    """Read a ``Retry-After``: seconds or a date; None if there is none that can be understood."""
    text = (header or "").strip()
    if re.fullmatch(r"[0-9]{1,12}", text):
        return min(float(text), LONGEST_ASKED_S)
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    wait_s = (date - (now or datetime.now(UTC))).total_seconds()
    return min(max(wait_s, 0.0), LONGEST_ASKED_S)


def retry_after_s(error: FetchError, attempt: int, first_s: float) -> float | None:
    """Return how long to wait after attempt number ``attempt`` (from 0); None: do not try again.

    ``first_s`` is the wait after the first one.
    """
    if not error.passes:
        return None
    grown = min(first_s * FACTOR ** min(attempt, 10), LONGEST_S) * random.uniform(0.8, 1.2)
    return max(grown, error.asked_s or 0.0)
