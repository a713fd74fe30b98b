"""The embed role: chunks of decoded pictures → embeddings, in large batches."""

from __future__ import annotations

from visearch.contract import EMBED_CHUNK
from visearch.indexing.embed import embed_chunk
from visearch.store.chunks import EMBED
from workers.app import app, at_start, context
from workers.encoders import Encoders
from workers.failures import releasing

BUCKETS = (1, 8, 64)
_encoders: list[Encoders] = []


@at_start
def _initialise() -> None:
    """Compile the default encoder before the worker takes its first chunk."""
    encoders = Encoders(context.settings, BUCKETS)
    encoders.get(context.settings.encoder)
    _encoders.append(encoders)


@app.task(name=EMBED_CHUNK)
def embed(import_id: str, chunk: int, attempt: int, request_id: str) -> None:
    """Embed one chunk."""
    with releasing(import_id, chunk, EMBED, attempt):
        embed_chunk(context.pipeline, _encoders[0].get, import_id, chunk, attempt, context.name)
