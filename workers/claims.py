"""A chunk's claim in a worker: taken by a message, given back when the task fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from visearch.contract import ChunkPayload
from visearch.errors import DependencyUnavailable, VisearchError
from visearch.importing import progress
from visearch.store import claims
from visearch.store.claims import Claim
from workers.app import context

log = structlog.get_logger(__name__)


def take(stage: str, message: ChunkPayload) -> Claim | None:
    """Claim the chunk that a message names; None if the message is out of date."""
    with context.database.write() as connection:
        return claims.take(connection, stage, message, context.name)


def give_back(claim: Claim, code: str, detail: str) -> None:
    """End a claim whose try failed, for another try or for good."""
    log.warning("chunk_released", **_named(claim), detail=detail)
    progress.give_back(context, claim, code=code, detail=detail)


def give_back_lost(message: ChunkPayload, code: str, detail: str) -> None:
    """Give back what a process that died had taken by this message, if it had."""
    with context.database.read() as connection:
        claim = claims.held(connection, message)
    if claim is not None:
        give_back(claim, code, detail)


@contextmanager
def giving_back(claim: Claim) -> Iterator[None]:
    """Give the claim back if the block fails, and let the error go on into the log.

    A dependency that does not answer is not the chunk's fault: that is no try of its own.
    """
    try:
        yield
    except DependencyUnavailable as error:
        log.warning("chunk_postponed", **_named(claim), detail=error.detail)
        progress.postpone(context, claim, error.dependency)
    except VisearchError as error:
        give_back(claim, error.code, error.detail)
        raise
    except MemoryError:
        give_back(claim, "out_of_memory", "This step takes more memory than the process may use.")
        raise
    except Exception as error:
        detail = f"An unexpected {type(error).__name__} stopped this step."
        give_back(claim, "internal_error", detail)
        raise


def _named(claim: Claim) -> dict[str, object]:
    return {"chunk": claim.number, "stage": claim.stage, "attempt": claim.attempt}
