"""What a backup says of itself: a list of its files with their SHA-256, and a description.

    backup.json    the version, the time, counts, what is missing; and its own digest
    SHA256SUMS     every other file, as ``sha256sum --check`` reads it

The description is written last and names the digest of the list, so every changed byte shows.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from visearch.errors import BackupDamaged

FORMAT = 1
DESCRIPTION, SUMS, DATABASE, WEIGHTS = "backup.json", "SHA256SUMS", "visearch.db", "weights"
_NAMED = 5
"""Damaged files that a message names."""


@dataclass(frozen=True)
class Flaw:
    """A file that belongs into the backup and is not there, and why."""

    name: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Description:
    """What a backup holds: ``counts`` are its files by folder, ``bytes`` their lengths' sum."""

    version: str
    created_at: str
    counts: Mapping[str, int]
    bytes: int
    missing: Sequence[Flaw]
    sums: str
    format: int = FORMAT


def write(folder: Path, description: Description) -> None:
    """Write the description of a backup that is complete otherwise."""
    (folder / DESCRIPTION).write_bytes(_spell(asdict(description)))


def read(folder: Path) -> Description:
    """Read the description of a backup; raises BackupDamaged."""
    try:
        raw = (folder / DESCRIPTION).read_bytes()
        body = json.loads(raw)
        if body["format"] != FORMAT:
            raise ValueError(f"format {body['format']} is not {FORMAT}")
        body.pop("digest")
        if _spell(body) != raw:
            raise ValueError("it was changed")
        return Description(**body | {"missing": [Flaw(**each) for each in body["missing"]]})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BackupDamaged(f"{folder / DESCRIPTION} cannot be used: {error}.") from error


def listed(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield name and SHA-256 of every listed file of a backup; raises BackupDamaged."""
    with (folder / SUMS).open(encoding="utf-8") as lines:
        for line in lines:
            digest, _, name = line.rstrip("\n").partition("  ")
            path = PurePosixPath(name)
            if not name or path.is_absolute() or ".." in path.parts:
                raise BackupDamaged(f"{folder / SUMS} names {name!r}, which is no file of it.")
            yield name, digest


def verify(folder: Path) -> Description:
    """Read every byte of a backup and return its description.

    Raises:
        BackupDamaged: a file is missing or was changed; names it.
    """
    description = read(folder)
    damaged: list[str] = []
    if _sha256(folder / SUMS) != description.sums:
        raise BackupDamaged(f"{folder / SUMS} was changed since it was written, or is missing.")
    damaged = [name for name, digest in listed(folder) if _sha256(folder / name) != digest]
    if damaged:
        more = f" and {len(damaged) - _NAMED} more" if len(damaged) > _NAMED else ""
        raise BackupDamaged(
            f"{folder} is damaged: {', '.join(damaged[:_NAMED])}{more} changed or went missing "
            "since it was written. Use another backup."
        )
    return description


def line(name: str, digest: str) -> str:
    """Return a file's line of the list."""
    return f"{digest}  {name}\n"


def _sha256(path: Path) -> str | None:
    """Return a file's SHA-256; None if it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def _spell(body: dict[str, Any]) -> bytes:
    digest = hashlib.sha256(_dump(body)).hexdigest()
    return _dump(body | {"digest": digest})


def _dump(body: dict[str, Any]) -> bytes:
    return (json.dumps(body, indent=1, sort_keys=True) + "\n").encode()
