"""Fitting how much each part of the embeddings counts in a catalog, on its own pictures.

It is done in spare time: whenever a catalog has half as many pictures again as at its last fit, or
half as many, and whenever somebody asks for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import structlog

from visearch.backend import Backend
from visearch.background import take_steps
from visearch.encoders.layout import parts_of
from visearch.encoders.protocol import OpenEncoder, PixelEncoder
from visearch.errors import EncoderMismatch, ImageError
from visearch.fusion.alike import class_fields, numbered
from visearch.fusion.draw import draw
from visearch.fusion.fit import FEWEST, Fit, Sample, fit
from visearch.fusion.weights import of_a_plain_product
from visearch.images.order import Pixels
from visearch.records import Catalog
from visearch.reindexing.stored import picture_pixels
from visearch.searching.weighing import default_weights
from visearch.store import catalogs, changes, images, imports, products, rankings, segments
from visearch.store.images import Pictured

log = structlog.get_logger(__name__)

GROWN = 1.5
"""A catalog is fitted again when it has so many times as many pictures, or so much fewer."""

LEASE_S = 600.0
"""So long a worker may take: it decodes and embeds some hundred pictures."""

BATCH = 32
"""Pictures embedded at a time: a live chunk may have to wait for as many."""

Seen = dict[int, int]
"""Catalog's key → the revision at which it was found to need no fit."""


class Interrupted(Exception):
    """Live work is waiting; the fit is begun anew in spare time."""


def fit_due(
    backend: Backend,
    open_encoder: OpenEncoder,
    busy: Callable[[], bool],
    worker: str,
    seen: Seen,
) -> None:
    """Fit the catalogs that need it and that no import is changing.

    Args:
        backend: the adapters.
        open_encoder: opens the encoder of a spec.
        busy: tells whether live work is waiting; a fit is then given up.
        worker: the name of the worker whose turn it is.
        seen: what this worker remembers.
    """
    with backend.database.read() as connection:
        asked = rankings.asked(connection)
        due = [
            catalog
            for catalog in catalogs.everything(connection)
            if len(parts_of(catalog.fingerprint, catalog.dimension)) > 1
            and (catalog.pk in asked or seen.get(catalog.pk) != catalog.revision)
            and not imports.any_active(connection, catalog.pk)
        ]

    def step(catalog: Catalog) -> None:
        with backend.database.read() as connection:
            ranking = rankings.get(connection, catalog)
            _, pictures = products.count(connection, catalog.pk)
        is_due = ranking.asked or needs_fit(ranking, pictures)
        if not is_due or fit_now(backend, catalog, open_encoder, worker, busy):
            seen[catalog.pk] = catalog.revision

    take_steps("ranking_not_fitted", {each.name: partial(step, each) for each in due})


def needs_fit(ranking: rankings.Ranking, pictures: int) -> bool:
    """Tell whether a catalog of so many pictures is another than at its last fit."""
    before = ranking.pictures
    if before is None:
        return pictures >= FEWEST
    return pictures > GROWN * max(before, FEWEST / GROWN) or GROWN * pictures < before


def fit_now(
    backend: Backend,
    catalog: Catalog,
    open_encoder: OpenEncoder,
    worker: str,
    busy: Callable[[], bool] = bool,
) -> bool:
    """Fit a catalog unless another worker does; False if live work came in between.

    Raises:
        As ``fit_catalog``, but for ``Interrupted``.
    """
    with backend.database.write() as connection:
        catalogs.lock_live(connection, catalog.pk)
        if not rankings.take(connection, catalog, worker, LEASE_S):
            return True
    try:
        found, pictures = fit_catalog(backend, catalog, open_encoder, busy)
    except Interrupted:
        with backend.database.write() as connection:
            rankings.give_back(connection, catalog, worker)
        return False
    with backend.database.write() as connection:
        catalogs.lock_live(connection, catalog.pk)
        rankings.note_fit(connection, catalog, worker, found, pictures)
    backend.announce(catalog.pk)
    return True


