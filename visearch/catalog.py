"""Embedded use: a catalog in a folder, in one process, without a server.

    from visearch import Catalog

    with Catalog("shop") as shop:
        shop.add("mug-1", "mug.jpg", title="Blue mug")
        for hit in shop.search("photo.jpg"):
            print(hit.score, hit.product_id, hit.title)

It runs the same use cases as the workers, on the same tables and blobs; a queue of its
own takes the place of Redis. Pictures are decoded in this process: one that meets a flaw in a
decoder may end it, and one that is large takes its memory. A server decodes in others.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
from PIL import Image

from visearch import home_lock, records
from visearch.encoders.encoder import Encoder
from visearch.encoders.runtimes.options import RunOptions
from visearch.encoders.spec import resolve
from visearch.errors import Conflict, ImageCorrupt, ImageError, InvalidRequest, NotFound
from visearch.ids import new_id
from visearch.importing import uploads
from visearch.importing.accept import Mode, accept_file, accept_product
from visearch.importing.previewing import PreviewOrder, preview_upload
from visearch.importing.sources import opened
from visearch.inline import InlineWorker
from visearch.records import Attributes, Focus, Import, Metric
from visearch.searches import Hit, SearchQuery
from visearch.searching.clock import Clock
from visearch.searching.indexes import Indexes
from visearch.searching.service import SearchService
from visearch.settings import Settings
from visearch.store import catalogs, imports, ledger, products, rankings
from visearch.store.migrate import migrate
from visearch.store.rankings import Ranking
from visearch.tables.mapping import choices_of
from visearch.tables.preview import Preview

Picture = str | Path | bytes | Image.Image
BUCKETS = (1, 16, 64)
SEARCH_S = 3600.0


class Catalog:
    """A searchable catalog in a folder. Use it from one thread at a time."""

    def __init__(
        self,
        folder: str | Path,
        name: str = "default",
        *,
        metric: Metric = "cosine",
        encoder: str = "bundled",
    ) -> None:
        """Open the catalog ``name`` in ``folder``; makes both if they do not exist.

        Raises:
            UnknownEncoder: there is no such encoder.
            InvalidRequest: the name may not name a catalog.
            Conflict: the catalog exists with another metric.
            SettingsError: another process, a server say, works in the folder.
        """
        # Whoever adds an archive waits for it, and not for an hour.
        self._settings = Settings(home=Path(folder).resolve(), demo=False, fetch_tries=3)
        home_lock.acquire(self._settings.home)
        try:
            self._open(name, metric, encoder)
        except BaseException:
            home_lock.release(self._settings.home)
            raise

    def _open(self, name: str, metric: Metric, encoder: str) -> None:
        self._name, self._spec = name, encoder
        self._worker = InlineWorker(self._settings, lambda _: self._encoder)
        self._backend = self._worker.backend
        self._database, self._blobs = self._backend.database, self._backend.blobs
        migrate(self._database)
        self._indexes = Indexes(self._database, self._blobs)
        self._service = SearchService(self._backend, self._indexes, self._embed)
        self._ensure(metric)
        self._worker.recover()

    def _ensure(self, metric: Metric) -> None:
        with self._database.write() as connection:
            try:
                known = catalogs.get(connection, self._name)
            except NotFound:
                spec = resolve(self._spec)
                catalogs.create(
                    connection,
                    self._name,
                    title=self._name,
                    metric=metric,
                    encoder=self._spec,
                    fingerprint=spec.fingerprint,
                    dimension=spec.dimension,
                )
                return
        if known.metric != metric:
            raise Conflict(f"catalog {self._name!r} has metric {known.metric!r}, not {metric!r}")
        self._spec = known.encoder

    def __enter__(self) -> Catalog:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the database and give the folder back; what was added is on disk already."""
        self._backend.close_fetcher()
        self._database.close()
        home_lock.release(self._settings.home)

    def __len__(self) -> int:
        """Count the products."""
        with self._database.read() as connection:
            return products.count(connection, catalogs.get(connection, self._name).pk)[0]

    def add(
        self,
        product_id: str,
        *pictures: Picture,
        title: str | None = None,
        url: str | None = None,
        description: str | None = None,
        attributes: Attributes | None = None,
    ) -> None:
        """Add a product, or replace it; it is searchable when this returns.

        Raises:
            ImageError: a picture cannot be used; the others of the product were added.
            InvalidRequest: no picture, or more than ten.
        """
        record = accept_product(
            self._backend,
            self._name,
            product_id,
            [_bytes(picture) for picture in pictures],
            title=title,
            url=url,
            description=description,
            attributes=attributes,
            request_id=new_id(),
        )
        self._worker.work()
        for item in self.failures(record.id):
            raise ImageError(f"{item.path}: {item.detail}", code=item.code)

    def import_file(
        self,
        source: str | Path,
        *,
        mode: Mode = "upsert",
        guard: float | None = None,
        mapping: Mapping[str, Any] | None = None,
    ) -> Import:
        """Import a zip or tar of pictures, a table that names them by URL, a folder, or a URL.

        Returns the finished import with its counts. A picture whose host does not answer is tried
        three times, within a minute.

        Args:
            source: a path, or the URL of such a file.
            mode: ``replace`` removes the products that the file does not name.
            guard: the share of the products that a ``replace`` may remove (a fifth, if none is
                given); one that would remove more fails and changes nothing.
            mapping: what columns hold where that is not guessed, as ``{"Artikelnr": "id"}``.

        Raises:
            ArchiveError: the file is nothing that visearch reads, or above the limits.
            InvalidRequest: the mapping cannot be used.
            VisearchError: the source cannot be read.
        """
        choices = choices_of(dict(mapping or {}))
        with opened(str(source), _unwatched) as file:
            record = accept_file(
                self._backend,
                self._name,
                file.pieces(),
                mode=mode,
                guard=guard,
                request_id=new_id(),
                name=file.name,
                choices=lambda: choices,
            )
        self._worker.work()
        with self._database.read() as connection:
            return imports.by_id(connection, record.id)

    def preview_file(
        self,
        source: str | Path,
        *,
        mode: Mode = "upsert",
        guard: float | None = None,
        mapping: Mapping[str, Any] | None = None,
    ) -> Preview:
        """Say what ``import_file`` would do with the same arguments; changes nothing.

        Raises:
            As ``import_file``.
        """
        choices = choices_of(dict(mapping or {}))
        with opened(str(source), _unwatched) as file:
            kept = uploads.keep(self._backend, self._name, file.pieces(), file.name)
        try:
            order = PreviewOrder(
                catalog=self._name,
                upload=kept.id,
                media=kept.media,
                source=kept.source,
                mode=mode,
                guard=guard,
                choices=choices,
            )
            return preview_upload(self._backend, order)
        finally:
            uploads.discard(self._backend, kept)

    def failures(self, import_id: str) -> list[records.ImportItem]:
        """Return the pictures of an import that failed, with their reasons."""
        with self._database.read() as connection:
            record = imports.by_id(connection, import_id)
            return ledger.items(connection, record, status="failed", limit=10_000)

    def remove(self, product_id: str) -> None:
        """Remove a product; raises NotFound."""
        with self._database.write() as connection:
            products.delete(connection, catalogs.get(connection, self._name), product_id)

    def search(
        self,
        picture: Picture,
        limit: int = 10,
        *,
        filter: dict[str, Any] | None = None,
        group: bool = True,
        focus: Focus | None = None,
    ) -> list[Hit]:
        """Return the products that look most like ``picture``, best first.

        Args:
            picture: a path, the bytes of a picture file, or an open picture.
            limit: most hits returned.
            filter: attributes the products must have; see ``visearch.store.filters``.
            group: one hit per product (its best picture) instead of one per picture.
            focus: what counts: the very ``product``, its ``kind``, or its ``look``.

        Raises:
            ImageError: the picture cannot be used.
            InvalidRequest: the limit is below 1, or the filter is malformed.
        """
        if limit < 1:
            raise InvalidRequest(f"limit is {limit}; it must be 1 or more")
        if focus is not None and focus not in get_args(Focus):
            known = ", ".join(get_args(Focus))
            raise InvalidRequest(f"focus is {focus!r}; it must be one of {known}, or None")
        # Not validated: a page may be longer here than over HTTP.
        query = SearchQuery.model_construct(
            catalog=self._name, limit=limit, filter=filter, group=group, focus=focus
        )
        self._indexes.refresh()
        return self._service.search(query, _bytes(picture), Clock(SEARCH_S)).answer.results

    def fit_ranking(self) -> Ranking:
        """Fit how much each part of the embeddings counts to the catalog's own pictures, now.

        It is done by itself when the catalog has grown by half. Needs some 25 ms of CPU for each of
        at most 400 pictures.

        Returns:
            The weights now in force and what the fit found; see ``visearch.fusion.fit``.

        Raises:
            EncoderMismatch: the catalog's encoder is another one by now.
            Conflict: another process is fitting it.
        """
        with self._database.read() as connection:
            catalog = catalogs.get(connection, self._name)
        self._worker.fit(catalog)
        with self._database.read() as connection:
            return rankings.get(connection, catalog)

    @cached_property
    def _encoder(self) -> Encoder:
        return Encoder.open(self._spec, BUCKETS, RunOptions.of(self._settings))

    def _embed(
        self, _catalog: records.Catalog, pixels: npt.NDArray[np.uint8], _clock: Clock
    ) -> npt.NDArray[np.float32]:
        return np.asarray(self._encoder.embed_pixels(pixels[None])[0])


def _unwatched(_count: int, _size: int | None) -> None:
    """Nobody watches a download."""


def _bytes(picture: Picture) -> bytes:
    """Return the bytes of a picture file, whatever form the picture comes in."""
    if isinstance(picture, bytes):
        return picture
    if isinstance(picture, Image.Image):
        out = io.BytesIO()
        picture.convert("RGB").save(out, "PNG")
        return out.getvalue()
    try:
        return Path(picture).read_bytes()
    except OSError as error:
        raise ImageCorrupt(f"cannot read {picture}: {error.strerror}") from error
