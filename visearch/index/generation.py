"""A generation: an immutable, checksummed folder that contains the base of an index.

    manifest.json   what this is, and the size and SHA-256 of every other file
    keys.npy        int64 [n], image keys, ascending
    codes.npy       int16 [n, d], the vectors in the order of their keys (``coded.py``)
    steps.npy       float32 [n], the factor that scales each vector
    scann/          the tree (absent if every vector is scored)

It is built beside its final place, and renamed once it is complete and has been read back. So a
folder with a generation's name is either complete or damaged later, never half written.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visearch.errors import Conflict, EncoderMismatch, GenerationCorrupt
from visearch.index import scann
from visearch.index.aside import aside, file_names, flush
from visearch.index.coded import Coded, encode
from visearch.index.exact import Found, blocks
from visearch.index.manifest import NAME, Manifest, entry, read_manifest, write_manifest
from visearch.index.recall import Sample
from visearch.index.scoring import (
    Floats,
    Keys,
    Rows,
    check_count,
    check_keys,
    check_metric,
    check_shape,
    squared_norms,
)
from visearch.index.searcher import Searcher, load
from visearch.records import TARGET_RECALL, Metric

BRUTE_FORCE_LIMIT = 20_000
"""Scoring this many takes half a millisecond; ScaNN's guide also advises this limit."""


@dataclass(frozen=True, eq=False)
class Generation:
    """An open generation; any number of threads may search it at once.

    ``coded`` are the vectors [n, d]; ``keys`` int64 [n], ascending; ``searcher`` is None if
    every vector is scored.
    """

    manifest: Manifest
    coded: Coded
    keys: Keys
    searcher: Searcher | None

    def search(self, queries: NDArray[Any], k: int) -> tuple[Rows, Floats]:
        """Return rows int64 [q, k'] and exact scores float32 [q, k'], k' = min(k, n).

        Best first, ties by lower row, which is the lower key. A tree, if there is one, may miss
        rows (``manifest.recall``); a place that it could not fill holds row -1 and score -inf.

        Raises ValueError for a wrong dtype or shape, k < 1 or a query that is not finite (or,
        for ``cosine``, not a unit vector).
        """
        check_count(k)
        check_shape(queries, self.manifest.dimension)
        squared_norms(queries, self.manifest.metric)
        if self.searcher is None or len(queries) == 0:  # ScaNN refuses an empty batch
            return _score_all(self.coded, queries, k)
        return self.searcher.search(queries, k, self.coded)

    def nearest(self, query: Floats, k: int) -> Found:
        """Return what ``search`` does, without empty places, for one query [d] already checked."""
        if self.searcher is None:
            return self.coded.best(query, k)
        return self.searcher.nearest(query, k, self.coded)

    def row_of(self, keys: Keys) -> Rows:
        """Return the row, int64 [r], of each key int64 [r]; -1 where there is none."""
        check_keys(keys)
        if self.keys.size == 0:
            return np.full(keys.shape, -1, np.int64)
        rows = np.minimum(np.searchsorted(self.keys, keys), self.keys.size - 1)
        return np.where(self.keys[rows] == keys, rows, -1).astype(np.int64)


def write(
    folder: Path,
    vectors: Floats,
    keys: Keys,
    *,
    id: str,
    catalog: int,
    revision: int,
    fingerprint: str,
    metric: Metric,
    brute_force_limit: int = BRUTE_FORCE_LIMIT,
    target_recall: float = TARGET_RECALL,
    threads: int = 1,
) -> Manifest:
    """Write vectors float32 [n, d] (maybe memory-mapped) of keys int64 [n] as ``folder``.

    The keys must ascend. Up to ``brute_force_limit`` vectors, a search scores every one; above it
    a tree is built. Everything is written to a hidden sibling of ``folder``, which is flushed to
    disk, opened once as a reader would, and renamed. A failure before the rename leaves nothing
    behind (a killed process leaves the sibling; the caller removes it). Memory holds the codes
    and, while a tree is built, ScaNN's copy of the vectors.

    Raises Conflict if ``folder`` exists, and ValueError for a wrong dtype or shape, keys that do
    not ascend, or vectors that are not finite or, for ``cosine``, not unit vectors.
    """
    check_metric(metric)
    _check_ascending(keys, vectors)
    if folder.exists():
        raise Conflict(f"Generation {folder.name} exists and is immutable. Use another name.")
    with aside(folder) as part:
        coded = _write_arrays(part, vectors, keys, metric)
        sample = Sample(vectors, metric) if len(keys) else None
        searcher = None
        if sample and len(keys) >= max(brute_force_limit + 1, scann.SMALLEST_TREE):
            searcher = scann.build(
                vectors, coded, sample, target_recall=target_recall, threads=threads
            )
            (part / "scann").mkdir()
            searcher.save(part / "scann")
        manifest = Manifest(
            id=id,
            catalog=catalog,
            revision=revision,
            fingerprint=fingerprint,
            metric=metric,
            dimension=vectors.shape[1],
            count=len(keys),
            searcher=asdict(searcher.settings) if searcher else None,
            recall=_recall(searcher, coded, sample) if sample else None,
            files={name: entry(part / name) for name in file_names(part)},
        )
        write_manifest(part, manifest)
        flush(part)
        open_generation(part, fingerprint=fingerprint)
    return manifest


