"""The time of one search: what is left of it, and what each part took."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

from visearch.searches import Timings

Part = Literal["decode", "encode", "search", "hydrate"]


class Clock:
    """Starts when a worker begins a search that has ``within_s`` seconds left.

    ``queued_ms`` is how long it has waited before. Once ``cancelled()``, no time is left.
    """

    def __init__(
        self,
        within_s: float,
        queued_ms: float = 0.0,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> None:
        self._begin = time.monotonic()
        self._end = self._begin + within_s
        self._queued_ms, self._cancelled = queued_ms, cancelled
        self._spent: dict[str, float] = {}

    def left(self) -> float:
        """Return the seconds until the deadline; 0 past it, or when nobody waits any more."""
        if self._cancelled():
            return 0.0
        return max(0.0, self._end - time.monotonic())

    @contextmanager
    def part(self, name: Part) -> Iterator[None]:
        """Add the time spent in the block to a part of the search."""
        begin = time.perf_counter()
        try:
            yield
        finally:
            spent = (time.perf_counter() - begin) * 1e3
            self._spent[name] = self._spent.get(name, 0.0) + spent

    def timings(self) -> Timings:
        """Return what each part has taken until now, in milliseconds."""
        total = self._queued_ms + (time.monotonic() - self._begin) * 1e3
        spent = {**self._spent, "queue": self._queued_ms, "total": total}
        return Timings(**{name: round(spent.get(name, 0.0), 3) for name in Timings.model_fields})
