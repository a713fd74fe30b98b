"""The ingest role: reads uploaded files and decodes pictures, in processes that may die."""

from __future__ import annotations

import ctypes
import resource
import signal
from typing import Any, cast

import structlog
from billiard.einfo import ExceptionInfo
from billiard.exceptions import TimeLimitExceeded
from celery import Task, signals
from celery.worker.request import Request

from visearch.contract import DECODE_CHUNK, PLAN_IMPORT, ChunkPayload, PlanPayload
from visearch.errors import VisearchError
from visearch.importing import progress
from visearch.importing.decode import decode_chunk
from visearch.importing.plan import plan
from visearch.store import imports
from visearch.store.chunks import DECODE
from workers.app import app, context
from workers.claims import give_back_lost, giving_back, take

log = structlog.get_logger(__name__)
DECODE_LIMIT_S = 60
PLAN_LIMIT_S = 1800
_PR_SET_PDEATHSIG = 1


@signals.worker_process_init.connect
def _die_with_parent(**_: Any) -> None:
    """Leave no orphan when the parent is killed: it would wait for work for ever."""
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


@signals.worker_process_init.connect
def _limit_memory(**_: Any) -> None:
    """Let one process fail rather than the machine: an allocation above the limit raises."""
    limit = context.settings.ingest_memory_bytes
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


class _Isolated(Request):
    """Runs in the parent when a picture or the time limit has killed a child."""

    def on_failure(
        self, exc_info: ExceptionInfo, send_failed_event: bool = True, return_ok: bool = False
    ) -> Any:
        """Give back what the child held; after an ordinary error it has done so itself."""
        out = super().on_failure(exc_info, send_failed_event, return_ok)
        error = getattr(exc_info.exception, "exc", exc_info.exception)
        if isinstance(error, TimeLimitExceeded):
            detail = f"Decoding took longer than {DECODE_LIMIT_S} seconds. Send a simpler picture."
            self._give_back("decode_timeout", detail)
        else:
            detail = "The decoder crashed on this picture. Save it again with another program."
            self._give_back("decode_crashed", detail)
        return out

    def _give_back(self, code: str, detail: str) -> None:
        if "chunk" not in self.kwargs:
            return  # a plan; the reconciler sends it again
        try:
            give_back_lost(cast(ChunkPayload, self.kwargs), code, detail)
        except VisearchError as error:
            # The row still says "running" under a dead claim: the reconciler finds it.
            log.error("release_failed", error=error.detail)


class _IsolatedTask(Task[Any, Any]):
    Request = _Isolated  # type: ignore[assignment]  # the stubs know only the dotted name


@app.task(name=PLAN_IMPORT, base=_IsolatedTask, time_limit=PLAN_LIMIT_S)
def plan_import(import_id: str, attempt: int, request_id: str) -> None:
    """List the items of an uploaded file."""
    try:
        plan(context, PlanPayload(import_id=import_id, attempt=attempt, request_id=request_id))
    except VisearchError as error:
        log.warning("plan_failed", import_id=import_id, error=error.detail)
        raise
    except MemoryError as error:
        with context.database.read() as connection:
            record = imports.by_id(connection, import_id)
        detail = "Reading the file takes more memory than an ingest process may use. Split it."
        progress.fail_import(context, record, "archive_too_large", detail)
        # Celery stops the whole worker when a task raises MemoryError.
        raise VisearchError(detail, code="archive_too_large") from error


@app.task(name=DECODE_CHUNK, base=_IsolatedTask, time_limit=DECODE_LIMIT_S)
def decode(import_id: str, chunk: int, attempt: int, request_id: str) -> None:
    """Fetch and decode one chunk."""
    message = ChunkPayload(import_id=import_id, chunk=chunk, attempt=attempt, request_id=request_id)
    if claim := take(DECODE, message):
        with giving_back(claim):
            decode_chunk(context, claim)
