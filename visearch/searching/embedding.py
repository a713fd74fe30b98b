"""A query becomes a vector: its picture is decoded and encoded, or a product's is looked up."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt

from visearch.backend import Backend
from visearch.encoders.spec import require_same_encoder, resolve
from visearch.errors import DependencyUnavailable, InvalidRequest, SearchExpired
from visearch.images import Limits, crop_box, decode
from visearch.images.denoise import denoised
from visearch.index.scoring import are_unit
from visearch.records import Catalog
from visearch.searches import SearchQuery
from visearch.searching.clock import Clock
from visearch.store import changes, segments

Vector = npt.NDArray[np.float32]

Embed = Callable[[Catalog, npt.NDArray[np.uint8], Clock], Vector]
"""``embed(catalog, pixels uint8 [size, size, 3], time it may take)`` → unit float32 [d]; may batch
callers.
"""

CONCURRENT_DECODES = 2
"""A picture of 64 Mpx takes up to 0.8 GB while it is decoded; this bounds the sum."""


class QueryEmbedder:
    """Turns queries into vectors, a few pictures at a time."""

    def __init__(self, backend: Backend, embed: Embed) -> None:
        self._backend, self._embed = backend, embed
        self._limits = Limits.of(backend.settings)
        self._decoding = threading.BoundedSemaphore(CONCURRENT_DECODES)

    def vector(
        self, query: SearchQuery, picture: bytes | None, catalog: Catalog, clock: Clock
    ) -> Vector:
        """Return the unit vector float32 [d] of ``picture``, or of the query's product.

        Raises:
            SearchExpired: its turn to be decoded or encoded has not come in time.
            ImageError: the picture cannot be used.
            InvalidRequest: the box is malformed, or the encoder finds nothing in the picture.
            NotFound: no such product.
            EncoderMismatch: the catalog's encoder has changed under it.
        """
        if query.product is not None:
            vector = self._stored(query.product.id, catalog, clock)
        elif picture is None:
            raise InvalidRequest("The picture was lost before it was read. Send it again.")
        else:
            vector = self._encoded(query, picture, catalog, clock)
        if not are_unit(vector[None])[0]:
            raise InvalidRequest("The encoder finds nothing in this picture. Send another one.")
        return vector

    def _stored(self, product: str, catalog: Catalog, clock: Clock) -> Vector:
        with clock.part("encode"):
            with self._backend.database.read() as connection:
                stored = changes.first_picture(connection, catalog, product)
            kept, vectors = segments.load(
                self._backend.database, self._backend.blobs, stored, catalog.dimension
            )
            if not len(kept.keys):
                detail = f"The embedding of product {product!r} is damaged and is made again."
                raise DependencyUnavailable(detail, "blob store")
            return np.asarray(vectors[0])

    def _encoded(
        self, query: SearchQuery, picture: bytes, catalog: Catalog, clock: Clock
    ) -> Vector:
        spec = resolve(catalog.encoder)
        require_same_encoder(catalog, spec.fingerprint)
        with clock.part("decode"), self._turn_to_decode(clock):
            # With a box the cut decides how many pixels are needed: decode in full.
            at_least = None if query.box else spec.preprocess.at_least
            image = decode(picture, self._limits, at_least=at_least)
            if query.box:
                image = crop_box(image, query.box)
            if self._backend.settings.denoise_queries:
                image = denoised(image)
            pixels = spec.preprocess.pixels(image)
        with clock.part("encode"):
            return self._embed(catalog, pixels, clock)

    @contextmanager
    def _turn_to_decode(self, clock: Clock) -> Iterator[None]:
        if not self._decoding.acquire(timeout=clock.left()):
            raise SearchExpired("Other pictures were being decoded until the deadline.")
        try:
            yield
        finally:
            self._decoding.release()
