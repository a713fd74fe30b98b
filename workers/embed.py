"""The embed role: chunks of decoded pictures → embeddings, in large batches."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from visearch.background import take_steps
from visearch.contract import EMBED, EMBED_CHUNK, REINDEX, ChunkPayload
from visearch.importing.embed import embed_chunk
from visearch.reindexing.mend import mend
from visearch.reindexing.reindex import take_turn
from visearch.store import chunks
from visearch.store.redis.client import answering
from visearch.upkeep.fitting import Pace, fit_due
from workers.app import app, at_start, context, on_time, one_at_a_time
from workers.claims import giving_back, take
from workers.encoders import Encoders

BUCKETS = (1, 8, 64)


@at_start
def encoders() -> Encoders:
    """The role's encoders; the default one is compiled."""
    made = Encoders(context.settings, BUCKETS)
    made.get(context.settings.encoder)
    return made


@at_start
def pace() -> Pace:
    """Which catalogs' weights need not be fitted, or not now."""
    return Pace()


@app.task(name=EMBED_CHUNK)
def embed(import_id: str, chunk: int, attempt: int, request_id: str) -> None:
    """Embed one chunk."""
    message = ChunkPayload(import_id=import_id, chunk=chunk, attempt=attempt, request_id=request_id)
    if claim := take(chunks.EMBED, message):
        with giving_back(claim):
            embed_chunk(context, encoders().get, claim)


@app.task(name=REINDEX)
@on_time(REINDEX)
@one_at_a_time
def reindex() -> None:
    """Go on with the reindexes, and fit weights, one turn at a time, while no chunk is waiting."""
    steps: dict[str, Callable[[], object]] = {
        "mend": partial(mend, context, encoders().get, _busy),
        "reindex": partial(take_turn, context, encoders().get, _busy, context.name),
        "fit": partial(fit_due, context, encoders().get, _busy, context.name, pace()),
    }
    take_steps("embeddings_not_made", steps)


def _busy() -> bool:
    with answering():
        return bool(context.redis.llen(EMBED))
