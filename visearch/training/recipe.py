"""Recipes: a TOML file that decides a training run, besides the data and the machine."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

from visearch.encoders.registry import VARIANTS
from visearch.errors import InvalidRequest
from visearch.images import Preprocess
from visearch.images.preprocess import Fit
from visearch.training.data import Source

Kind = Literal[
    "same_picture", "same_label", "triplet", "proxy", "teacher_features", "teacher_relations"
]


@dataclass(frozen=True, kw_only=True)
class Term:
    """One weighted term of the loss (visearch.training.terms says what each kind is).

    ``level`` is the label level that it looks at. ``temperature`` divides similarities;
    ``margin`` is in units of cosine; ``smoothing`` is the share of a class's target that
    is spread over all classes; ``memory`` is how many earlier embeddings are negatives.
    """

    kind: Kind
    weight: float = 1.0
    level: int = 0
    temperature: float = 0.1
    margin: float = 0.0
    smoothing: float = 0.0
    memory: int = 0


@dataclass(frozen=True, kw_only=True)
class Pretrained:
    """A network to start from or to learn from: an architecture and its checkpoint."""

    architecture: str
    weights: Path


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The numbers of a run; ``batch`` counts pictures, each seen in two views.

    ``embedding`` is its length, for architectures that leave it open (None: the features).
    The terms are averaged over the first ``lengths`` numbers of it, beside all of it, so
    that it can be cut (Kusupati et al. 2022, arXiv:2205.13147).
    Views are drawn at ``size`` px; all but the last ``full_size_steps`` steps shrink them to
    ``train_size`` (Touvron et al. 2019, arXiv:1906.06423). Parameters whose names begin with one
    of ``frozen`` stay as they are. ``strength`` 0..1 scales how
    coarse the changes of the second view are; ``mixtures`` pictures per batch are collages
    of others, for the teacher's terms alone. What ``start`` does not fill learns at
    ``head_learning_rate``. ``average`` is the decay of the exponential moving average that
    becomes the result; ``keep_start`` blends that share of the starting weights into it
    (Wortsman et al. 2022, arXiv:2109.01903).
    """

    architecture: str
    embedding: int | None = None
    lengths: tuple[int, ...] = ()
    size: int = 160
    fit: Fit = "stretch"
    batch: int = 64
    steps: int = 1000
    warmup: int = 100
    learning_rate: float = 3e-4
    head_learning_rate: float = 3e-3
    weight_decay: float = 1e-2
    clip: float = 5.0
    average: float = 0.998
    keep_start: float = 0.0
    precision: Literal["float32", "bfloat16"] = "float32"
    frozen: tuple[str, ...] = ()
    train_size: int | None = None
    full_size_steps: int = 0
    strength: float = 1.0
    mixtures: int = 0
    seed: int = 0
    terms: tuple[Term, ...] = ()
    start: Pretrained | None = None
    teacher: Pretrained | None = None

    @property
    def preprocess(self) -> Preprocess:
        """The preprocessing the trained encoder will declare."""
        half = (0.5, 0.5, 0.5)
        return Preprocess(size=self.size, fit=self.fit, mean=half, std=half)

    def side_at(self, step: int) -> int:
        """Side in px that the network sees at ``step`` (from 0)."""
        small = step < self.steps - self.full_size_steps
        return self.train_size if small and self.train_size else self.size


def read(path: Path, data: Path, start: Path | None = None) -> tuple[Recipe, list[Source]]:
    """Read a recipe whose files lie in the folder ``data``.

    ``start`` is the checkpoint of ``[start]``, for recipes that leave it open.

    Raises:
        InvalidRequest: not TOML, an unknown key, a value out of range, a missing file.
    """
    sources = read_sources(path, data)
    with _explained(path):
        body = tomllib.loads(path.read_text())
        del body["source"]
        recipe = _recipe(body, data, start)
    _check(path, recipe, sources)
    return recipe, sources


