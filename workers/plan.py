"""The plan role: lists the items of uploaded files, in processes that may die.

Apart from decoding: a file that takes long to read does not keep pictures from being decoded.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from visearch.contract import PLAN_IMPORT, PlanPayload
from visearch.errors import VisearchError
from visearch.importing import planning, progress
from visearch.store import imports
from workers.app import app, context
from workers.isolated import Isolated

PLAN_LIMIT_S = 1800


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
    except MemoryError as error:
        with context.database.read() as connection:
            record = imports.by_id(connection, import_id)
        detail = "Reading the file takes more memory than a process may use. Split it."
        progress.fail_import(context, record, "archive_too_large", detail)
        # Celery stops the whole worker when a task raises MemoryError.
        raise VisearchError(detail, code="archive_too_large") from error
