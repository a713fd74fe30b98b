"""URLs of merchants and shoppers → the bytes behind them, safely and politely.

A ``Fetcher`` fetches one picture, many, or a whole file. Whatever a URL does, the answer is a
value: ``Fetched``, ``Saved``, ``Unchanged`` or ``Failed``, and the last says when to try again.
"""

from visearch.fetching.fetcher import Fetcher
from visearch.fetching.outcome import (
    Failed,
    Fetched,
    Limits,
    Outcome,
    Saved,
    Unchanged,
    Validators,
    Wanted,
)

__all__ = [
    "Failed",
    "Fetched",
    "Fetcher",
    "Limits",
    "Outcome",
    "Saved",
    "Unchanged",
    "Validators",
    "Wanted",
]
