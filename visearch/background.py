"""Background work that does not die silently: an error is logged, and the rest goes on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import structlog

from visearch.errors import DependencyUnavailable

log = structlog.get_logger(__name__)

GRACE_S = 5.0
"""A loop that has failed for less time than this may just have met a passing fault."""

MEMORY_S = 30.0
"""A loop that waits for work is not reported for ever: after so long it may try again."""

_loops: set[Loop] = set()
"""The loops that were started and not stopped."""


class Loop:
    """Calls ``step`` again and again in a thread of its own, whatever ``step`` raises.

    ``every_s`` is the rest after a step, ``retry_s`` the rest after one that failed (the same
    unless given), in seconds. A loop with ``rest_first`` rests before its first step too.
    """

    def __init__(
        self,
        name: str,
        step: Callable[[], object],
        *,
        every_s: float = 0.0,
        retry_s: float | None = None,
        rest_first: bool = False,
    ) -> None:
        self.name, self._step = name, step
        self._every_s = every_s
        self._retry_s = every_s if retry_s is None else retry_s
        self._rest_first = rest_first
        self._stopping = threading.Event()
        self._failed: tuple[float, float] | None = None  # first and last time (monotonic)
        self._thread = threading.Thread(target=self._run, daemon=True, name=name)

    def start(self) -> Loop:
        """Start the thread; returns the loop."""
        self._thread.start()
        _loops.add(self)
        return self

    def stop(self) -> None:
        """Take no further step."""
        self._stopping.set()
        _loops.discard(self)

    def join(self) -> None:
        """Wait until the step that runs has ended; call :meth:`stop` first."""
        self._thread.join()

    def trouble(self) -> str | None:
        """Say what is wrong: the thread has died, or every step has failed for a while."""
        if self._stopping.is_set():
            return None
        if not self._thread.is_alive():
            return f"the thread {self.name!r} has died; see the log"
        failed, at = self._failed, time.monotonic()
        if failed is None or failed[1] - failed[0] < GRACE_S or at - failed[1] > MEMORY_S:
            return None
        since = datetime.fromtimestamp(time.time() - (at - failed[0]), UTC)
        return f"the thread {self.name!r} has failed since {since:%FT%TZ}; see the log"

    def _run(self) -> None:
        if self._rest_first and self._stopping.wait(self._every_s):
            return
        while not self._stopping.is_set():
            rest_s = self._every_s if self._succeeds() else self._retry_s
            self._stopping.wait(rest_s)

    def _succeeds(self) -> bool:
        """Take one step; False if it failed."""
        try:
            self._step()
        except DependencyUnavailable as error:
            log.warning("background_failed", thread=self.name, error=error.detail)
        except Exception:  # the next step may work
            log.exception("background_failed", thread=self.name)
        else:
            self._failed = None
            return True
        at = time.monotonic()
        self._failed = (self._failed[0] if self._failed else at, at)
        return False


def take_steps(event: str, steps: Mapping[str, Callable[[], object]]) -> None:
    """Take each step: what goes wrong with one is logged as ``event``, and the others go on."""
    for name, step in steps.items():
        try:
            step()
        except DependencyUnavailable as error:
            log.warning(event, step=name, error=error.detail)
        except Exception:
            log.exception(event, step=name)


def troubles() -> list[str]:
    """Say what is wrong with each loop of this process that has died or keeps failing."""
    found = [loop.trouble() for loop in _loops.copy()]
    return sorted(trouble for trouble in found if trouble)
