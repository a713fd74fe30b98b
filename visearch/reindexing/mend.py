"""Mending: pictures whose embedding was damaged are embedded again from what is stored of them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby

import numpy as np
import structlog

from visearch.backend import Backend
from visearch.encoders.protocol import OpenEncoder
from visearch.encoders.spec import require_same_encoder
from visearch.errors import DependencyUnavailable, EncoderError, ImageError
from visearch.images.order import Pixels
from visearch.importing.embed import NO_EMBEDDING
from visearch.index.scoring import are_unit
from visearch.reindexing.stored import picture_pixels
from visearch.store import catalogs, damage, embeddings, segments
from visearch.store.damage import LostPicture

log = structlog.get_logger(__name__)
BATCH = 32


def mend(backend: Backend, open_encoder: OpenEncoder, busy: Callable[[], bool]) -> int:
    """Embed lost pictures until none is left or live work is waiting; returns how many were.

    A picture that is lost itself keeps its reason, for the operator to read. A catalog that cannot
    be mended does not keep the others waiting. Two workers may mend the same: the second changes
    nothing.

    Raises:
        DependencyUnavailable: the blob store or the database does not answer, or no decoder is
            free.
    """
    with backend.database.read() as connection:
        if not damage.segments(connection):
            return 0
    with backend.database.write() as connection:
        damage.forget_useless(connection)
    mended = 0
    failed: set[str] = set()
    while not busy():
        with backend.database.read() as connection:
            lost = damage.waiting(connection, BATCH, failed)
        if not lost:
            break
        for name, pictures in groupby(lost, lambda each: each.catalog):
            try:
                mended += _embed(backend, open_encoder, name, list(pictures))
            except DependencyUnavailable:
                raise  # it would meet the others too
            except EncoderError as error:  # of a catalog that cannot be served either
                log.error("embeddings_not_mended", catalog=name, error=error.detail)
                failed.add(name)
            except Exception:
                log.exception("embeddings_not_mended", catalog=name)
                failed.add(name)
    if mended:
        log.info("embeddings_mended", pictures=mended)
    return mended


def _embed(backend: Backend, open_encoder: OpenEncoder, name: str, lost: list[LostPicture]) -> int:
    with backend.database.read() as connection:
        catalog = catalogs.get(connection, name)
    pixels: dict[int, Pixels] = {}
    reasons: dict[int, str] = {}
    for each in lost:
        try:
            pixels[each.pk] = picture_pixels(backend, catalog.encoder, each.sha256)
        except ImageError as error:
            reasons[each.pk] = error.detail
    vectors, usable = np.empty((0, catalog.dimension), np.float32), np.empty(0, np.bool_)
    if pixels:
        encoder = open_encoder(catalog.encoder)
        require_same_encoder(catalog, encoder.fingerprint)
        vectors = encoder.embed_pixels(np.stack(list(pixels.values())))
        usable = are_unit(vectors)
    rows = {pk: row for row, pk in enumerate(pixels) if usable[row]}
    reasons |= dict.fromkeys(pixels.keys() - rows.keys(), NO_EMBEDDING["detail"])
    segment = segments.put(backend.blobs, vectors) if rows else ""
    with backend.database.write() as connection:
        revision = catalogs.next_revision(connection, catalog.pk)
        embeddings.note(connection, catalog.fingerprint, segment, rows)
        damage.mended(connection, catalog.fingerprint, list(rows), revision)
        damage.fail(connection, reasons)
    backend.announce(catalog.pk)
    return len(rows)
