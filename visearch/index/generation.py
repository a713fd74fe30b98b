"""One generation: an immutable, checksummed folder that holds the base of an index.

    manifest.json   what this is, and the size and SHA-256 of every other file
    vectors.npy     float32 [n, d], in the order of their keys
    keys.npy        int64 [n], image keys, ascending
    scann/          the searcher (absent where n is 0)

It is built beside its place and renamed into it when it is whole and has been read back, so a
folder of the right name is either a generation or damaged, never half of one.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from visearch.errors import Conflict, EncoderMismatch, GenerationCorrupt
from visearch.index import scann
from visearch.index.aside import aside, file_names, flush
from visearch.index.exact import nothing
from visearch.index.manifest import NAME, Manifest, entry, read_manifest, write_manifest
from visearch.index.scoring import (
    Floats,
    Keys,
    Rows,
    check_keys,
    check_metric,
    check_shape,
    squared_norms,
)
from visearch.index.searcher import Searcher, SearcherSettings, load
from visearch.index.stored import StoredVectors
from visearch.records import TARGET_RECALL, Metric

_COPY_ROWS = 8192


@dataclass(frozen=True, eq=False)
class Generation:
    """An open generation; any number of threads may search it at once.

    ``vectors`` is float32 [n, d], in its file; ``keys`` int64 [n], ascending; ``searcher`` is
    None where n is 0.
    """

    manifest: Manifest
    vectors: StoredVectors
    keys: Keys
    searcher: Searcher | None

    @property
    def scores_everything(self) -> bool:
        """Whether the searcher looks at every vector instead of the likely ones."""
        return self.searcher is None or not self.searcher.settings.leaves

    def search(self, queries: NDArray[Any], k: int) -> tuple[Rows, Floats]:
        """Return rows int64 [q, k'] and exact scores float32 [q, k'], k' = min(k, n).

        Best first, ties by lower row, which is lower key. Which rows are found is up to ScaNN
        (``manifest.recall``); a place it could not fill holds row -1 and score -inf. Raises
        ValueError as ``Searcher.search`` does.
        """
        if self.searcher is None:
            return np.empty((len(queries), 0), np.int64), np.empty((len(queries), 0), np.float32)
        return self.searcher.search(queries, k, self.vectors)

    def nearest(self, query: Floats, k: int) -> tuple[Rows, Floats]:
        """Return what ``search`` does, less empty places, for one query [d] already checked."""
        if self.searcher is None:
            return nothing()
        return self.searcher.nearest(query, k, self.vectors)

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
    brute_force_limit: int = scann.BRUTE_FORCE_LIMIT,
    target_recall: float = TARGET_RECALL,
    threads: int = 1,
) -> Manifest:
    """Write vectors float32 [n, d] (maybe memory-mapped) of unique keys int64 [n] as ``folder``.

    The rows are sorted by key. Everything is built in a hidden sibling of ``folder``, flushed
    to disk, opened once as a reader would, and renamed; whatever fails before that leaves
    nothing behind (a killed process leaves the sibling, for the caller to sweep).

    Raises Conflict if ``folder`` exists, ValueError for a wrong dtype or shape, a repeated
    key, or vectors that are not finite or, for ``cosine``, not unit vectors.
    """
    check_metric(metric)
    by_key = _sorting(keys, vectors)
    if folder.exists():
        raise Conflict(f"Generation {folder.name} exists; generations are immutable.")
    with aside(folder) as part:
        longest = _write_arrays(part, vectors, keys, by_key, metric)
        settings = _write_searcher(part, metric, brute_force_limit, target_recall, threads)
        manifest = Manifest(
            id=id,
            catalog=catalog,
            revision=revision,
            fingerprint=fingerprint,
            metric=metric,
            dimension=vectors.shape[1],
            count=len(keys),
            longest=longest,
            searcher=asdict(settings) if settings else None,
            recall=settings.recall if settings else None,
            files={name: entry(part / name) for name in file_names(part)},
        )
        write_manifest(part, manifest)
        flush(part)
        open_generation(part, fingerprint=fingerprint)
    return manifest


def open_generation(folder: Path, *, fingerprint: str) -> Generation:
    """Open a generation after checking every byte of it.

    Raises EncoderMismatch if its vectors are not of the encoder ``fingerprint``, and
    GenerationCorrupt, naming the file, if anything is missing, added or changed.
    """
    manifest = read_manifest(folder)
    if manifest.fingerprint != fingerprint:
        raise EncoderMismatch(
            f"Generation {folder.name} holds vectors of encoder {manifest.fingerprint}, "
            f"not of {fingerprint}; index the catalog again with this encoder."
        )
    try:
        _check_files(folder, manifest)
        vectors = StoredVectors(folder / "vectors.npy")
        keys: Keys = np.load(folder / "keys.npy", allow_pickle=False)
        searcher = load(folder / "scann") if manifest.searcher is not None else None
    except (OSError, ValueError) as error:
        raise GenerationCorrupt(f"{folder.name} cannot be loaded: {error}") from error
    _check_arrays(folder, manifest, vectors, keys, searcher)
    keys.setflags(write=False)
    return Generation(manifest, vectors, keys, searcher)


def _sorting(keys: Keys, vectors: Floats) -> NDArray[np.intp]:
    check_keys(keys)
    check_shape(vectors)
    if len(keys) != len(vectors):
        raise ValueError(f"{len(keys)} keys for {len(vectors)} vectors")
    by_key = np.argsort(keys, kind="stable")
    if (np.diff(keys[by_key]) == 0).any():
        raise ValueError("keys must be unique")
    return by_key


def _write_arrays(
    part: Path, vectors: Floats, keys: Keys, by_key: NDArray[np.intp], metric: Metric
) -> float:
    np.save(part / "keys.npy", keys[by_key])
    longest = 0.0
    with (part / "vectors.npy").open("wb") as file:
        _write_header(file, vectors.shape)
        for first in range(0, len(keys), _COPY_ROWS):
            rows = np.ascontiguousarray(vectors[by_key[first : first + _COPY_ROWS]])
            longest = max(longest, float(squared_norms(rows, metric).max()))
            file.write(rows.data)
    return float(np.sqrt(longest))


def _write_header(file: BinaryIO, shape: tuple[int, ...]) -> None:
    header = {"descr": "<f4", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)


def _write_searcher(
    part: Path, metric: Metric, brute_force_limit: int, target_recall: float, threads: int
) -> SearcherSettings | None:
    vectors = np.load(part / "vectors.npy", mmap_mode="r", allow_pickle=False)
    if len(vectors) == 0:
        return None
    searcher = scann.build(
        vectors,
        metric,
        brute_force_limit=brute_force_limit,
        target_recall=target_recall,
        threads=threads,
    )
    (part / "scann").mkdir()
    searcher.save(part / "scann", dataset="../vectors.npy")
    return searcher.settings


def _check_files(folder: Path, manifest: Manifest) -> None:
    """Refuse a missing, additional or different file before anything parses it."""
    different = set(file_names(folder)) ^ {NAME, *manifest.files}
    if different:
        raise GenerationCorrupt(f"{folder.name}: missing or unexpected: {sorted(different)}")
    for name, expected in manifest.files.items():
        path = folder / name
        whole = not path.is_symlink() and path.is_file()
        if not whole or path.stat().st_size != expected.bytes or entry(path) != expected:
            raise GenerationCorrupt(f"{folder.name}: {name} is not as it was written")


def _check_arrays(
    folder: Path,
    manifest: Manifest,
    vectors: StoredVectors,
    keys: Keys,
    searcher: Searcher | None,
) -> None:
    settings = asdict(searcher.settings) if searcher else None
    shapes = (manifest.count, manifest.dimension), (manifest.count,)
    if (
        keys.dtype != np.int64
        or (vectors.shape, keys.shape) != shapes
        or settings != manifest.searcher
    ):
        raise GenerationCorrupt(f"{folder.name}: arrays or searcher differ from {NAME}")
