"""Threads for work that takes long and may be left at any time: another worker goes on with it."""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog

from visearch.errors import DependencyUnavailable

log = structlog.get_logger(__name__)


class Hands:
    """At most ``most`` threads, which do not keep their process from ending."""

    def __init__(self, name: str, most: int) -> None:
        self._name = name
        self._free = threading.BoundedSemaphore(most)

    def help(self, work: Callable[[], bool]) -> None:
        """Call ``work`` in one more thread, if one is free, until it returns False."""
        if self._free.acquire(blocking=False):
            threading.Thread(target=self._run, args=(work,), daemon=True, name=self._name).start()

    def _run(self, work: Callable[[], bool]) -> None:
        try:
            while work():
                pass
        except DependencyUnavailable as error:
            log.warning("hand_stopped", thread=self._name, error=error.detail)
        except Exception:
            log.exception("hand_stopped", thread=self._name)
        finally:
            self._free.release()
