"""Whether the loop that takes up a worker's tasks still turns: a heartbeat is worth no more."""

from __future__ import annotations

import time
from typing import Any

from visearch.store.redis.presence import BEAT_S
from workers.timed import Timed

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


class Marking(Timed):
    """Has the consumer's own timer mark each turn.

    While the consumer looks for a lost broker it has no loop, and it finishes its tasks without
    one when it stops: it is not stuck then.
    """

    every_s = BEAT_S

    def turn(self, consumer: Any) -> None:
        """Mark this turn."""
        turning.mark()

    def start(self, consumer: Any) -> None:
        """Expect a first turn from now on."""
        turning.mark()
        super().start(consumer)

    def stop(self, consumer: Any) -> None:
        """Expect nothing more."""
        turning.end()
        super().stop(consumer)
