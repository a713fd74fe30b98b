"""Tasks in processes that may die: bounded memory, and somebody who gives back what they held."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import structlog
from billiard.einfo import ExceptionInfo
from billiard.exceptions import TimeLimitExceeded
from celery import signals
from celery.worker import state
from celery.worker.request import Request

from visearch import confine
from visearch.errors import VisearchError
from workers.app import context
from workers.task import Task

log = structlog.get_logger(__name__)


@signals.worker_process_init.connect
def _die_with_parent(**_: Any) -> None:
    """Leave no orphan when the parent is killed: it would wait for work for ever."""
    confine.die_with_parent()


@signals.worker_process_init.connect
def _limit_memory(**_: Any) -> None:
    """Let one process fail rather than the machine: an allocation above the limit raises."""
    confine.limit_memory(context.settings.ingest_memory_bytes)


class _Request(Request):
    """The parent's side of an ``Isolated`` task."""

    def on_failure(
        self, exc_info: ExceptionInfo, send_failed_event: bool = True, return_ok: bool = False
    ) -> Any:
        """Let the task give back what its child held: it failed, or it killed the child."""
        out = super().on_failure(exc_info, send_failed_event, return_ok)
        if state.should_stop is not None or state.should_terminate is not None:
            return out  # the worker is stopping, and nobody is to blame
        error = getattr(exc_info.exception, "exc", exc_info.exception)
        try:
            cast(Isolated, self.task).give_back(self.kwargs, isinstance(error, TimeLimitExceeded))
        except VisearchError as failure:
            # The row still names this worker, which no longer says that it holds the work: the
            # reconciler finds it.
            log.error("release_failed", error=failure.detail)
        return out


class Isolated(Task):
    """A task that runs in a child process."""

    abstract = True
    Request = _Request  # type: ignore[assignment]  # the stubs know only the dotted name

    def give_back(self, kwargs: Mapping[str, Any], timed_out: bool) -> None:
        """Give back, in the parent, what the task held if it has not done so itself."""
        raise NotImplementedError
