"""Blobs in an S3-compatible store or another that obstore knows; durable once it has answered."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, BinaryIO, cast

import obstore
from obstore.exceptions import BaseError, PermissionDeniedError
from obstore.store import ObjectStore, from_url

from visearch.errors import DependencyBroken, DependencyUnavailable, NotFound, first_line

if TYPE_CHECKING:
    from obstore.store import ClientConfig

READ_AHEAD = 1 << 20

CONNECT_S = 3.0
SILENCE_S = 10.0
"""A request on which the store says nothing for so long has failed."""
REQUEST_S = 30.0
"""So long one request may take if bytes keep coming."""
RETRIES, RETRY_S = 2, 10.0
"""A request that failed is sent again so often, unless so much time has passed since the first."""
PARTS = 2
"""Parts of a large blob sent at a time; each, of 5 MB, must be there within ``SILENCE_S``."""

_PREFIXES = ("AWS_", "GOOGLE_", "AZURE_")
_FROM_ENVIRONMENT = (
    "allow_http",
    "allow_invalid_certificates",
    "connect_timeout",
    "http1_only",
    "http2_only",
    "proxy_ca_certificate",
    "proxy_excludes",
    "proxy_url",
    "randomize_addresses",
    "read_timeout",
    "timeout",
    "user_agent",
)
"""What obstore itself reads from ``AWS_ALLOW_HTTP`` and so on, but not beside options of ours."""


class ObjectFiles:
    """Objects by name; the methods, and what they raise, are those of ``LocalFiles``."""

    def __init__(self, url: str) -> None:
        """Open the store at ``url``."""
        self._store: ObjectStore = from_url(
            url,
            client_options={
                "connect_timeout": timedelta(seconds=CONNECT_S),
                "read_timeout": timedelta(seconds=SILENCE_S),
                "timeout": timedelta(seconds=REQUEST_S),
                **_options_of(os.environ),
            },
            retry_config={"max_retries": RETRIES, "retry_timeout": timedelta(seconds=RETRY_S)},
        )

    def put(self, name: str, data: bytes | Iterable[bytes], *, sync: bool = True) -> None:
        """Store ``data``; an iterable is streamed and never held whole in memory."""
        with _answering():
            obstore.put(self._store, name, data, max_concurrency=PARTS)

    def sync(self, names: Iterable[str]) -> None:
        """Do nothing: what the store has acknowledged is durable."""

    def get(self, name: str) -> bytes:
        """Return all bytes of a blob; raises NotFound."""
        with _answering(name):
            return bytes(obstore.get(self._store, name).bytes())

    def get_range(self, name: str, start: int, end: int) -> bytes:
        """Return bytes [start, end) of a blob, fewer where it is shorter; raises NotFound."""
        began = time.monotonic()
        try:
            with _answering(name):
                return bytes(obstore.get_range(self._store, name, start=start, end=end))
        except DependencyUnavailable:
            if time.monotonic() - began >= SILENCE_S:
                raise  # it would not tell the size either
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

    def move(self, name: str, to: str) -> None:
        """Give a blob another name, unread, and the present time; raises NotFound."""
        with _answering(name):
            obstore.rename(self._store, name, to)

    def delete_old(self, name: str, age_s: float) -> bool:
        """Delete a blob unless it was written within the last ``age_s``; tells whether it is gone.

        A store has no way to do both at once: what is written between the two is lost.
        """
        try:
            if self.modified(name) > time.time() - age_s:
                return False
        except NotFound:
            return True
        self.delete(name)
        return True

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


def _options_of(environ: Mapping[str, str]) -> ClientConfig:
    """Return how the operator wants the store to be reached, in obstore's words."""
    names = [(prefix + key.upper(), key) for prefix in _PREFIXES for key in _FROM_ENVIRONMENT]
    return cast("ClientConfig", {key: environ[name] for name, key in names if name in environ})


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