def open_generation(folder: Path, *, fingerprint: str) -> Generation:
    """Check every byte of a generation, then open it.

    Raises EncoderMismatch if its vectors are not from the encoder ``fingerprint``, and
    GenerationCorrupt, which names the file, if anything is missing, added or changed.
    """
    manifest = read_manifest(folder)
    if manifest.fingerprint != fingerprint:
        raise EncoderMismatch(
            f"Generation {folder.name} contains vectors of encoder {manifest.fingerprint}, "
            f"not of {fingerprint}. Reindex the catalog with this encoder."
        )
    try:
        _check_files(folder, manifest)
        keys, codes, steps = (
            np.load(folder / f"{name}.npy", allow_pickle=False)
            for name in ("keys", "codes", "steps")
        )
        searcher = load(folder / "scann") if manifest.searcher is not None else None
    except (OSError, ValueError) as error:
        raise _corrupt(folder, f"it cannot be loaded: {error}") from error
    _check_arrays(folder, manifest, keys, codes, steps, searcher)
    for array in (keys, codes, steps):
        array.setflags(write=False)
    coded = Coded(codes=codes, steps=steps, metric=manifest.metric)
    return Generation(manifest, coded, keys, searcher)


def _check_ascending(keys: Keys, vectors: Floats) -> None:
    check_keys(keys)
    check_shape(vectors)
    if len(keys) != len(vectors):
        raise ValueError(f"There are {len(keys)} keys for {len(vectors)} vectors.")
    if (np.diff(keys) <= 0).any():
        raise ValueError("The keys must ascend.")


def _write_arrays(part: Path, vectors: Floats, keys: Keys, metric: Metric) -> Coded:
    codes, steps = np.empty(vectors.shape, np.int16), np.empty(len(vectors), np.float32)
    for first, block in blocks(vectors):
        squared_norms(block, metric)
        rows = slice(first, first + len(block))
        codes[rows], steps[rows] = encode(block)
    for name, array in (("keys", keys), ("codes", codes), ("steps", steps)):
        np.save(part / f"{name}.npy", array)
    return Coded(codes=codes, steps=steps, metric=metric)


def _recall(searcher: Searcher | None, coded: Coded, sample: Sample) -> float:
    if searcher:
        return searcher.settings.recall
    return sample.recall(lambda queries, k: _score_all(coded, queries, k))


def _score_all(coded: Coded, queries: Floats, k: int) -> tuple[Rows, Floats]:
    shape = len(queries), min(k, len(coded))
    rows, scores = np.empty(shape, np.int64), np.empty(shape, np.float32)
    for i, query in enumerate(queries):
        rows[i], scores[i] = coded.best(query, k)
    return rows, scores


def _corrupt(folder: Path, what: str) -> GenerationCorrupt:
    return GenerationCorrupt(f"Generation {folder.name}: {what}")


def _check_files(folder: Path, manifest: Manifest) -> None:
    """Refuse missing, additional and changed files before anything parses them."""
    different = set(file_names(folder)) ^ {NAME, *manifest.files}
    if different:
        raise _corrupt(folder, f"missing or unexpected files: {sorted(different)}.")
    for name, expected in manifest.files.items():
        path = folder / name
        whole = not path.is_symlink() and path.is_file()
        if not whole or path.stat().st_size != expected.bytes or entry(path) != expected:
            raise _corrupt(folder, f"{name} has changed since it was written.")


def _check_arrays(
    folder: Path,
    manifest: Manifest,
    keys: Keys,
    codes: NDArray[Any],
    steps: NDArray[Any],
    searcher: Searcher | None,
) -> None:
    settings = searcher.settings if searcher else None
    fits = settings is None or (settings.count, settings.metric) == (
        manifest.count,
        manifest.metric,
    )
    same = (asdict(settings) if settings else None) == manifest.searcher
    kinds = (keys.dtype, codes.dtype, steps.dtype), (keys.shape, codes.shape, steps.shape)
    n, d = manifest.count, manifest.dimension
    expected = (np.dtype("<i8"), np.dtype("<i2"), np.dtype("<f4")), ((n,), (n, d), (n,))
    whole = all(array.flags.c_contiguous for array in (keys, codes, steps))
    if kinds != expected or not (whole and fits and same and np.isfinite(steps).all()):
        raise _corrupt(folder, f"its arrays or searcher do not match {NAME}.")
