"""Training sources → material to evaluate on: what a recipe holds out, or a whole archive."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from visearch.errors import InvalidRequest
from visearch.evaluation.material import Level, Material
from visearch.training import recipe as recipes
from visearch.training.data import UNLABELLED, Dataset, Source, load

Columns = tuple[str, ...]


def held_out(recipe: Path, data: Path) -> Material:
    """Return the pictures that training by ``recipe`` holds out, its sources in ``data``.

    Each source has its own levels, so that its pictures are compared among themselves.

    Raises:
        InvalidRequest: the recipe is not valid, a source is missing, nothing is held out.
        ArchiveCorrupt: a table lacks a column it should have.
    """
    _, sources = recipes.read(recipe, data)
    _, held = load(sources)
    if not len(held):
        raise InvalidRequest(f"{recipe} holds out no picture; its sources have too few")
    levels = {
        level.name: level  # a source may list a level twice
        for number, source in enumerate(sources)
        for i, columns in enumerate(source.levels)
        for level in [_level(held, number, i, f"{source.archive.stem}: ", columns)]
    }
    return Material(held.pictures, tuple(levels.values()), held.groups)


def whole_archive(source: Source, gallery: tuple[str, str] | None = None) -> Material:
    """Return all pictures of ``source``, copies once.

    With ``gallery`` (column, value) the rows whose column has that value are the gallery
    and the others query it.

    Raises:
        InvalidRequest: the source has no picture, or the gallery would be empty.
        ArchiveCorrupt: the table lacks a column it should have.
    """
    roles: tuple[Columns, ...] = ((gallery[0],),) if gallery else ()
    wanted = Source(
        source.archive, source.table, source.levels + roles, source.group, source.no_label
    )
    _, data = load([wanted], holdout=1.0)
    if not len(data):
        raise InvalidRequest(f"{source.table} names no picture that is in {source.archive}")
    levels = tuple(_level(data, 0, i, "", columns) for i, columns in enumerate(source.levels))
    in_gallery = _in_gallery(data, gallery) if gallery else None
    return Material(data.pictures, levels, data.groups, in_gallery)


def _level(data: Dataset, source: int, i: int, prefix: str, columns: Columns) -> Level:
    labels = np.where(data.sources == source, data.labels[:, i], UNLABELLED)
    name = prefix + " + ".join(columns)
    return Level(name, labels.astype(np.int32), _class_names(data.names, columns))


def _in_gallery(data: Dataset, gallery: tuple[str, str]) -> npt.NDArray[np.bool_]:
    column, value = gallery
    names = _class_names(data.names, (column,))
    inside = np.asarray([label >= 0 and names[label] == value for label in data.labels[:, -1]])
    if not inside.any():
        raise InvalidRequest(f"no picture has {value!r} in column {column!r} for the gallery")
    return inside


def _class_names(names: Sequence[str], columns: Columns) -> list[str]:
    """Return what the columns said: a label's name is archive|column…|value…."""
    return [", ".join(name.split("|")[1 + len(columns) :]) for name in names]
