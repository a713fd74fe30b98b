"""Whether the loop that takes up a worker's tasks still turns: a heartbeat is worth no more."""

from __future__ import annotations

import time
from typing import Any

from celery import bootsteps

from visearch.store.redis.presence import BEAT_S

STUCK_S = 60.0


class Turning:
    """When the loop turned last; nothing is expected of it before it starts and after it ends."""

    def __init__(self) -> None:
        self._turned: float | None = None

    def mark(self) -> None:
        """Note that the loop turns."""
        self._turned = time.monotonic()

    def end(self) -> None:
        """Expect nothing until the next mark."""
        self._turned = None

    def is_stuck(self) -> bool:
        """Tell whether the loop should turn and has not for long."""
        turned = self._turned
        return turned is not None and time.monotonic() - turned > STUCK_S


turning = Turning()
"""Of this process."""


class Marking(bootsteps.StartStopStep):
    """Has the consumer's own timer mark each turn.

    While the consumer looks for a lost broker it has no loop, and it finishes its tasks without
    one when it stops: it is not stuck then.
    """

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, **options: Any) -> None:
        self._entry: Any = None
        super().__init__(consumer, **options)

    def start(self, consumer: Any) -> None:
        """Begin, just before the loop does."""
        turning.mark()
        self._entry = consumer.timer.call_repeatedly(BEAT_S, turning.mark)

    def stop(self, consumer: Any) -> None:
        """End with the loop."""
        turning.end()
        if self._entry is not None:
            self._entry.cancel()
            self._entry = None
