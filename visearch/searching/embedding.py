"""A query becomes a vector: its picture is decoded and encoded, or a product's is looked up."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from visearch.backend import Backend
from visearch.encoders.spec import require_same_encoder, resolve
from visearch.errors import DependencyUnavailable, InvalidRequest, SearchExpired
from visearch.images.order import Order, Pixels
from visearch.index.scoring import are_unit
from visearch.records import Catalog
from visearch.searches import SearchQuery
from visearch.searching.clock import Clock
from visearch.store import changes, segments

Vector = npt.NDArray[np.float32]

Embed = Callable[[Catalog, Pixels, Clock], Vector]
"""``embed(catalog, pixels uint8 [size, size, 3], time it may take)`` → unit float32 [d]; may batch
callers.
"""


class QueryEmbedder:
    """Turns queries into vectors. What is a stranger's goes to the decoders."""

    def __init__(self, backend: Backend, embed: Embed) -> None:
        self._backend, self._embed = backend, embed

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
        order = Order(
            preprocess=spec.preprocess,
            box=query.box,
            denoise=self._backend.settings.denoise_queries,
        )
        with clock.part("decode"):
            try:
                pixels = self._backend.decoders.pixels(picture, order, clock.left())
            except TimeoutError as error:
                detail = "The picture, or those before it, was being decoded until the deadline."
                raise SearchExpired(detail) from error
        with clock.part("encode"):
            return self._embed(catalog, pixels, clock)
