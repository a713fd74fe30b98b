"""Reindexing: a catalog's pictures get the vectors of another encoder, while it is served.

The pictures added meanwhile are embedded by the present encoder as ever, and are then found
missing here: so every change is in both. When nothing is missing, both are compared, the next
generation is built, and one transaction exchanges them.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import structlog

from visearch.encoders.spec import resolve
from visearch.errors import EncoderMismatch, VisearchError
from visearch.images import decode
from visearch.index.scoring import are_unit
from visearch.indexing.compaction import build
from visearch.indexing.compare_encoders import compare
from visearch.indexing.decode import limits_of
from visearch.indexing.embed import OpenEncoder
from visearch.indexing.pipeline import Pipeline
from visearch.store import catalogs, changes, reindexes
from visearch.store.reindexes import Reindex

log = structlog.get_logger(__name__)

BATCH = 32
"""Pictures embedded at a time: what a live chunk may have to wait for."""

TURN_S = 2.0
"""How long one turn lasts; between turns live work comes first."""


def take_turn(pipeline: Pipeline, open_encoder: OpenEncoder, busy: Callable[[], bool]) -> bool:
    """Embed what is missing of every reindex until the turn is over, or live work waits.

    Returns whether anything is left to do.
    """
    end = time.monotonic() + TURN_S
    with pipeline.database.read() as connection:
        waiting = reindexes.kept_up(connection)
    left = False
    for reindex in waiting:
        while time.monotonic() < end and not busy():
            try:
                if not embed_some(pipeline, open_encoder, reindex):
                    break
            except VisearchError as error:
                _fail(pipeline, reindex, error)
                break
        else:
            left = True
    return left


def embed_some(pipeline: Pipeline, open_encoder: OpenEncoder, reindex: Reindex) -> int:
    """Embed some of the pictures that are missing; returns how many were.

    Raises:
        EncoderMismatch: the encoder of that name is another one by now.
    """
    with pipeline.database.read() as connection:
        rows = reindexes.missing(connection, reindex, BATCH)
    if not rows:
        return 0
    encoder = open_encoder(reindex.encoder)
    if encoder.fingerprint != reindex.fingerprint:
        raise EncoderMismatch(
            f"{reindex.encoder!r} is {encoder.fingerprint} now, not {reindex.fingerprint}; "
            "start another reindex"
        )
    preprocess, limits = resolve(reindex.encoder).preprocess, limits_of(pipeline.settings)
    pixels = [
        preprocess.pixels(
            decode(
                pipeline.blobs.get(f"pictures/{row.sha256}"),
                limits,
                at_least=preprocess.at_least,
            )
        )
        for row in rows
    ]
    vectors = encoder.embed_pixels(np.stack(pixels))
    # What the encoder has nothing to say about is near nothing.
    vectors[~are_unit(vectors)] = np.eye(1, vectors.shape[1], dtype=np.float32)
    segment = changes.put_segment(pipeline.blobs, vectors)
    with pipeline.database.write() as connection:
        places = [(row.pk, at) for at, row in enumerate(rows)]
        reindexes.note(connection, reindex, segment, places)
    return len(rows)


def _fail(pipeline: Pipeline, reindex: Reindex, error: VisearchError) -> None:
    log.error("reindex_failed", reindex=reindex.id, code=error.code, detail=error.detail)
    with pipeline.database.write() as connection:
        reindexes.change(
            connection,
            reindex,
            status=reindexes.FAILED,
            error_code=error.code,
            error_detail=error.detail,
            finished_at=time.time(),
        )
