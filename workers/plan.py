"""The plan role: lists the items of uploaded files, and previews them, in processes that may die.

Apart from decoding: a file that takes long to read does not keep pictures from being decoded.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, cast

import structlog

from visearch.contract import PLAN_IMPORT, PREVIEW_UPLOAD, PlanPayload
from visearch.errors import VisearchError
from visearch.importing import planning, progress
from visearch.importing.previewing import PreviewAnswer, PreviewOrder, preview_upload
from visearch.searches import Failure
from visearch.store import imports
from visearch.store.redis import previews
from workers.app import app, context
from workers.isolated import Isolated

log = structlog.get_logger(__name__)

PLAN_LIMIT_S = 1800
PREVIEW_LIMIT_S = math.ceil(context.settings.preview_timeout_s) + 1
"""Nobody waits for a preview that takes longer."""

_TOO_LARGE = "Reading the file takes more memory than a process may use. Split it."


class _Planning(Isolated):
    abstract = True

    def give_back(self, kwargs: Mapping[str, Any], timed_out: bool) -> None:
        """Have the file read again, or fail its import after too many tries."""
        why = f"took longer than {PLAN_LIMIT_S} seconds" if timed_out else "failed"
        detail = f"Reading the file {why}. Save it again or split it, and upload it again."
        planning.give_back(context, cast(PlanPayload, kwargs), "plan_failed", detail)


@app.task(name=PLAN_IMPORT, base=_Planning, time_limit=PLAN_LIMIT_S)
def plan_import(import_id: str, attempt: int, request_id: str) -> None:
    """List the items of an uploaded file."""
    message = PlanPayload(import_id=import_id, attempt=attempt, request_id=request_id)
    try:
        planning.plan(context, message, context.name)
    except MemoryError:
        with context.database.read() as connection:
            record = imports.by_id(connection, import_id)
        progress.fail_import(context, record, "archive_too_large", _TOO_LARGE)
        raise


class _Previewing(Isolated):
    abstract = True

    def give_back(self, kwargs: Mapping[str, Any], timed_out: bool) -> None:
        """Tell the request that waits; one that has waited too long is gone already."""
        detail = "Looking through the file failed. Save it again or split it, and upload it again."
        if not timed_out:
            _answer(kwargs["preview_id"], VisearchError(detail, code="archive_corrupt"))


@app.task(name=PREVIEW_UPLOAD, base=_Previewing, time_limit=PREVIEW_LIMIT_S)
def preview(preview_id: str, request_id: str) -> None:
    """Look through an uploaded file, for a request that waits."""
    order = previews.take(context.redis, preview_id)
    if order is None:
        return
    try:
        found = preview_upload(context, PreviewOrder.model_validate_json(order))
    except VisearchError as error:
        log.info("preview_failed", code=error.code, detail=error.detail)
        _answer(preview_id, error)
    except MemoryError:
        _answer(preview_id, VisearchError(_TOO_LARGE, code="archive_too_large"))
    else:
        answer = PreviewAnswer(preview=found)
        previews.answer(context.redis, preview_id, answer.model_dump_json())


def _answer(preview_id: str, error: VisearchError) -> None:
    answer = PreviewAnswer(failure=Failure.of(error))
    previews.answer(context.redis, preview_id, answer.model_dump_json())
