"""Fitting how much each part of the embeddings counts in a catalog, on its own pictures.

It is done in spare time: whenever a catalog has half as many pictures again as at its last fit, or
less than two thirds, and whenever somebody asks for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt
import structlog

from visearch.backend import Backend
from visearch.encoders.layout import parts_of
from visearch.encoders.protocol import OpenEncoder, PixelEncoder
from visearch.errors import Conflict, EncoderMismatch, ImageError, NotFound
from visearch.fusion.alike import class_fields, numbered
from visearch.fusion.draw import COPIES, MOST_PICTURES, draw
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

GROWN_IN_VAIN = 1.1
"""The same where the last fit found too few pictures that differ."""

LEASE_S = 600.0
"""So long a worker may take: it decodes and embeds some hundred pictures."""

INTERRUPTED_S, FAILED_S = 30.0, 600.0
"""So long a worker lets fits be when live work came between, and the catalog whose fit failed."""

BATCH = 32
"""Pictures embedded at a time: a live chunk may have to wait for as many."""


class Interrupted(Exception):
    """Live work is waiting; the fit is begun anew in spare time."""


class Pace:
    """What a worker remembers between its turns: which catalogs need no fit, or have to wait."""

    def __init__(self) -> None:
        self._settled: dict[int, int] = {}  # catalog's key → revision
        self._not_before: dict[int | None, float] = {}  # None: whichever catalog

    def is_settled(self, catalog: Catalog) -> bool:
        """Tell whether the catalog, as it is, was found to need no fit."""
        return self._settled.get(catalog.pk) == catalog.revision

    def settle(self, catalog: Catalog) -> None:
        """Note that the catalog, as it is, needs no fit."""
        self._settled[catalog.pk] = catalog.revision

    def waits(self, catalog: Catalog | None = None) -> bool:
        """Tell whether a catalog, or all of them, had to be put off until later than now."""
        key = catalog.pk if catalog else None
        return time.monotonic() < self._not_before.get(key, 0.0)

    def put_off(self, seconds: float, catalog: Catalog | None = None) -> None:
        """Let a catalog, or all of them, wait for so long from now."""
        self._not_before[catalog.pk if catalog else None] = time.monotonic() + seconds


def fit_due(
    backend: Backend,
    open_encoder: OpenEncoder,
    busy: Callable[[], bool],
    worker: str,
    pace: Pace,
) -> bool:
    """Fit one catalog that needs it and that no import is changing; False if there was none.

    Args:
        backend: the adapters.
        open_encoder: opens the encoder of a spec.
        busy: tells whether live work is waiting; a fit is then given up.
        worker: the name of the worker whose turn it is.
        pace: what this worker remembers.

    Raises:
        As ``fit_catalog``. The catalog then waits for a while.
    """
    if pace.waits() or busy():
        return False
    for catalog in _candidates(backend, pace):
        with backend.database.read() as connection:
            ranking = rankings.get(connection, catalog)
            _, pictures = products.count(connection, catalog.pk)
        if ranking.held_by not in (None, worker):
            continue
        if not (ranking.asked or needs_fit(ranking, pictures)):
            pace.settle(catalog)
            continue
        pace.put_off(FAILED_S, catalog)
        try:
            fit_now(backend, catalog, open_encoder, worker, busy)
        except (Conflict, Interrupted):  # another worker was faster, or there is live work
            pace.put_off(INTERRUPTED_S)
        except NotFound:
            log.info("deleted_while_fitted", catalog=catalog.name)
        else:
            pace.settle(catalog)
        pace.put_off(0.0, catalog)
        return True
    return False


def _candidates(backend: Backend, pace: Pace) -> list[Catalog]:
    with backend.database.read() as connection:
        asked = rankings.asked(connection)
        return [
            catalog
            for catalog in catalogs.everything(connection)
            if len(parts_of(catalog.fingerprint, catalog.dimension)) > 1
            and (catalog.pk in asked or not pace.is_settled(catalog))
            and not pace.waits(catalog)
            and not imports.any_active(connection, catalog.pk)
        ]


def needs_fit(ranking: rankings.Ranking, pictures: int) -> bool:
    """Tell whether a catalog of so many pictures is another than at its last fit."""
    before = ranking.pictures
    if before is None:
        return pictures >= FEWEST
    if ranking.fit is None:
        return pictures >= max(FEWEST, GROWN_IN_VAIN * before)
    return pictures > GROWN * before or GROWN * pictures < before


def fit_now(
    backend: Backend,
    catalog: Catalog,
    open_encoder: OpenEncoder,
    worker: str,
    busy: Callable[[], bool] = bool,
) -> None:
    """Fit a catalog.

    Raises:
        Conflict: another worker is fitting it.
        NotFound: it was deleted.
        Otherwise as ``fit_catalog``.
    """
    with backend.database.write() as connection:
        catalogs.lock_live(connection, catalog.pk)
        _, pictures = products.count(connection, catalog.pk)
        if not rankings.take(connection, catalog, worker, LEASE_S):
            raise Conflict("Another worker is fitting this catalog's weights. Try again later.")
    try:
        found = fit_catalog(backend, catalog, open_encoder, busy)
        with backend.database.write() as connection:
            catalogs.lock_live(connection, catalog.pk)
            if not rankings.note_fit(connection, catalog, worker, found, pictures):
                raise Conflict("The fit took too long, and another worker has taken it over.")
    finally:
        with backend.database.write() as connection:
            rankings.give_back(connection, catalog, worker)
    backend.announce(catalog.pk)


def fit_catalog(
    backend: Backend,
    catalog: Catalog,
    open_encoder: OpenEncoder,
    busy: Callable[[], bool],
) -> dict[str, Any] | None:
    """Return what ``fusion.fit`` finds, as JSON; None if too few pictures differ.

    None, too, if the embeddings have one part.

    Raises:
        EncoderMismatch: the catalog's encoder is another one by now.
        Interrupted: ``busy()`` says that live work is waiting, or pictures were removed just now.
        DependencyUnavailable: the blob store does not answer, or no decoder is free.
    """
    if len(parts_of(catalog.fingerprint, catalog.dimension)) == 1:
        return None
    encoder = open_encoder(catalog.encoder)
    if encoder.fingerprint != catalog.fingerprint:
        raise EncoderMismatch(
            f"The encoder {catalog.encoder!r} is {encoder.fingerprint} now, not "
            f"{catalog.fingerprint}. Reindex the catalog."
        )
    with backend.database.read() as connection:
        stored = changes.live_at(connection, catalog, catalog.revision)
    chosen = stored.at(draw(len(stored.keys), MOST_PICTURES))
    kept, vectors = segments.load(backend.database, backend.blobs, chosen, catalog.dimension)
    with backend.database.read() as connection:
        pictures = images.pictured(connection, kept.keys.tolist())
    if busy() or len(pictures) < len(kept.keys):
        raise Interrupted
    # Many products may have one picture, such as that there is none: it is taken once.
    firsts = {picture.sha256: place for place, picture in reversed([*enumerate(pictures)])}
    once = np.sort(np.asarray([*firsts.values()], np.intp))
    if len(once) < FEWEST:
        return None
    pictures = [pictures[place] for place in once.tolist()]
    copied = draw(len(pictures), COPIES)
    found = _fitted(backend, catalog, encoder, vectors[once], pictures, copied, busy)
    return None if found is None else asdict(found)


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
