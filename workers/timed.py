"""What a worker's consumer does again and again on its own timer, while its loop runs."""

from __future__ import annotations

from typing import Any

from celery import bootsteps


class Timed(bootsteps.StartStopStep):
    """Calls ``turn`` every ``every_s`` seconds from the start of the loop to its end."""

    requires = ("celery.worker.consumer.tasks:Tasks",)
    every_s: float

    def __init__(self, consumer: Any, **options: Any) -> None:
        self._entry: Any = None
        super().__init__(consumer, **options)

    def turn(self, consumer: Any) -> None:
        """Do it once."""
        raise NotImplementedError

    def start(self, consumer: Any) -> None:
        """Begin, just before the loop does."""
        self._entry = consumer.timer.call_repeatedly(self.every_s, self.turn, (consumer,))

    def stop(self, consumer: Any) -> None:
        """End with the loop."""
        if self._entry is not None:
            self._entry.cancel()
            self._entry = None
