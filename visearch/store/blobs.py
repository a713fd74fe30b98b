"""Blobs: bytes under names, in a folder or an S3-compatible store, by URL.

    pictures/<sha256>      originals, as uploaded
    thumbnails/<sha256>    small JPEGs made by us
    uploads/<import id>    import files, until a week after the import's end
    pixels/<chunk>         decoded chunks on their way to the encoder, until embedded
    segments/<sha256>      embeddings, float32 [n, d]
    generations/<id>/…     index generations, a folder for each shard if there are several

Content under a digest is immutable, so writing it twice is harmless.
"""

from __future__ import annotations

import hashlib
import io
import shutil
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, ObjectStore, from_url

from visearch.errors import DependencyUnavailable, NotFound, first_line
from visearch.scratch import scratch

READ_AHEAD = 1 << 20


def generation_place(generation: str, shards: int, shard: int) -> str:
    """Return the folder of one shard of an index generation."""
    return f"generations/{generation}" if shards == 1 else f"generations/{generation}/{shard}"


class Blobs:
    """One object store; every method raises DependencyUnavailable when it does not answer."""

    def __init__(self, url: str, cache: Path) -> None:
        """Open the store at ``url``; ``cache`` is a local folder for copies of remote files."""
        self._root: Path | None = None
        self._cache = cache
        self._store: ObjectStore
        if url.startswith("file://"):
            self._root = Path(unquote(urlsplit(url).path))
            self._root.mkdir(parents=True, exist_ok=True)
            self._store = LocalStore(self._root)
        else:
            self._store = from_url(url)

    def put(self, name: str, data: bytes | Iterable[bytes]) -> None:
        """Store ``data``; an iterable is streamed and never held whole in memory."""
        with _answering():
            obstore.put(self._store, name, data)

    def put_digest(self, folder: str, data: bytes) -> str:
        """Store ``data`` as ``folder/<sha256>``; returns the digest (64 hex digits)."""
        digest = hashlib.sha256(data).hexdigest()
        if not self.exists(f"{folder}/{digest}"):
            self.put(f"{folder}/{digest}", data)
        return digest

    def get(self, name: str) -> bytes:
        """Return all bytes of a blob; raises NotFound."""
        with _answering(name):
            return bytes(obstore.get(self._store, name).bytes())

    def get_range(self, name: str, start: int, end: int) -> bytes:
        """Return bytes [start, end) of a blob; raises NotFound."""
        with _answering(name):
            return bytes(obstore.get_range(self._store, name, start=start, end=end))

    def size(self, name: str) -> int:
        """Return the length of a blob in bytes; raises NotFound."""
        with _answering(name):
            return obstore.head(self._store, name)["size"]

    def exists(self, name: str) -> bool:
        """Tell whether a blob exists."""
        if self._root is not None:
            return (self._root / name).is_file()
        try:
            self.size(name)
        except NotFound:
            return False
        return True

    def open(self, name: str) -> BinaryIO:
        """Open a blob as a seekable binary file that reads ahead; raises NotFound."""
        if self._root is not None:
            with _answering(name):
                return (self._root / name).open("rb", buffering=READ_AHEAD)
        return io.BufferedReader(_RangeReader(self, name), READ_AHEAD)

    def delete(self, name: str) -> None:
        """Delete a blob; a missing one is fine."""
        try:
            with _answering(name):
                obstore.delete(self._store, name)
        except NotFound:
            pass

    def list(self, prefix: str) -> Iterator[str]:
        """Yield the names below ``prefix/``."""
        with _answering():
            for batch in obstore.list(self._store, f"{prefix}/"):
                for entry in batch:
                    yield entry["path"]

    def folders(self, prefix: str) -> set[str]:
        """Return the names of the folders below ``prefix/``, empty and half-written ones too."""
        with _answering():
            found = obstore.list_with_delimiter(self._store, f"{prefix}/")["common_prefixes"]
        return {PurePosixPath(path).name for path in found}

    def put_folder(self, prefix: str, folder: Path) -> None:
        """Store every file below ``folder`` under ``prefix/``; ``manifest.json`` last.

        A reader that finds the manifest therefore finds all the rest.
        """
        files = [p for p in sorted(folder.rglob("*")) if p.is_file()]
        for path in sorted(files, key=lambda p: p.name == "manifest.json"):
            with _answering(), path.open("rb") as file:
                obstore.put(self._store, f"{prefix}/{path.relative_to(folder).as_posix()}", file)

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
        for name in list(self.list(prefix)):
            self.delete(name)
        shutil.rmtree(self._cache / prefix, ignore_errors=True)
        if self._root is not None:
            shutil.rmtree(self._root / prefix, ignore_errors=True)


class _RangeReader(io.RawIOBase):
    def __init__(self, blobs: Blobs, name: str) -> None:
        self._blobs, self._name, self._at = blobs, name, 0
        self._size = blobs.size(name)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError("The seek position is negative.")
        self._at = base + offset
        return self._at

    def readinto(self, buffer: object) -> int:
        view = memoryview(cast(bytearray, buffer)).cast("B")
        end = min(self._at + len(view), self._size)
        if end <= self._at:
            return 0
        data = self._blobs.get_range(self._name, self._at, end)
        view[: len(data)] = data
        self._at += len(data)
        return len(data)


@contextmanager
def _answering(name: str = "") -> Iterator[None]:
    """Translate the store's errors into ours."""
    try:
        yield
    except FileNotFoundError as error:
        raise NotFound(f"The blob store has no {name!r}.") from error
    except (BaseError, OSError) as error:
        reason = first_line(error)
        raise DependencyUnavailable(f"The blob store does not answer: {reason}.") from error
