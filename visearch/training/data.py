"""Training pictures: archives with a label table, de-duplicated, split by group."""

from __future__ import annotations

import csv
import hashlib
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

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
    """Pictures as encoded bytes with int32 labels [n, levels] (-1: unlabelled).

    ``names`` are the texts of the labels. ``groups`` int32 [n] are equal for pictures that
    the split keeps together; ``sources`` int32 [n] tell which source each came from.
    """

    pictures: Sequence[bytes]
    labels: npt.NDArray[np.int32]
    names: Sequence[str]
    groups: npt.NDArray[np.int32]
    sources: npt.NDArray[np.int32]

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
    groups: dict[str, int] = {}
    sides: tuple[list[_Row], list[_Row]] = ([], [])
    for number, source in enumerate(sources):
        for data, row in _read(source):
            pixels = _pixel_digest(data)
            if pixels in seen:
                continue
            seen.add(pixels)
            group = f"{source.archive.name}:{row[source.group] if source.group else pixels}"
            labels = [_label(source, row, level) for level in source.levels]
            place = groups.setdefault(group, len(groups))
            sides[int(_fraction(group) < holdout)].append(_Row(data, labels, place, number))
    names = sorted({name for rows in sides for row in rows for name in row.labels if name})
    train, held = (_dataset(rows, names) for rows in sides)
    return train, held


class _Row(NamedTuple):
    picture: bytes
    labels: list[str]
    group: int
    source: int


def _dataset(rows: Sequence[_Row], names: Sequence[str]) -> Dataset:
    number = {name: i for i, name in enumerate(names)}
    return Dataset(
        pictures=[row.picture for row in rows],
        labels=np.asarray(
            [[number.get(name, UNLABELLED) for name in row.labels] for row in rows], np.int32
        ),
        names=names,
        groups=np.asarray([row.group for row in rows], np.int32),
        sources=np.asarray([row.source for row in rows], np.int32),
    )


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
