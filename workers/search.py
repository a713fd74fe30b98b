"""The search role: one task per search; queries that arrive together are encoded together."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt
import structlog

from visearch.background import Loop
from visearch.contract import RUN_SEARCH
from visearch.errors import (
    DependencyUnavailable,
    ImageError,
    InvalidRequest,
    SearchExpired,
    VisearchError,
)
from visearch.records import Catalog
from visearch.searches import Failure
from visearch.searching.clock import Clock
from visearch.searching.indexes import Indexes
from visearch.searching.service import Found, SearchService
from visearch.store import reindexes
from visearch.store.redis.jobs import Taken, answer_name
from workers.app import app, at_start, context, tell
from workers.batcher import Batcher
from workers.encoders import Encoders
from workers.following import follow

log = structlog.get_logger(__name__)
BUCKETS = (1, 4, 16)
LOOK_AHEAD_S = 2.0


class Searching:
    """What the search role keeps in memory: encoders, batchers, live indexes."""

    def __init__(self) -> None:
        self.encoders = Encoders(context.settings, BUCKETS)
        self.indexes = Indexes(
            context.database, context.blobs, self.encoders.get, context.settings.held_shards
        )
        self._batchers: dict[str, Batcher] = {}
        self._lock = threading.Lock()
        self.service = SearchService(context, self.indexes, self._embed)

    def _embed(
        self, catalog: Catalog, pixels: npt.NDArray[np.uint8], clock: Clock
    ) -> npt.NDArray[np.float32]:
        encoder = self.encoders.get(catalog.encoder, clock.left())
        with self._lock:
            if encoder.fingerprint not in self._batchers:
                limit = context.settings.search_batch
                self._batchers[encoder.fingerprint] = Batcher(encoder.embed_pixels, limit)
        batcher = self._batchers[encoder.fingerprint]
        return batcher.embed(pixels, clock)


@at_start
def searching() -> Searching:
    """The role's state: the default encoder is compiled, every index loaded and kept fresh."""
    context.decoders.start()
    made = Searching()
    fingerprint = made.encoders.get(context.settings.encoder).fingerprint
    made.indexes.refresh()
    tell(lambda: {"encoder": fingerprint, "catalogs": made.indexes.described()})
    follow(made.indexes)
    look = partial(look_ahead, made.encoders.get, set())
    Loop("encoders", look, every_s=LOOK_AHEAD_S, rest_first=True).start()
    return made


def look_ahead(open_encoder: Callable[[str], object], refused: set[str]) -> None:
    """Open the encoders that catalogs are being reindexed to, so that no search waits for it.

    One that can never be opened joins ``refused`` and is not tried again.
    """
    with context.database.read() as connection:
        coming = {reindex.encoder for _, reindex in reindexes.kept_up(connection)}
    for spec in sorted(coming - refused):
        try:
            open_encoder(spec)
        except DependencyUnavailable:
            raise
        except VisearchError as error:
            refused.add(spec)
            log.error("encoder_refused", encoder=spec, code=error.code, detail=error.detail)
        except Exception:  # whatever is wrong with one encoder, the others are opened
            log.exception("encoder_not_opened", encoder=spec)


@app.task(name=RUN_SEARCH)
def run_search(search_id: str, request_id: str) -> None:
    """Answer one search; whatever happens, it reaches a terminal state."""
    jobs = context.jobs
    with jobs.cancellation(search_id) as cancelled:
        if (taken := jobs.take(search_id)) is None:
            return
        clock = Clock(taken.left_s, taken.waited_s * 1e3, cancelled)
        try:
            found = searching().service.search(taken.query, taken.picture, clock)
        except SearchExpired:
            jobs.finish(search_id, "expired")
        except VisearchError as error:
            _fail(search_id, error)
        except Exception:
            # Anything else is a defect of ours; the searcher still gets a terminal answer.
            _fail(search_id, VisearchError("The search failed. Try again."))
            raise
        else:
            _answer(search_id, taken, found)


def _answer(search_id: str, taken: Taken, found: Found) -> None:
    answer, name = found.answer, None
    if answer.complete:
        generation = answer.index.generation
        name = answer_name(found.catalog, found.revision, generation, taken.query, taken.digest)
    context.jobs.finish(search_id, "succeeded", answer.model_dump_json(), answer=name)


def _fail(search_id: str, error: VisearchError) -> None:
    """Give a search the failure ``error``; who asks the same shares it if the question is bad."""
    expected = isinstance(error, ImageError | InvalidRequest)
    log.log(20 if expected else 40, "search_failed", code=error.code, detail=error.detail)
    body = Failure.of(error).model_dump_json()
    context.jobs.finish(search_id, "failed", body, shared=expected)
