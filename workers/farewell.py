"""How a worker is told to end: once, whatever is sent to it."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

from celery import bootsteps, signals

from visearch.flag import Flag

leaving = Flag()
"""Whether this process has been told to end. Work that is then cut off has not failed by itself.

Celery's own signal says so too late: when the processes of the pool have ended, if they do.
"""


def at_the_first_sigterm(end: Callable[[], object]) -> None:
    """Run ``end`` at the first SIGTERM, and ignore those that follow.

    Linux repeats the signal that asks an orphan to end with each thread that its parent loses.
    Celery's handlers are not made for that: run inside each other, a worker's wait for ever for a
    lock that the outer one holds, and those of beat raise what leaves such a lock held.
    """

    def leave(*_: Any) -> None:
        if not leaving.is_set():
            leaving.set()
            end()

    signal.signal(signal.SIGTERM, leave)


class OneSigterm(bootsteps.StartStopStep):
    """Has a worker begin a soft shutdown at the first SIGTERM."""

    def start(self, parent: Any) -> None:
        """Replace Celery's handler, which it has just installed."""
        # Some seconds for tasks (worker_soft_shutdown_timeout), then they are put back.
        at_the_first_sigterm(lambda: signal.raise_signal(signal.SIGQUIT))


@signals.beat_init.connect
def _of_beat(**_: Any) -> None:
    end = signal.getsignal(signal.SIGTERM)
    assert callable(end), "Celery has just installed it"
    at_the_first_sigterm(lambda: end(signal.SIGTERM, None))