def fit_catalog(
    backend: Backend,
    catalog: Catalog,
    open_encoder: OpenEncoder,
    busy: Callable[[], bool],
) -> tuple[dict[str, Any] | None, int]:
    """Return what ``fusion.fit`` finds, as JSON, or None, and how many pictures the catalog has.

    Raises:
        EncoderMismatch: the catalog's encoder is another one by now.
        Interrupted: ``busy()`` says that live work is waiting.
        DependencyUnavailable: the blob store does not answer, or no decoder is free.
    """
    encoder = open_encoder(catalog.encoder)
    if encoder.fingerprint != catalog.fingerprint:
        raise EncoderMismatch(
            f"The encoder {catalog.encoder!r} is {encoder.fingerprint} now, not "
            f"{catalog.fingerprint}. Reindex the catalog."
        )
    with backend.database.read() as connection:
        stored = changes.live_at(connection, catalog, catalog.revision)
    chosen, copied = draw(len(stored.keys))
    kept, vectors = segments.load(
        backend.database, backend.blobs, stored.at(chosen), catalog.dimension
    )
    with backend.database.read() as connection:
        pictures = images.pictured(connection, kept.keys.tolist())
    if len(pictures) < len(kept.keys):
        raise Interrupted  # some were removed just now
    # Many products may have one picture, such as that there is none: it is taken once.
    firsts = {picture.sha256: place for place, picture in reversed([*enumerate(pictures)])}
    once = np.sort(np.asarray([*firsts.values()], np.intp))
    pictures = [pictures[place] for place in once.tolist()]
    copied = copied[copied < len(pictures)]
    found = None
    if len(pictures) >= FEWEST:
        found = _fitted(backend, catalog, encoder, vectors[once], pictures, copied, busy)
    return None if found is None else asdict(found), len(stored.keys)


def _fitted(
    backend: Backend,
    catalog: Catalog,
    encoder: PixelEncoder,
    vectors: changes.Vectors,
    pictures: Sequence[Pictured],
    copied: npt.NDArray[np.intp],
    busy: Callable[[], bool],
) -> Fit | None:
    parts = parts_of(catalog.fingerprint, catalog.dimension)
    of: list[int] = []
    copies = [np.empty((0, catalog.dimension), np.float32)]
    for places, pixels in _copies(backend, catalog, pictures, copied):
        if busy():
            raise Interrupted
        of += places
        copies.append(encoder.embed_pixels(np.stack(pixels)))
    default = default_weights(catalog) or of_a_plain_product(vectors[0], parts)
    sample = Sample(vectors, np.concatenate(copies), np.asarray(of, np.intp), _alike(pictures))
    return fit(sample, parts, default)


def _copies(
    backend: Backend,
    catalog: Catalog,
    pictures: Sequence[Pictured],
    copied: npt.NDArray[np.intp],
) -> Iterator[tuple[list[int], list[Pixels]]]:
    """Yield batches of edited copies; pictures that cannot be read any more are left out."""
    for start in range(0, len(copied), BATCH):
        made: dict[int, Pixels] = {}
        for place in copied[start : start + BATCH].tolist():
            digest = pictures[place].sha256
            try:
                made[place] = picture_pixels(backend, catalog.encoder, digest, edits=place)
            except ImageError as error:
                log.warning("picture_not_copied", picture=digest, code=error.code)
        if made:
            yield list(made), list(made.values())


def _alike(pictures: Sequence[Pictured]) -> list[npt.NDArray[np.int64]]:
    """Return which pictures are of one product, and which have the same value of an attribute."""
    owners = np.asarray([picture.product_pk for picture in pictures], np.int64)
    attributes = [picture.attributes for picture in pictures]
    fields = class_fields(attributes)
    return [owners, *(numbered([each.get(field) for each in attributes]) for field in fields)]