def read_sources(path: Path, data: Path) -> list[Source]:
    """Read a recipe's sources alone.

    Raises:
        InvalidRequest: not TOML, an unknown key, a missing file, no source.
    """
    with _explained(path):
        body = tomllib.loads(path.read_text())
        sources = [_source(entry, data) for entry in body.get("source", [])]
    if not sources:
        raise InvalidRequest(f"{path} names no [[source]]")
    return sources


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, tomllib.TOMLDecodeError, TypeError, KeyError, ValueError) as error:
        raise InvalidRequest(f"{path} is not a recipe: {error}") from error


def _recipe(body: dict[str, Any], data: Path, start: Path | None) -> Recipe:
    parts: dict[str, Any] = dict(body.pop("recipe"))
    for name, given in (("start", start), ("teacher", None)):
        if name in body:
            parts[name] = _pretrained(body.pop(name), given, data)
        elif given:
            raise InvalidRequest("the recipe starts from random weights; it has no [start]")
    parts["terms"] = tuple(Term(**_known(entry, Term)) for entry in body.pop("term", []))
    if body:
        raise InvalidRequest(f"the recipe has unknown parts: {', '.join(sorted(body))}")
    parts |= {name: tuple(parts.get(name, ())) for name in ("frozen", "lengths")}
    return Recipe(**_known(parts, Recipe))


def _check(path: Path, recipe: Recipe, sources: list[Source]) -> None:
    levels = {len(source.levels) for source in sources}
    teacher = recipe.teacher.architecture if recipe.teacher else recipe.architecture
    wrong = [
        (f"unknown architecture {name!r}", name not in VARIANTS)
        for name in (recipe.architecture, teacher)
    ]
    wrong += [
        (f"unknown kind of term {t.kind!r}", t.kind not in get_args(Kind)) for t in recipe.terms
    ]
    wrong += [
        ("it has no [[term]]", not recipe.terms),
        ("all sources must list as many levels (a level may be empty: [])", len(levels) > 1),
        ("a term's level is not among the sources' levels", _level_missing(recipe, min(levels))),
        ("a teacher's term needs a [teacher]", recipe.teacher is None and _taught(recipe)),
        ("two terms of one kind look at one level", _twice(recipe)),
        ("train_size must be at most size", (recipe.train_size or 0) > recipe.size),
    ]
    if problems := [text for text, is_wrong in wrong if is_wrong]:
        raise InvalidRequest(f"{path}: {'; '.join(problems)}")


def _twice(recipe: Recipe) -> bool:
    return len({(term.kind, term.level) for term in recipe.terms}) < len(recipe.terms)


def _taught(recipe: Recipe) -> bool:
    return any(term.kind.startswith("teacher") for term in recipe.terms)


def _level_missing(recipe: Recipe, levels: int) -> bool:
    labelled = ("same_label", "triplet", "proxy")
    return any(term.kind in labelled and not 0 <= term.level < levels for term in recipe.terms)


def _pretrained(entry: Mapping[str, Any], given: Path | None, data: Path) -> Pretrained:
    values = _known(dict(entry), Pretrained)
    if (given is None) == ("weights" not in values):
        raise InvalidRequest("[start] needs its weights, in the recipe or by --start, not by both")
    return Pretrained(
        architecture=values["architecture"], weights=given or _file(data / values["weights"])
    )


def _source(entry: dict[str, Any], data: Path) -> Source:
    entry = dict(entry)
    archive = _file(data / entry.pop("archive"))
    table = _file(data / entry.pop("table")) if "table" in entry else None
    levels = tuple(tuple(level) for level in entry.pop("levels"))
    left_out = {name: frozenset(values) for name, values in entry.pop("left_out", {}).items()}
    return Source(archive, table, levels, left_out=left_out, **_known(entry, Source))


def _file(path: Path) -> Path:
    if not path.exists():
        raise InvalidRequest(f"{path} is missing; --data names the folder that holds it")
    return path


def _known(values: dict[str, Any], kind: type[Any]) -> dict[str, Any]:
    if unknown := set(values) - {f.name for f in fields(kind)}:
        raise InvalidRequest(f"unknown key in the recipe: {', '.join(sorted(unknown))}")
    return values
