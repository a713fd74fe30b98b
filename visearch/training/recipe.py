"""Recipes: a TOML file that decides a training run, besides the data and the machine."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from visearch.encoders.registry import VARIANTS
from visearch.errors import InvalidRequest
from visearch.images import Preprocess
from visearch.training.data import Source


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The numbers of a run. ``batch`` counts pictures, each seen in two views.

    ``average`` is the decay of the exponential moving average that becomes the result;
    ``label_weight`` weighs the supervised terms against the self-supervised one. ``stop``
    ends the run before the learning rate's schedule of ``steps`` does. With ``clean_view``
    one of the two views is the catalog picture as it is. ``hard_window`` > 1 sorts that
    many batches by their first ``hard_levels`` labels before they are cut, so that a
    picture's negatives are things of its own kind.
    """

    architecture: str = "resnet_compact"
    size: int = 96
    batch: int = 128
    steps: int = 1500
    warmup: int = 200
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    temperature: float = 0.1
    label_weight: float = 0.5
    average: float = 0.998
    stop: int | None = None
    strength: float = 1.0
    clean_view: bool = False
    hard_window: int = 1
    hard_levels: int = 1
    seed: int = 0

    @property
    def preprocess(self) -> Preprocess:
        """The preprocessing the trained encoder will declare."""
        half = (0.5, 0.5, 0.5)
        return Preprocess(size=self.size, fit="pad", mean=half, std=half)


def read(path: Path, data: Path) -> tuple[Recipe, list[Source]]:
    """Read a recipe whose sources lie in the folder ``data``.

    Raises:
        InvalidRequest: not TOML, an unknown key, an unknown architecture, a missing file.
    """
    try:
        body = tomllib.loads(path.read_text())
        recipe = Recipe(**_known(body.pop("recipe", {}), Recipe))
        sources = [_source(entry, data) for entry in body.pop("source", [])]
    except (OSError, tomllib.TOMLDecodeError, TypeError, KeyError) as error:
        raise InvalidRequest(f"{path} is not a recipe: {error}") from error
    if body:
        raise InvalidRequest(f"{path} has unknown parts: {', '.join(sorted(body))}")
    if recipe.architecture not in VARIANTS:
        raise InvalidRequest(f"{path}: unknown architecture {recipe.architecture!r}")
    if not sources:
        raise InvalidRequest(f"{path} names no [[source]]")
    return recipe, sources


def _source(entry: dict[str, Any], data: Path) -> Source:
    entry = dict(entry)
    archive, table = data / entry.pop("archive"), data / entry.pop("table")
    for file in (archive, table):
        if not file.is_file():
            raise InvalidRequest(f"{file} is missing; --data names the folder that holds it")
    levels = tuple(tuple(level) for level in entry.pop("levels"))
    return Source(archive, table, levels, **_known(entry, Source))


def _known(values: dict[str, Any], kind: type[Any]) -> dict[str, Any]:
    if unknown := set(values) - {f.name for f in fields(kind)}:
        raise InvalidRequest(f"unknown key in the recipe: {', '.join(sorted(unknown))}")
    return values
