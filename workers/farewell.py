"""How a worker is told to end: once, whatever is sent to it."""

from __future__ import annotations

import signal
from typing import Any

from celery import bootsteps

from visearch.flag import Flag

leaving = Flag()
"""Whether this process has been told to end. Work that is then cut off has not failed by itself.

Celery's own signal says so too late: when the processes of the pool have ended, if they do.
"""


class OneSigterm(bootsteps.StartStopStep):
    """Begins a soft shutdown at the first SIGTERM, and ignores those that follow.

    Linux repeats the signal that asks an orphan to end with each thread that its parent loses, and
    Celery's handlers, run inside each other, wait for ever for a lock that the outer one holds.
    """

    def start(self, parent: Any) -> None:
        """Replace Celery's handler, which it has just installed."""
        signal.signal(signal.SIGTERM, self._leave)

    @staticmethod
    def _leave(*_: Any) -> None:
        if not leaving.is_set():
            leaving.set()
            # Some seconds for tasks (worker_soft_shutdown_timeout), then they are put back.
            signal.raise_signal(signal.SIGQUIT)
