"""Blobs in a local folder: whole, durable, and readable by this user only.

A blob is written under ``partial/`` and renamed. By then its bytes are on the disk, and so is the
folder that names it: a power cut after ``put`` or ``sync`` has returned loses nothing of it.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from visearch.errors import (
    BlobDamaged,
    DependencyBroken,
    DependencyUnavailable,
    NotFound,
    first_line,
)
from visearch.ids import new_id

PARTIAL = "partial"
READ_AHEAD = 1 << 20
_PASSING = frozenset(
    {
        errno.EAGAIN,
        errno.EBUSY,
        errno.ECONNABORTED,
        errno.ECONNREFUSED,
        errno.ECONNRESET,
        errno.EDQUOT,
        errno.EHOSTDOWN,
        errno.EHOSTUNREACH,
        errno.EINTR,
        errno.EMFILE,
        errno.ENETDOWN,
        errno.ENETUNREACH,
        errno.ENFILE,
        errno.ENOMEM,
        errno.ENOSPC,
        errno.ENOTCONN,
        errno.ESTALE,
        errno.ETIMEDOUT,
    }
)
"""Faults of a disk that may be gone the next time, such as a full one or a lost network."""

_UNREADABLE = frozenset({errno.EIO, errno.EBADMSG, errno.EUCLEAN})
"""What a disk says of a sector, or a file system of a file, that it cannot give back."""


class LocalFiles:
    """Files below ``root``, by names with slashes.

    Every method raises DependencyUnavailable for a fault that may pass, and DependencyBroken for
    one that needs the operator. Reading raises BlobDamaged where the disk does not give a blob
    back: that is one blob's fault, and the others can be read.
    """

    def __init__(self, root: Path) -> None:
        """Use ``root``, which is made if it is missing."""
        self.root = root
        with _answering():
            root.mkdir(mode=0o700, parents=True, exist_ok=True)

    def put(self, name: str, data: bytes | Iterable[bytes], *, sync: bool = True) -> None:
        """Store ``data``; without ``sync`` it is whole, but durable only after ``sync``."""
        part, target = self.root / PARTIAL / new_id(), self.root / name
        with self._present(name):
            self._make_folder(part.parent)
            self._make_folder(target.parent)
            try:
                with open(part, "xb", opener=_private) as file:
                    for piece in (data,) if isinstance(data, bytes) else data:
                        file.write(piece)
                    if sync:
                        file.flush()
                        os.fsync(file.fileno())
                part.rename(target)
            except BaseException:
                part.unlink(missing_ok=True)
                raise
            if sync:
                _sync(target.parent)

    def sync(self, names: Iterable[str]) -> None:
        """Return when these blobs are durable; raises NotFound if one is missing."""
        paths = [self.root / name for name in names]
        for path in paths:
            with self._present(str(path.relative_to(self.root))):
                _sync(path)
        for folder in {path.parent for path in paths}:
            with self._present():
                _sync(folder)

    def get(self, name: str) -> bytes:
        """Return all bytes of a blob; raises NotFound."""
        with self._present(name), _reading(name):
            return (self.root / name).read_bytes()

    def get_range(self, name: str, start: int, end: int) -> bytes:
        """Return bytes [start, end) of a blob, fewer where it is shorter; raises NotFound."""
        with self._present(name), _reading(name), (self.root / name).open("rb") as file:
            file.seek(start)
            return file.read(end - start)

    def size(self, name: str) -> int:
        """Return the length of a blob in bytes; raises NotFound."""
        with self._present(name):
            return (self.root / name).stat().st_size

    def modified(self, name: str) -> float:
        """Return when a blob was written, in seconds since the epoch; raises NotFound."""
        with self._present(name):
            return (self.root / name).stat().st_mtime

    def open(self, name: str) -> BinaryIO:
        """Open a blob as a seekable binary file that reads ahead; raises NotFound."""
        with self._present(name), _reading(name):
            return io.BufferedReader(_Reader(self.root / name, name), READ_AHEAD)

    def delete(self, name: str) -> None:
        """Delete a blob; a missing one is fine."""
        with _answering(), contextlib.suppress(FileNotFoundError):
            (self.root / name).unlink()

    def move(self, name: str, to: str) -> None:
        """Give a blob another name, unread, and the present time; raises NotFound."""
        with self._present(name):
            self._make_folder((self.root / to).parent)
            (self.root / name).rename(self.root / to)
            os.utime(self.root / to, follow_symlinks=False)

    def delete_old(self, name: str, age_s: float) -> bool:
        """Delete a blob unless it was written within the last ``age_s``; tells whether it is gone.

        Another process may write it anew at any moment. So it is first taken out of the way, and
        put back if it is fresh: what is deleted is what was looked at.
        """
        path, aside = self.root / name, self.root / PARTIAL / new_id()
        with _answering(), contextlib.suppress(FileNotFoundError):
            before = time.time() - age_s
            if path.stat().st_mtime > before:
                return False
            self._make_folder(aside.parent)
            path.rename(aside)
            if aside.stat().st_mtime > before:
                aside.rename(path)
                return False
            aside.unlink()
        return True

    def list(self, prefix: str) -> Iterator[tuple[str, float]]:
        """Yield the names below ``prefix/`` and when each was written, in no order."""
        folders = [prefix]
        while folders:
            folder = folders.pop()
            with _answering():
                try:
                    found = os.scandir(self.root / folder)
                except FileNotFoundError:
                    continue
            with found:
                for entry in found:
                    if entry.is_dir():
                        folders.append(f"{folder}/{entry.name}")
                    else:
                        with contextlib.suppress(FileNotFoundError):
                            yield f"{folder}/{entry.name}", entry.stat().st_mtime

    def folders(self, prefix: str) -> set[str]:
        """Return the names of the folders below ``prefix/``, empty ones too."""
        path = self.root / prefix
        with _answering():
            return (
                {each.name for each in path.iterdir() if each.is_dir()} if path.is_dir() else set()
            )

    def delete_folder(self, prefix: str) -> None:
        """Delete everything below ``prefix/``."""
        with _answering(), contextlib.suppress(FileNotFoundError):
            shutil.rmtree(self.root / prefix)

    def _make_folder(self, folder: Path) -> None:
        if not folder.is_dir():
            # Not the root: where a disk is not mounted, nothing must be written beside it.
            if folder.parent != self.root:
                self._make_folder(folder.parent)
            folder.mkdir(mode=0o700, exist_ok=True)
            _sync(folder.parent)

    @contextmanager
    def _present(self, name: str = "") -> Iterator[None]:
        """Translate errors; a missing file is NotFound unless the whole store is missing."""
        with _answering():
            try:
                yield
            except FileNotFoundError as error:
                if not self.root.is_dir():
                    raise DependencyUnavailable(
                        f"The folder of the blob store, {self.root}, is missing.", "blob store"
                    ) from error
                raise NotFound(f"The blob store has no {name!r}.") from error


class _Reader(io.FileIO):
    """A blob as a raw file; a part of it that cannot be read is BlobDamaged."""

    def __init__(self, path: Path, name: str) -> None:
        super().__init__(path, "rb")
        self._blob = name

    def readinto(self, buffer: Any, /) -> int | None:
        """Read the next bytes into ``buffer``; returns how many, 0 at the end."""
        with _answering(), _reading(self._blob):
            return super().readinto(buffer)

    def readall(self) -> bytes:
        """Read all that is left."""
        with _answering(), _reading(self._blob):
            return super().readall()


@contextmanager
def _reading(name: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _UNREADABLE:
            detail = f"The blob {name} cannot be read: {first_line(error)}."
            raise BlobDamaged(detail) from error
        raise


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = first_line(error)
        if error.errno in _PASSING:
            detail = f"The blob store does not answer: {reason}."
            raise DependencyUnavailable(detail, "blob store") from error
        raise DependencyBroken(f"The blob store cannot be used: {reason}.") from error
