"""Golden queries in the comparison of two encoders: how many find what they ought to."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import structlog

from visearch.backend import Backend
from visearch.encoders.protocol import PixelEncoder
from visearch.errors import ImageError
from visearch.images.order import Pixels
from visearch.index.exact import exact_search
from visearch.records import Catalog
from visearch.reindexing.stored import pixels_of
from visearch.searching.weighing import weighed
from visearch.store.changes import Vectors
from visearch.store.golden import TEN, Expected

log = structlog.get_logger(__name__)

_PICTURES = 500
"""Nearest pictures among which the first ten products are looked for: several are of one."""


class GoldenShares:
    """The golden queries of which a product is in the gallery, and how many are answered.

    ``owners`` are the keys of the products of the gallery's pictures.
    """

    def __init__(
        self, backend: Backend, owners: npt.NDArray[np.int64], wanted: Sequence[Expected]
    ) -> None:
        there = set(owners.tolist())
        self._backend, self._owners = backend, owners
        self._wanted = [each for each in wanted if each.product_pks & there]
        self.queries = len(self._wanted)

    def of(self, catalog: Catalog, encoder: PixelEncoder, vectors: Vectors) -> float | None:
        """Return the share that one encoder answers, whose ``vectors`` are the gallery's.

        A query whose picture cannot be used (any more) is left out; None if none is left.
        """
        pixels: list[Pixels] = []
        asked: list[Expected] = []
        for each in self._wanted:
            try:
                pixels.append(pixels_of(self._backend, catalog.encoder, each.picture))
                asked.append(each)
            except ImageError as error:
                log.warning("golden_not_compared", catalog=catalog.name, code=error.code)
        if not asked:
            return None
        embedded = encoder.embed_pixels(np.stack(pixels))
        most = min(_PICTURES, len(vectors))
        rows, _ = exact_search(weighed(embedded, catalog), vectors, most, catalog.metric)
        found = [
            first_products(self._owners[row[row >= 0]].tolist(), TEN) & each.product_pks
            for row, each in zip(rows, asked, strict=True)
        ]
        return round(float(np.mean([bool(products) for products in found])), 4)


def first_products(owners: Sequence[int], most: int) -> set[int]:
    """Return the first different products among the owners of pictures, best picture first."""
    return set(list(dict.fromkeys(owners))[:most])
