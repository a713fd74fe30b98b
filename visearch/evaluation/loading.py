"""Training sources → pictures to evaluate on: those a recipe sets aside, or a whole source."""

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
    """Return the pictures that ``recipe``, with its files in ``data``, holds out or leaves out.

    Pictures are compared only within their source, and held-out ones separately from those
    left out. Levels at which no query has an answer are dropped.

    Raises:
        InvalidRequest: the recipe is invalid, a file is missing, or no query has an answer.
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
            f"{recipe} sets no two pictures aside that share a label. Hold out more of a source."
        )
    return Material(pictures.pictures, tuple(levels.values()), pictures.groups)


def whole_source(source: Source, gallery: tuple[str, str] | None = None) -> Material:
    """Return all pictures of ``source``, without duplicates.

    With ``gallery`` (column, value), rows with that value in that column are the gallery,
    and the others query it.

    Raises:
        InvalidRequest: the source has no picture, or the gallery would be empty.
        ArchiveCorrupt: the source cannot be read, or its table lacks a column.
    """
    left_out = {gallery[0]: frozenset({gallery[1]})} if gallery else {}
    # A picture with a copy in the gallery belongs to the gallery.
    split = load([replace(source, holdout=1.0, left_out=left_out)])
    data = _joined(split.held_out, split.left_out)
    in_gallery = None
    if gallery is not None:
        if not len(split.left_out):
            column, value = gallery
            raise InvalidRequest(
                f"The gallery is empty: no picture has {value!r} in column {column!r}. Name "
                "another value."
            )
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
    """Yield the levels of source ``number`` for its pictures among ``rows``."""
    for i, columns in enumerate(source.levels):
        if columns and len(data):
            ours = rows & (data.sources == number)
            labels = np.where(ours, data.labels[:, i], ELSEWHERE).astype(np.int32)
            yield Level(prefix + " + ".join(columns), labels, _class_names(data.names, columns))


def _class_names(names: Sequence[str], columns: Columns) -> list[str]:
    """Return the values of the columns: a label's name is source|column…|value…."""
    return [", ".join(name.split("|")[1 + len(columns) :]) for name in names]
