"""Training sources → material to evaluate on: what a recipe keeps aside, or one whole source."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from visearch.errors import InvalidRequest
from visearch.evaluation.material import Level, Material
from visearch.evaluation.protocol import ELSEWHERE, leave_one_out
from visearch.training import recipe_file as recipes
from visearch.training.data import Dataset, Source, load

Columns = tuple[str, ...]


def kept_aside(recipe: Path, data: Path) -> Material:
    """Return what training by ``recipe`` holds out and leaves out, its files in ``data``.

    The pictures of each source are compared among themselves, held-out and left-out ones
    apart; levels at which nothing could be found are dropped.

    Raises:
        InvalidRequest: the recipe is not valid, a file is missing, nothing is to be found.
        ArchiveCorrupt: a source cannot be read, or its table lacks a column.
    """
    sources = recipes.read_sources(recipe, data)
    split = load(sources)
    pictures = _joined(split.held_out, split.left_out)
    is_left_out = np.arange(len(pictures)) >= len(split.held_out)
    levels = {
        level.name: level  # a source may list a level twice
        for number, source in enumerate(sources)
        for part, rows in (("", ~is_left_out), (" left out", is_left_out))
        for level in _levels(pictures, source, f"{source.archive.stem}{part}: ", rows, number)
        if len(leave_one_out(level.labels).queries)
    }
    if not levels:
        raise InvalidRequest(
            f"{recipe} keeps no two pictures aside that share a label; hold out more of a source"
        )
    return Material(pictures.pictures, tuple(levels.values()), pictures.groups)


def whole_source(source: Source, gallery: tuple[str, str] | None = None) -> Material:
    """Return all pictures of ``source``, copies once.

    With ``gallery`` (column, value) the rows whose column has that value are the gallery
    and the others query it.

    Raises:
        InvalidRequest: the source has no picture, or the gallery would be empty.
        ArchiveCorrupt: the source cannot be read, or its table lacks a column.
    """
    left_out = {gallery[0]: frozenset({gallery[1]})} if gallery else {}
    # What has a copy in the gallery is in the gallery.
    split = load([replace(source, holdout=1.0, left_out=left_out)])
    data = _joined(split.held_out, split.left_out)
    in_gallery = None
    if gallery is not None:
        if not len(split.left_out):
            column, value = gallery
            raise InvalidRequest(f"no picture has {value!r} in column {column!r} for the gallery")
        in_gallery = np.arange(len(data)) >= len(split.held_out)
    levels = tuple(_levels(data, source, "", np.ones(len(data), np.bool_), 0))
    return Material(data.pictures, levels, data.groups, in_gallery)


def _joined(one: Dataset, other: Dataset) -> Dataset:
    if not len(other):
        return one
    if not len(one):
        return other
    return Dataset(
        pictures=[*one.pictures, *other.pictures],
        labels=np.concatenate([one.labels, other.labels]),
        names=one.names,
        groups=np.concatenate([one.groups, other.groups]),
        sources=np.concatenate([one.sources, other.sources]),
    )


def _levels(
    data: Dataset, source: Source, prefix: str, rows: npt.NDArray[np.bool_], number: int
) -> Iterator[Level]:
    """Yield the levels of the source ``number``, of its pictures in ``rows``."""
    for i, columns in enumerate(source.levels):
        if columns and len(data):
            ours = rows & (data.sources == number)
            labels = np.where(ours, data.labels[:, i], ELSEWHERE).astype(np.int32)
            yield Level(prefix + " + ".join(columns), labels, _class_names(data.names, columns))


def _class_names(names: Sequence[str], columns: Columns) -> list[str]:
    """Return what the columns said: a label's name is source|column…|value…."""
    return [", ".join(name.split("|")[1 + len(columns) :]) for name in names]
