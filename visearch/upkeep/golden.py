"""Checking golden queries: each is an ordinary search, whenever the index or the encoder changed.

It goes through the queue of all searches, one at a time: what is measured is what a shopper gets.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from functools import partial

import structlog

from visearch.backend import Backend
from visearch.background import take_steps
from visearch.errors import (
    DependencyUnavailable,
    NotFound,
    Overloaded,
    SearchExpired,
    VisearchError,
)
from visearch.ids import new_id
from visearch.records import Catalog
from visearch.searches import Answer, Failure, Hit, SearchQuery
from visearch.store import catalogs, golden_turns
from visearch.store.golden import Check
from visearch.store.golden_turns import Turn
from visearch.store.redis.jobs import SearchJob, SearchRecord, answer_name

log = structlog.get_logger(__name__)

PLACES = 100
"""Places at which an expected product is looked for."""

TURN_S = 20.0
"""How long one turn of a worker goes on to the next query."""

SPARE_S = 15.0
"""A check may take so much longer than a search, before another worker may do it."""


def look(backend: Backend, worker: str) -> None:
    """Check the golden queries that are due, one after the other, for some time."""
    take_steps("golden_not_checked", {"check": partial(_check_some, backend, worker)})


def _check_some(backend: Backend, worker: str) -> None:
    end = time.monotonic() + TURN_S
    more = True
    while more and time.monotonic() < end:
        with backend.database.read() as connection:
            if not golden_turns.any_due(connection):
                return
        lease_s = backend.settings.search_deadline_s + SPARE_S
        with backend.database.write() as connection:
            turn = golden_turns.take(connection, worker, lease_s)
        more = turn is not None and check(backend, turn)


def check(backend: Backend, turn: Turn) -> bool:
    """Search for the picture of a golden query and note what came of it.

    Returns False where nobody has time for another search.
    """
    try:
        with backend.database.read() as connection:
            catalog = catalogs.get(connection, turn.golden.catalog)
    except NotFound:  # it was deleted just now
        return True
    try:
        answer = _answer(_searched(backend, turn, catalog))
    except (Overloaded, DependencyUnavailable) as error:
        log.warning("golden_put_off", **_named(turn), error=error.detail)
        with backend.database.write() as connection:
            golden_turns.put_off(connection, turn)
        return False
    except VisearchError as error:
        log.warning("golden_failed", **_named(turn), code=error.code, error=error.detail)
        _fail(backend, turn, error)
        return True
    except Exception:
        log.exception("golden_not_checked", **_named(turn))
        _fail(backend, turn, VisearchError("The check failed. The server's log says why."))
        return True
    found = Check(
        rank=place_of(turn.golden.products, answer.results),
        checked_at=datetime.now(UTC),
        generation=answer.index.generation,
        encoder=answer.encoder,
    )
    current = found[2:] == (catalog.generation, catalog.fingerprint)
    with backend.database.write() as connection:
        golden_turns.settle(connection, turn, found, current=current)
    return True


def place_of(products: Collection[str], hits: Sequence[Hit]) -> int | None:
    """Return the first place, from 1, of one of these products; None if there is none."""
    places = (place for place, hit in enumerate(hits, 1) if hit.product_id in products)
    return next(places, None)


def _fail(backend: Backend, turn: Turn, error: VisearchError) -> None:
    with backend.database.write() as connection:
        golden_turns.fail(connection, turn, error.code, error.detail)


def _named(turn: Turn) -> dict[str, str]:
    return {"catalog": turn.golden.catalog, "golden": turn.golden.name}


def _searched(backend: Backend, turn: Turn, catalog: Catalog) -> SearchRecord:
    """Search as a shopper does, and wait for the end; the answer is kept for nobody else."""
    query = SearchQuery(catalog=catalog.name, limit=PLACES, group=True, min_score=None)
    digest = turn.golden.digest
    name = answer_name(catalog, catalog.revision, catalog.generation, query, digest)
    job = SearchJob(
        id=new_id(),
        query=query,
        picture=turn.picture,
        digest=digest,
        answer=name,
        request_id=f"golden-{new_id()}",
    )
    with backend.jobs.watch(job.id) as wait:
        record = backend.jobs.accept(job)
        if not record.terminal:
            record = wait(backend.settings.search_deadline_s + 1.0)
    backend.jobs.forget(job.id)
    return record


def _answer(record: SearchRecord) -> Answer:
    """Return what a search found; raises VisearchError if it found nothing out."""
    if record.status == "failed":
        failure = Failure.model_validate_json(record.body)
        raise VisearchError(failure.detail, code=failure.code)
    if record.status != "succeeded":
        raise SearchExpired("No worker answered before the deadline.")
    answer = Answer.model_validate_json(record.body)
    if not answer.complete:
        raise SearchExpired("Not every part of the index answered in time.")
    return answer
