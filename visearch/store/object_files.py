"""Blobs in an S3-compatible store or another that obstore knows; durable once it has answered."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import BinaryIO, cast

import obstore
from obstore.exceptions import BaseError, PermissionDeniedError
from obstore.store import ObjectStore, from_url

from visearch.errors import DependencyBroken, DependencyUnavailable, NotFound, first_line

READ_AHEAD = 1 << 20


class ObjectFiles:
    """Objects by name; the methods, and what they raise, are those of ``LocalFiles``."""

    def __init__(self, url: str) -> None:
        """Open the store at ``url``."""
        self._store: ObjectStore = from_url(url)

    def put(self, name: str, data: bytes | Iterable[bytes], *, sync: bool = True) -> None:
        """Store ``data``; an iterable is streamed and never held whole in memory."""
        with _answering():
            obstore.put(self._store, name, data)

    def sync(self, names: Iterable[str]) -> None:
        """Do nothing: what the store has acknowledged is durable."""

    def get(self, name: str) -> bytes:
        """Return all bytes of a blob; raises NotFound."""
        with _answering(name):
            return bytes(obstore.get(self._store, name).bytes())

    def get_range(self, name: str, start: int, end: int) -> bytes:
        """Return bytes [start, end) of a blob, fewer where it is shorter; raises NotFound."""
        try:
            with _answering(name):
                return bytes(obstore.get_range(self._store, name, start=start, end=end))
        except DependencyUnavailable:
            # Stores answer differently where a range passes the end: this may be all there is.
            size = self.size(name)
            if end <= size:
                raise
            return self.get_range(name, start, size) if start < size else b""

    def size(self, name: str) -> int:
        """Return the length of a blob in bytes; raises NotFound."""
        with _answering(name):
            return obstore.head(self._store, name)["size"]

    def modified(self, name: str) -> float:
        """Return when a blob was written, in seconds since the epoch; raises NotFound."""
        with _answering(name):
            return obstore.head(self._store, name)["last_modified"].timestamp()

    def open(self, name: str) -> BinaryIO:
        """Open a blob as a seekable binary file that reads ahead; raises NotFound."""
        return io.BufferedReader(RangeReader(self, name), READ_AHEAD)

    def delete(self, name: str) -> None:
        """Delete a blob; a missing one is fine."""
        try:
            with _answering(name):
                obstore.delete(self._store, name)
        except NotFound:
            pass

    def list(self, prefix: str) -> Iterator[tuple[str, float]]:
        """Yield the names below ``prefix/`` and when each was written."""
        with _answering():
            for batch in obstore.list(self._store, f"{prefix}/"):
                for entry in batch:
                    yield entry["path"], entry["last_modified"].timestamp()

    def folders(self, prefix: str) -> set[str]:
        """Return the names of the folders below ``prefix/``."""
        with _answering():
            found = obstore.list_with_delimiter(self._store, f"{prefix}/")["common_prefixes"]
        return {PurePosixPath(path).name for path in found}

    def delete_folder(self, prefix: str) -> None:
        """Delete everything below ``prefix/``."""
        for name, _ in list(self.list(prefix)):
            self.delete(name)


class RangeReader(io.RawIOBase):
    """A blob as a raw seekable file; each read asks for one range."""

    def __init__(self, files: ObjectFiles, name: str) -> None:
        """Read the blob ``name``; raises NotFound."""
        self._files, self._name, self._at = files, name, 0
        self._size = files.size(name)

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the position."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a position; raises ValueError for one before the start."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError("The seek position is negative.")
        self._at = base + offset
        return self._at

    def readinto(self, buffer: object) -> int:
        """Read the next bytes into ``buffer``; returns how many, 0 at the end."""
        view = memoryview(cast(bytearray, buffer)).cast("B")
        end = min(self._at + len(view), self._size)
        if end <= self._at:
            return 0
        data = self._files.get_range(self._name, self._at, end)
        view[: len(data)] = data
        self._at += len(data)
        return len(data)


@contextmanager
def _answering(name: str = "") -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise NotFound(f"The blob store has no {name!r}.") from error
    except PermissionDeniedError as error:
        raise DependencyBroken(f"The blob store refuses this: {first_line(error)}.") from error
    except (BaseError, OSError) as error:
        reason = first_line(error)
        detail = f"The blob store does not answer: {reason}."
        raise DependencyUnavailable(detail, "blob store") from error
