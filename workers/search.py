"""The search role: one task per search; queries that arrive together are encoded together."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt
import structlog

from visearch.background import Loop
from visearch.contract import RUN_SEARCH, SearchQuery
from visearch.errors import (
    DependencyUnavailable,
    ImageError,
    InvalidRequest,
    SearchExpired,
    VisearchError,
)
from visearch.importing.decode import limits_of
from visearch.records import Catalog
from visearch.searching.answers import answer_body, failure_body
from visearch.searching.indexes import Indexes
from visearch.searching.service import SearchService
from visearch.searching.shards import Gatherer
from visearch.store import reindexes
from visearch.store.redis.jobs import answer_key
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
        settings = context.settings
        self.indexes = Indexes(
            context.database, context.blobs, self.encoders.get, settings.held_shards
        )
        self._batchers: dict[str, Batcher] = {}
        self._lock = threading.Lock()
        self.service = SearchService(
            context.database,
            context.blobs,
            self.indexes,
            self._embed,
            limits_of(settings),
            Gatherer(context.redis, context.send, settings.search_queue_limit),
            settings.shard_deadline_s,
        )

    def _embed(
        self, catalog: Catalog, pixels: npt.NDArray[np.uint8], within_s: float
    ) -> npt.NDArray[np.float32]:
        encoder = self.encoders.get(catalog.encoder)
        with self._lock:
            if encoder.fingerprint not in self._batchers:
                limit = context.settings.search_batch
                self._batchers[encoder.fingerprint] = Batcher(encoder.embed_pixels, limit)
        batcher = self._batchers[encoder.fingerprint]
        return batcher.embed(pixels, within_s)


@at_start
def searching() -> Searching:
    """The role's state: the default encoder is compiled, every index loaded and kept fresh."""
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

    One that cannot be opened joins ``refused`` and is not tried again.
    """
    with context.database.read() as connection:
        coming = {reindex.encoder for _, reindex in reindexes.kept_up(connection)}
    for spec in sorted(coming - refused):
        try:
            open_encoder(spec)
        except DependencyUnavailable:
            raise
        except Exception:  # whatever is wrong with one encoder, the others are opened
            refused.add(spec)
            log.exception("encoder_refused", encoder=spec)


@app.task(name=RUN_SEARCH)
def run_search(
    search_id: str, query: SearchQuery, accepted_at: float, request_id: str, picture: str
) -> None:
    """Answer one search; whatever happens, it reaches a terminal state."""
    started = time.time()
    jobs = context.jobs
    if started - accepted_at > context.settings.search_deadline_s:
        jobs.finish(search_id, "expired", {})
        return
    if not jobs.start(search_id):
        return
    data = None if "product" in query else jobs.picture(search_id)
    try:
        if data is None and "product" not in query:
            raise InvalidRequest("the picture was lost before it was read; send it again")
        left = accepted_at + context.settings.search_deadline_s - started
        answer = searching().service.search(query, data, left)
    except SearchExpired:
        jobs.finish(search_id, "expired", {})
        return
    except VisearchError as error:
        _fail(search_id, error)
        return
    except Exception:
        # Anything else is a defect of ours; the searcher still gets a terminal answer.
        jobs.finish(search_id, "failed", failure_body(VisearchError("the search failed")))
        raise
    queue_ms = (started - accepted_at) * 1e3
    body = answer_body(answer, queue_ms, (time.time() - accepted_at) * 1e3)
    jobs.finish(search_id, "succeeded", body)
    if answer.complete:
        key = answer_key(answer.catalog, answer.revision, answer.generation, query, picture)
        jobs.cache(key, body)


def _fail(search_id: str, error: VisearchError) -> None:
    expected = isinstance(error, ImageError | InvalidRequest)
    log.log(20 if expected else 40, "search_failed", code=error.code, detail=error.detail)
    context.jobs.finish(search_id, "failed", failure_body(error))
