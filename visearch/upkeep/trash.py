"""Trash: pictures, thumbnails and embeddings go some days after the last product that has them.

A blob may be named again at any moment, by an upload of the same picture. Whoever stores a blob
writes it anew unless it is younger than ``FRESH_S`` (``Blobs.put_digest``), and a blob is deleted
only if it is at least twice as old at that very moment: what is about to be named is never deleted.
An import that runs for longer than that holds off all deletion.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice

import structlog

from visearch.backend import Backend
from visearch.store import embeddings, images, imports, trash
from visearch.store.blobs import FRESH_S

log = structlog.get_logger(__name__)

KEPT_S = 2 * FRESH_S
DAMAGED_KEPT_S = 30 * 24 * 3600
EVERY_S = 6 * 3600
BATCH = 500

Named = Callable[[list[str]], set[str]]
"""Which of some digests are named."""


class Bin:
    """Empties the trash now and then, not whenever it is asked."""

    def __init__(self) -> None:
        self._next = 0.0

    def empty_if_due(self, backend: Backend) -> None:
        """Empty the trash unless that was done within the last hours."""
        if time.monotonic() >= self._next:
            empty(backend)
            self._next = time.monotonic() + EVERY_S


def empty(backend: Backend) -> int:
    """Note what nothing names, and delete what nothing has named for days; returns how many."""
    with backend.database.read() as connection:
        if imports.oldest_active_age_s(connection) > FRESH_S:
            return 0
        segments = embeddings.segments(connection)
    deleted = 0
    for folder in ("pictures", "thumbnails"):
        deleted += _sweep(backend, folder, partial(_of_products, backend, folder))
    deleted += _sweep(backend, "segments", segments.intersection)
    for folder, age in (("damaged", DAMAGED_KEPT_S), ("partial", FRESH_S)):
        for name in backend.blobs.older(folder, age):
            backend.blobs.delete(name)
    if deleted:
        log.info("trash_emptied", blobs=deleted)
    return deleted


def _of_products(backend: Backend, folder: str, digests: list[str]) -> set[str]:
    with backend.database.read() as connection:
        return images.named(connection, folder, digests)


def _sweep(backend: Backend, folder: str, named: Named) -> int:
    deleted = 0
    for names in _batches(backend.blobs.older(folder, KEPT_S)):
        used = {f"{folder}/{digest}" for digest in named([n.rpartition("/")[2] for n in names])}
        with backend.database.read() as connection:
            known = trash.since(connection, names)
        due = time.time() - KEPT_S
        doomed = [n for n, since in known.items() if n not in used and since <= due]
        for name in doomed:
            deleted += backend.blobs.delete_old(name, KEPT_S)
        with backend.database.write() as connection:
            trash.add(connection, [n for n in names if n not in used and n not in known])
            # Also those that were just stored again: they have their time anew.
            trash.take_out(connection, [*doomed, *(used & known.keys())])
    return deleted


def _batches(names: Iterable[str]) -> Iterator[list[str]]:
    source = iter(names)
    while batch := list(islice(source, BATCH)):
        yield batch
