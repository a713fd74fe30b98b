"""Training pictures: labelled archives or folders, without duplicates, split by group."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import ConfigDict, Field

from visearch.errors import ImageError, InvalidRequest
from visearch.images import decode
from visearch.training.files import Row, labelled_files

UNLABELLED = -1
_NAMED = 20  # broken pictures that a message names


@dataclass(frozen=True)
class Source:
    """Pictures (a folder, a zip or a tar) and the CSV table that labels them.

    Without a table, the only column is ``folder``, the name of each picture's folder.
    ``levels`` are groups of columns: ``(("type",), ("type", "colour"))`` gives each picture
    two labels, ``()`` none. Values in ``no_label`` leave the picture unlabelled. ``holdout``
    is the share of pictures held out; pictures with the same value in the column ``group``,
    such as a sender, stay together. Training never uses rows whose column has a value in
    ``left_out``. ``share`` is the share of every batch that comes from this source (None:
    in proportion to its size).
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    archive: Path
    table: Path | None
    levels: tuple[tuple[str, ...], ...]
    group: str | None = None
    no_label: frozenset[str] = frozenset({"", "Not sure", "Other", "Skip"})
    holdout: Annotated[float, Field(ge=0, lt=1)] = 0.05
    left_out: Mapping[str, frozenset[str]] = field(default_factory=dict)
    share: Annotated[float, Field(gt=0, le=1)] | None = None


@dataclass(frozen=True)
class Dataset:
    """Encoded pictures with labels int32 [n, levels] (-1: unlabelled).

    ``names`` are the labels as text. ``groups`` int32 [n] are equal for pictures that the
    split keeps together; ``sources`` int32 [n] are the numbers of their sources.
    """

    pictures: Sequence[bytes]
    labels: npt.NDArray[np.int32]
    names: Sequence[str]
    groups: npt.NDArray[np.int32]
    sources: npt.NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.pictures)


class Split(NamedTuple):
    """The pictures to train on, those held out of training, and those left out on purpose."""

    training: Dataset
    held_out: Dataset
    left_out: Dataset


def load(sources: Iterable[Source]) -> Split:
    """Read ``sources`` and split their pictures.

    Of pictures with identical pixels one is kept; it is left out if any of them is. The
    split hashes the group (or the pixels), so it is the same on every machine and in every
    run.

    Raises:
        ArchiveCorrupt: an archive or a table cannot be read, or lacks a column.
        InvalidRequest: pictures cannot be read (the message lists them), or a source has
            none.
    """
    found: dict[str, _Row] = {}
    left_out: set[str] = set()
    groups: dict[str, int] = {}
    broken: list[str] = []
    levels = 0
    for number, source in enumerate(sources):
        levels = len(source.levels)
        empty = True
        for data, row in labelled_files(source.archive, source.table, _columns(source)):
            empty = False
            try:
                pixels = _pixel_digest(data)
            except ImageError as error:
                broken.append(f"{source.archive.name}/{row['image']} ({error})")
                continue
            if _is_left_out(source, row):
                left_out.add(pixels)  # even if the row of a copy says otherwise
            if pixels in found:
                continue
            group = f"{source.archive.name}:{row[source.group] if source.group else pixels}"
            labels = [_label(source, row, level) for level in source.levels]
            place = groups.setdefault(group, len(groups))
            found[pixels] = _Row(data, labels, place, number, _fraction(group) < source.holdout)
        if empty:
            raise InvalidRequest(
                f"{source.archive} has none of the pictures that "
                f"{source.table or 'a source without a table'} names. The column image must "
                "contain paths inside it."
            )
    if broken:
        raise InvalidRequest(_refusal(broken))
    names = sorted({name for row in found.values() for name in row.labels if name})
    sides: tuple[list[_Row], list[_Row], list[_Row]] = ([], [], [])
    for pixels, one in found.items():
        sides[2 if pixels in left_out else int(one.held_out)].append(one)
    return Split(*(_dataset(rows, names, levels) for rows in sides))


class _Row(NamedTuple):
    picture: bytes
    labels: list[str]
    group: int
    source: int
    held_out: bool


def _refusal(broken: Sequence[str]) -> str:
    more = f" and {len(broken) - _NAMED} more" if len(broken) > _NAMED else ""
    return (
        f"{len(broken)} pictures cannot be read: {', '.join(broken[:_NAMED])}{more}. Repair or "
        "remove them."
    )


def _columns(source: Source) -> set[str]:
    columns = {c for level in source.levels for c in level} | set(source.left_out)
    return columns | ({source.group} if source.group else set())


def _is_left_out(source: Source, row: Row) -> bool:
    return any(row[column] in values for column, values in source.left_out.items())


def _dataset(rows: Sequence[_Row], names: Sequence[str], levels: int) -> Dataset:
    number = {name: i for i, name in enumerate(names)}
    labels = [[number.get(name, UNLABELLED) for name in row.labels] for row in rows]
    return Dataset(
        pictures=[row.picture for row in rows],
        labels=np.asarray(labels, np.int32).reshape(len(rows), levels),
        names=names,
        groups=np.asarray([row.group for row in rows], np.int32),
        sources=np.asarray([row.source for row in rows], np.int32),
    )


def _label(source: Source, row: Row, level: tuple[str, ...]) -> str:
    values = [row[column] for column in level]
    if not level or any(value in source.no_label for value in values):
        return ""
    return "|".join([source.archive.stem, *level, *values])


def _pixel_digest(data: bytes) -> str:
    image = decode(data)
    return hashlib.sha256(f"{image.size}".encode() + image.tobytes()).hexdigest()


def _fraction(text: str) -> float:
    return int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) / 2**32
