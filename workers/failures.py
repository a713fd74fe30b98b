"""What happens to a chunk when its task fails: released at once, for another try."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from visearch.errors import DependencyUnavailable, VisearchError
from visearch.importing import progress
from visearch.store import imports
from workers.app import context

log = structlog.get_logger(__name__)


def release(import_id: str, chunk: int, stage: str, attempt: int, code: str, detail: str) -> None:
    """Take a chunk back from an attempt that failed."""
    log.warning("chunk_released", chunk=chunk, stage=stage, attempt=attempt, detail=detail)
    with context.database.read() as connection:
        record = imports.by_id(connection, import_id)
    progress.release(context, record.pk, chunk, stage, attempt, code=code, detail=detail)


@contextmanager
def releasing(import_id: str, chunk: int, stage: str, attempt: int) -> Iterator[None]:
    """Release the chunk if the block fails, and let the error go on into the log.

    A dependency that does not answer is no fault of the chunk's: it is put back.
    """
    try:
        yield
    except DependencyUnavailable as error:
        log.warning("chunk_postponed", chunk=chunk, stage=stage, detail=error.detail)
        with context.database.read() as connection:
            record = imports.by_id(connection, import_id)
        progress.postpone(context, record.pk, chunk, stage, attempt)
    except VisearchError as error:
        release(import_id, chunk, stage, attempt, error.code, error.detail)
        raise
    except MemoryError as error:
        detail = "this step takes more memory than the process may use"
        release(import_id, chunk, stage, attempt, "out_of_memory", detail)
        # Celery stops the whole worker when a task raises MemoryError.
        raise VisearchError(detail, code="out_of_memory") from error
    except Exception as error:
        detail = f"an unexpected {type(error).__name__} stopped this step"
        release(import_id, chunk, stage, attempt, "internal_error", detail)
        raise
