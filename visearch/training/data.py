"""Training pictures: archives with a label table, de-duplicated, split by group."""

from __future__ import annotations

import csv
import hashlib
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from visearch.errors import ArchiveCorrupt
from visearch.images import decode

UNLABELLED = -1


@dataclass(frozen=True)
class Source:
    """One archive of pictures and the table that labels them.

    ``levels`` are groups of columns: ``(("type",), ("type", "colour"))`` asks for two
    labels per picture. Values in ``no_label`` leave the picture unlabelled. Pictures of
    one ``group`` (a sender, say) never straddle the split.
    """

    archive: Path
    table: Path
    levels: tuple[tuple[str, ...], ...]
    group: str | None = None
    no_label: frozenset[str] = frozenset({"", "Not sure", "Other", "Skip"})


@dataclass(frozen=True)
class Dataset:
    """Pictures as encoded bytes with int32 labels [n, levels] (-1: unlabelled)."""

    pictures: Sequence[bytes]
    labels: npt.NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.pictures)


def load(sources: Iterable[Source], *, holdout: float = 0.05) -> tuple[Dataset, Dataset]:
    """Read ``sources`` and split them into training and held-out pictures.

    Pictures that are identical pixel for pixel are kept once. The split hashes the
    group (or the pixels), so it is the same on every machine and in every run.

    Raises:
        ArchiveCorrupt: a table lacks a column it should have.
    """
    seen: set[str] = set()
    parts: tuple[list[bytes], list[bytes]] = ([], [])
    names: tuple[list[list[str]], list[list[str]]] = ([], [])
    for source in sources:
        for data, row in _read(source):
            pixels = _pixel_digest(data)
            if pixels in seen:
                continue
            seen.add(pixels)
            group = row[source.group] if source.group else pixels
            side = int(_fraction(f"{source.archive.name}:{group}") < holdout)
            parts[side].append(data)
            names[side].append([_label(source, row, level) for level in source.levels])
    table = {
        name: i for i, name in enumerate(sorted({n for s in names for r in s for n in r if n}))
    }
    train, held = (
        Dataset(part, np.asarray([[table.get(n, UNLABELLED) for n in r] for r in rows], np.int32))
        for part, rows in zip(parts, names, strict=True)
    )
    return train, held


def _read(source: Source) -> Iterable[tuple[bytes, dict[str, str]]]:
    with zipfile.ZipFile(source.archive) as archive, source.table.open(newline="") as file:
        members = set(archive.namelist())
        rows = csv.DictReader(file)
        needed = {c for level in source.levels for c in level} | {"image"}
        needed |= {source.group} if source.group else set()
        if missing := needed - set(rows.fieldnames or ()):
            raise ArchiveCorrupt(f"{source.table} has no column {', '.join(sorted(missing))}")
        for row in rows:
            if row["image"] in members:
                yield archive.read(row["image"]), row


def _label(source: Source, row: dict[str, str], level: tuple[str, ...]) -> str:
    values = [row[column] for column in level]
    if any(value in source.no_label for value in values):
        return ""
    return "|".join([source.archive.stem, *level, *values])


def _pixel_digest(data: bytes) -> str:
    image = decode(data)
    return hashlib.sha256(f"{image.size}".encode() + image.tobytes()).hexdigest()


def _fraction(text: str) -> float:
    return int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) / 2**32
