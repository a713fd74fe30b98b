"""The ingest role: decodes pictures, in processes that may die."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, cast

from celery import signals

from visearch.contract import DECODE_CHUNK, MEND_THUMBNAIL, ChunkPayload
from visearch.importing.decode import decode_chunk
from visearch.importing.thumbnails import mend_thumbnail
from visearch.store.chunks import DECODE
from workers.app import app, context
from workers.claims import give_back_lost, giving_back, take
from workers.isolated import Isolated

DECODE_LIMIT_S = 60
"""Beside the time for fetching."""


@signals.worker_process_shutdown.connect
def _close(**_: Any) -> None:
    context.close_fetcher()


_FETCH_S = math.ceil(context.settings.fetch_chunk_s)


class _Decoding(Isolated):
    abstract = True

    def give_back(self, kwargs: Mapping[str, Any], timed_out: bool) -> None:
        """Give back the chunk that a child held; after an ordinary error it has done so itself."""
        if timed_out:
            code = "decode_timeout"
            detail = f"Decoding took longer than {DECODE_LIMIT_S} seconds. Send a simpler picture."
        else:
            code = "decode_crashed"
            detail = "The decoder crashed on this picture. Save it again with another program."
        give_back_lost(cast(ChunkPayload, kwargs), code, detail)


@app.task(name=DECODE_CHUNK, base=_Decoding, time_limit=DECODE_LIMIT_S + _FETCH_S)
def decode(import_id: str, chunk: int, attempt: int, request_id: str) -> None:
    """Fetch and decode one chunk."""
    message = ChunkPayload(import_id=import_id, chunk=chunk, attempt=attempt, request_id=request_id)
    if claim := take(DECODE, message):
        with giving_back(claim):
            decode_chunk(context, claim)


@app.task(name=MEND_THUMBNAIL, time_limit=DECODE_LIMIT_S)
def thumbnail(digest: str) -> None:
    """Make a thumbnail again; where that fails, the next request for it asks again."""
    mend_thumbnail(context, digest)
