"""Processes of a worker's pool that have died: noticed soon, and replaced."""

from __future__ import annotations

from typing import Any

from workers.timed import Timed


class Reaping(Timed):
    """Looks for dead processes; a pool of threads has none.

    Celery is woken when a process closes its files. That is a moment before the process has
    ended: if Celery looks within this moment, it sees a process that lives, and looks again after
    five seconds (celery issue 9588).
    """

    every_s = 0.5

    def turn(self, consumer: Any) -> None:
        """Look once."""
        consumer.pool.maintain_pool()
