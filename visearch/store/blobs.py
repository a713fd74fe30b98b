"""Blobs: bytes under names, in a folder or an S3-compatible store, by URL.

    pictures/<sha256>      originals, as uploaded
    thumbnails/<sha256>    small JPEGs made by us
    uploads/<id>-…         import files, until a week after the import's end; previewed files
    pixels/<chunk>         decoded chunks on their way to the encoder, until embedded
    segments/<sha256>      embeddings, float32 [n, d]
    generations/<id>/…     index generations, a folder for each shard if there are several
    mark/<id>              by which the store is known (``visearch.store.mark``)
    damaged/<name>         what no longer was what its name says, set aside for the operator
    partial/<id>           local files that are still being written

Content under a digest is immutable, so writing it twice is harmless.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import time
from collections.abc import Collection, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

from visearch.errors import BlobDamaged, NotFound
from visearch.scratch import scratch
from visearch.store.local_files import READ_AHEAD, LocalFiles
from visearch.store.object_files import ObjectFiles

FRESH_S = 3.5 * 24 * 3600
"""A blob that was written this recently is deleted by nobody for as long again."""


def local_folder(url: str) -> Path:
    """Return the folder of a store that is local (``file:``)."""
    return Path(unquote(urlsplit(url).path))


def generation_place(generation: str, shards: int, shard: int) -> str:
    """Return the folder of one shard of an index generation."""
    return f"generations/{generation}" if shards == 1 else f"generations/{generation}/{shard}"


class Blobs:
    """One store of blobs.

    Every method raises DependencyUnavailable when the store does not answer, and DependencyBroken
    when it cannot be used until its operator repairs it. One that reads raises BlobDamaged where
    the disk does not give a blob back.
    """

    def __init__(self, url: str, cache: Path) -> None:
        """Open the store at ``url``; ``cache`` is a local folder for copies of remote files."""
        self._root: Path | None = None
        self._cache = cache
        self._files: LocalFiles | ObjectFiles
        if url.startswith("file://"):
            self._root = local_folder(url)
            self._files = LocalFiles(self._root)
        else:
            self._files = ObjectFiles(url)

    def put(self, name: str, data: bytes | Iterable[bytes], *, sync: bool = True) -> None:
        """Store ``data``; an iterable is streamed and never held whole in memory.

        It is durable at once, or without ``sync`` when ``sync`` has returned.
        """
        self._files.put(name, data, sync=sync)

    def put_digest(self, folder: str, data: bytes, *, sync: bool = True) -> str:
        """Store ``data`` as ``folder/<sha256>``; returns the digest (64 hex digits).

        A blob of that name that holds something else is replaced. One that may be taken for
        rubbish meanwhile (``visearch.upkeep.trash``) is written anew.
        """
        digest = hashlib.sha256(data).hexdigest()
        name = f"{folder}/{digest}"
        if not self._is_fresh(name) or not self.holds(name, data):
            self.put(name, data, sync=sync)
        elif sync:
            self.sync([name])  # another writer may not have come so far
        return digest

    def holds(self, name: str, data: bytes) -> bool:
        """Tell whether a blob is there and holds these bytes."""
        try:
            # A remote store keeps checksums of its own.
            return self.size(name) == len(data) and (self._root is None or self.get(name) == data)
        except (NotFound, BlobDamaged):
            return False

    def _is_fresh(self, name: str) -> bool:
        try:
            return self._files.modified(name) >= time.time() - FRESH_S
        except NotFound:
            return False

    def sync(self, names: Iterable[str]) -> None:
        """Return when these blobs are durable; raises NotFound if one is missing."""
        self._files.sync(names)

    def get(self, name: str) -> bytes:
        """Return all bytes of a blob; raises NotFound."""
        return self._files.get(name)

    def get_digest(self, folder: str, digest: str) -> bytes:
        """Return the bytes of ``folder/<digest>``.

        Raises:
            NotFound: there is no such blob.
            BlobDamaged: it holds something else, or cannot be read.
        """
        data = self.get(f"{folder}/{digest}")
        if hashlib.sha256(data).hexdigest() != digest:
            raise BlobDamaged(f"The blob {folder}/{digest} is not what its name says.")
        return data

    def set_aside(self, name: str) -> None:
        """Move a damaged blob to ``damaged/``, where its operator finds it; a missing one is fine.

        The next ``put_digest`` of what it should hold writes it anew.
        """
        with contextlib.suppress(NotFound):
            self._files.move(name, f"damaged/{name}")  # and not copied: it may be unreadable

    def get_range(self, name: str, start: int, end: int) -> bytes:
        """Return bytes [start, end) of a blob, fewer where it is shorter; raises NotFound."""
        return self._files.get_range(name, start, end)

    def size(self, name: str) -> int:
        """Return the length of a blob in bytes; raises NotFound."""
        return self._files.size(name)

    def exists(self, name: str) -> bool:
        """Tell whether a blob exists."""
        try:
            self.size(name)
        except NotFound:
            return False
        return True

    def open(self, name: str) -> BinaryIO:
        """Open a blob as a seekable binary file that reads ahead; raises NotFound."""
        return self._files.open(name)

    def delete(self, name: str) -> None:
        """Delete a blob; a missing one is fine."""
        self._files.delete(name)

    def delete_old(self, name: str, age_s: float) -> bool:
        """Delete a blob unless it was written within the last ``age_s``; tells whether it is gone.

        It is looked at when it is deleted: it may have been stored again since it was listed.
        """
        return self._files.delete_old(name, age_s)

    def list(self, prefix: str) -> Iterator[str]:
        """Yield the names below ``prefix/``."""
        return (name for name, _ in self._files.list(prefix))

    def older(self, prefix: str, age_s: float) -> Iterator[str]:
        """Yield the names below ``prefix/`` that were written at least so many seconds ago."""
        before = time.time() - age_s
        return (name for name, written in self._files.list(prefix) if written <= before)

    def folders(self, prefix: str) -> set[str]:
        """Return the names of the folders below ``prefix/``, empty and half-written ones too."""
        return self._files.folders(prefix)

    def put_folder(self, prefix: str, folder: Path) -> None:
        """Store every file below ``folder`` under ``prefix/``; ``manifest.json`` last.

        A reader that finds the manifest therefore finds all the rest.
        """
        files = [p for p in sorted(folder.rglob("*")) if p.is_file()]
        for path in sorted(files, key=lambda p: p.name == "manifest.json"):
            with path.open("rb") as file:
                pieces = iter(partial(file.read, READ_AHEAD), b"")
                self.put(f"{prefix}/{path.relative_to(folder).as_posix()}", pieces)

    def local_folder(self, prefix: str) -> Path:
        """Return a local folder with the files below ``prefix``; copies remote ones once.

        Raises:
            NotFound: nothing lies there.
        """
        if self._root is not None:
            if not (self._root / prefix).is_dir():
                raise NotFound(f"The blob store has no folder {prefix!r}.")
            return self._root / prefix
        target = self._cache / prefix
        if not target.is_dir():
            self._download(prefix, target)
        return target

    def forget_copy(self, prefix: str) -> bool:
        """Drop the local copy of a remote folder; False where there is none to drop."""
        target = self._cache / prefix
        if self._root is not None or not target.is_dir():
            return False
        shutil.rmtree(target)
        return True

    def keep_copies(self, prefix: str, names: Collection[str]) -> None:
        """Drop the local copies of folders below ``prefix`` that are not among ``names``.

        Files of theirs that are open can still be read.
        """
        copies = self._cache / prefix
        for copy in copies.iterdir() if copies.is_dir() else ():
            if copy.name not in names:
                shutil.rmtree(copy, ignore_errors=True)

    def _download(self, prefix: str, target: Path) -> None:
        names = list(self.list(prefix))
        if not names:
            raise NotFound(f"The blob store has no folder {prefix!r}.")
        with scratch(self._cache / "downloads") as folder:
            part = folder / "part"
            for name in names:
                path = part / name.removeprefix(f"{prefix}/")
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("wb") as out, self.open(name) as source:
                    shutil.copyfileobj(source, out, READ_AHEAD)
            target.parent.mkdir(parents=True, exist_ok=True)
            part.rename(target)

    def delete_folder(self, prefix: str) -> None:
        """Delete every blob below ``prefix/``, and its local copy."""
        self._files.delete_folder(prefix)
        shutil.rmtree(self._cache / prefix, ignore_errors=True)
