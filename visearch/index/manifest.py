"""A generation's ``manifest.json``: what it says, and how any change to it shows.

The file has exactly one valid spelling (sorted keys, fixed indentation) and contains the digest
of its own contents. So every changed byte is detected, in the manifest and in the files it lists.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from visearch.errors import GenerationCorrupt
from visearch.index.scoring import METRICS
from visearch.records import Metric

FORMAT = 3
NAME = "manifest.json"

_LARGEST = 1 << 20


@dataclass(frozen=True, kw_only=True)
class FileEntry:
    """The size in bytes and the SHA-256 (hexadecimal) of one file."""

    bytes: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """The description of an immutable generation.

    ``catalog`` is the catalog's key, and ``revision`` the last change that is included.
    ``searcher`` is None if every vector is scored. ``recall`` is recall@10 at build, 0 to 1, or
    None if there are no vectors. ``files`` lists every file except the manifest by its path
    inside the folder, with ``/``.
    """

    id: str
    catalog: int
    revision: int
    fingerprint: str
    metric: Metric
    dimension: int
    count: int
    searcher: dict[str, Any] | None
    recall: float | None
    files: dict[str, FileEntry]
    format: int = FORMAT


def entry(path: Path) -> FileEntry:
    """Return the size and digest of a file."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return FileEntry(bytes=file.tell(), sha256=digest)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write ``manifest.json`` into the folder."""
    (folder / NAME).write_bytes(_spell(asdict(manifest)))


def read_manifest(folder: Path) -> Manifest:
    """Read ``manifest.json``; raises GenerationCorrupt if it is missing or was changed."""
    try:
        with (folder / NAME).open("rb") as file:
            raw = file.read(_LARGEST)
        body = json.loads(raw)
        body.pop("digest")
        if _spell(body) != raw:
            raise ValueError("its digest or its spelling is wrong")
        return _parse(body)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise GenerationCorrupt(
            f"Generation {folder.name}: {NAME} cannot be used: {error}"
        ) from error


def _parse(body: dict[str, Any]) -> Manifest:
    if body["format"] != FORMAT:
        raise ValueError(f"format {body['format']} is not {FORMAT}")
    if body["metric"] not in METRICS:
        raise ValueError(f"metric {body['metric']!r} is unknown")
    files = {name: FileEntry(**item) for name, item in body.pop("files").items()}
    return Manifest(files=files, **body)


def _spell(body: dict[str, Any]) -> bytes:
    digest = hashlib.sha256(_dump(body)).hexdigest()
    return _dump(body | {"digest": digest})


def _dump(body: dict[str, Any]) -> bytes:
    return (json.dumps(body, indent=1, sort_keys=True, allow_nan=False) + "\n").encode()
