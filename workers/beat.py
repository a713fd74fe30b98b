"""The maintainer's clock: ticks are not piled up for a worker that is away."""

from __future__ import annotations

import time
from typing import Any

import structlog
from celery import beat

from visearch.contract import MAINTAIN, QUEUE_OF, READY_LINE
from visearch.errors import DependencyUnavailable
from visearch.store.redis import presence
from visearch.store.redis.client import answering
from workers.app import context

log = structlog.get_logger(__name__)

BEAT = "beat"
FEW = 8
"""Messages in a queue, beyond which its worker is too busy, or away, to be sent a tick."""


STEP_S = 5.0
"""By so much the time of day may differ from the time that has passed."""


class Scheduler(beat.Scheduler):
    """Celery's scheduler, which leaves a tick out while its queue is long, and has a heartbeat.

    Celery goes by the time of day. Where that is set back, nothing would be due for as long.
    """

    _ticks = False
    _ahead_s = 0.0

    def tick(self, *args: Any, **kwargs: Any) -> Any:
        """Send what is due, and say that this clock goes."""
        name = context.name.replace(context.role, BEAT, 1)
        if not self._ticks:
            self._ticks = True
            log.info(READY_LINE, worker=name, role=BEAT)
        try:
            presence.beat(context.redis, name, BEAT)
        except DependencyUnavailable as error:
            log.warning("heartbeat_failed", error=error.detail)
        self._heed_the_clock()
        return super().tick(*args, **kwargs)

    def _heed_the_clock(self) -> None:
        """Count every interval from now on if the time of day was changed."""
        ahead_s = self.app.now().timestamp() - time.monotonic()
        if abs(ahead_s - self._ahead_s) > STEP_S:
            self._heap = None  # made anew by the next tick
            for entry in self.schedule.values():
                entry.last_run_at = entry.default_now()
        self._ahead_s = ahead_s

    def apply_async(
        self, entry: beat.ScheduleEntry, producer: Any = None, advance: bool = True, **kwargs: Any
    ) -> Any:
        """Send a tick that is due, unless more than a few messages wait before it."""
        with answering():
            waiting = context.redis.llen(QUEUE_OF.get(entry.task or "", MAINTAIN))
        if waiting > FEW:
            log.warning("tick_left_out", task=entry.task, waiting=waiting)
            return None
        return super().apply_async(entry, producer, advance, **kwargs)
