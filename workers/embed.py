"""The embed role: chunks of decoded pictures → embeddings, in large batches."""

from __future__ import annotations

import threading

from visearch.contract import EMBED, EMBED_CHUNK, REINDEX, ChunkPayload
from visearch.importing.embed import embed_chunk
from visearch.reindexing.reindex import take_turn
from visearch.store import chunks
from visearch.store.redis.client import answering
from workers.app import app, at_start, context
from workers.claims import giving_back, take
from workers.encoders import Encoders

BUCKETS = (1, 8, 64)
_encoders: list[Encoders] = []
_reindexing = threading.Lock()


@at_start
def _initialise() -> None:
    """Compile the default encoder before the worker takes its first chunk."""
    encoders = Encoders(context.settings, BUCKETS)
    encoders.get(context.settings.encoder)
    _encoders.append(encoders)


@app.task(name=EMBED_CHUNK)
def embed(import_id: str, chunk: int, attempt: int, request_id: str) -> None:
    """Embed one chunk."""
    message = ChunkPayload(import_id=import_id, chunk=chunk, attempt=attempt, request_id=request_id)
    if claim := take(chunks.EMBED, message):
        with giving_back(claim):
            embed_chunk(context, _encoders[0].get, claim)


@app.task(name=REINDEX)
def reindex() -> None:
    """Go on with the reindexes, one turn at a time, while no chunk is waiting."""
    if _reindexing.acquire(blocking=False):
        try:
            take_turn(context, _encoders[0].get, _busy, context.name)
        finally:
            _reindexing.release()


def _busy() -> bool:
    with answering():
        return bool(context.redis.llen(EMBED))
