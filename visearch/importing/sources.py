"""A file, a folder or what is behind a URL, as one stream that can be imported."""

from __future__ import annotations

import os
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import httpx

from visearch.archives.junk import junk_kind
from visearch.errors import VisearchError

READ_BYTES = 1 << 20
ANSWER_S, CONNECT_S = 60.0, 10.0
ANY = "application/octet-stream"
MEDIA = {
    ".csv": "text/csv",
    ".tsv": "text/tab-separated-values",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".json": "application/json",
    ".ndjson": "application/x-ndjson",
    ".jsonl": "application/x-ndjson",
    ".xml": "application/xml",
    ".zip": "application/zip",
    ".tar": "application/x-tar",
}
"""What the server is told of a file by its ending; its content decides."""


@dataclass(frozen=True)
class Source:
    """A file called ``name``: ``size`` bytes, which ``pieces`` reads anew each time."""

    name: str
    media: str
    size: int
    pieces: Callable[[], Iterator[bytes]]


@contextmanager
def opened(named: str, told: Callable[[int, int | None], object]) -> Iterator[Source]:
    """Yield the source that a file, a folder or a URL is.

    ``told(bytes, all)`` hears of every piece of a download, and how many bytes it has if known.

    Raises:
        VisearchError: there is no such thing, it cannot be read, or it is empty.
    """
    if named.startswith(("http://", "https://")):
        with tempfile.NamedTemporaryFile(prefix="visearch-import-") as file:
            _download(named, file.fileno(), told)
            yield _file(Path(file.name), PurePosixPath(urlsplit(named).path).name)
        return
    path = Path(named)
    if path.is_dir():
        yield _folder(path)
    elif path.is_file():
        yield _file(path, path.name)
    else:
        raise VisearchError(f"There is no file or folder {named}.")


def _file(path: Path, name: str) -> Source:
    media = MEDIA.get(PurePosixPath(name).suffix.lower(), ANY)
    return Source(name, media, path.stat().st_size, lambda: read(path))


def read(path: Path) -> Iterator[bytes]:
    """Yield a file in pieces; raises VisearchError if that fails."""
    try:
        with path.open("rb") as file:
            while data := file.read(READ_BYTES):
                yield data
    except OSError as error:
        raise VisearchError(f"{path} cannot be read: {error.strerror}.") from error


def _download(url: str, descriptor: int, told: Callable[[int, int | None], object]) -> None:
    timeout = httpx.Timeout(ANSWER_S, connect=CONNECT_S)
    try:
        with httpx.stream("GET", url, follow_redirects=True, timeout=timeout) as answer:
            if answer.is_error:
                raise VisearchError(f"{url} answered {answer.status_code}. Correct the URL.")
            size = answer.headers.get("Content-Length")
            for data in answer.iter_bytes():
                os.write(descriptor, data)
                told(len(data), int(size) if size else None)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise VisearchError(f"{url} cannot be fetched: {error}.") from error
    except OSError as error:
        raise VisearchError(f"What is behind {url} cannot be kept: {error.strerror}.") from error


def _folder(folder: Path) -> Source:
    """Return a folder as a tar, which is made while it is sent."""
    padded = sum(len(header) + _padded(size) for _, header, size in _members(folder))
    if not padded:
        raise VisearchError(f"The folder {folder} holds no files. Put pictures into it.")
    end = 2 * tarfile.BLOCKSIZE
    return Source("folder.tar", MEDIA[".tar"], padded + end, lambda: _tar(folder, end))


def _tar(folder: Path, end: int) -> Iterator[bytes]:
    for path, header, size in _members(folder):
        yield header
        sent = 0
        for data in read(path):
            sent += len(data)
            if sent > size:
                break
            yield data
        if sent != size:
            raise VisearchError(f"{path} was changed while it was sent. Import the folder again.")
        yield bytes(_padded(size) - size)
    yield bytes(end)


def _padded(size: int) -> int:
    return -(-size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE


def _members(folder: Path) -> Iterator[tuple[Path, bytes, int]]:
    """Yield each file, its header in a tar and its bytes, always in one order; no junk."""
    for root, folders, files in os.walk(folder, onerror=_stop):
        folders.sort()
        for name in sorted(files):
            path = Path(root, name)
            relative = path.relative_to(folder).as_posix()
            if junk_kind(relative) or not path.is_file():
                continue
            info = tarfile.TarInfo(relative)
            info.size = path.stat().st_size
            yield path, info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape"), info.size


def _stop(error: OSError) -> None:
    raise VisearchError(f"The folder {error.filename} cannot be read: {error.strerror}.") from error
