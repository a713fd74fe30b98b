"""When a lease is over, by a time of day that may be set back."""

from __future__ import annotations

import sqlalchemy as sa

LONGEST_S = 1200.0
"""No lease is taken for so long, even by a machine whose clock is some minutes fast."""


def lapsed(until: sa.Column[float], at: float) -> sa.ColumnElement[bool]:
    """Return the condition that a lease until then is over at the time ``at``.

    One that seems to last longer than any was taken before the clock was set back.
    """
    return sa.or_(until < at, until > at + LONGEST_S)
