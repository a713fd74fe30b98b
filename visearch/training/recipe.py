"""Recipes: a TOML file that decides a training run, besides the data and the machine."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from visearch.encoders.registry import VARIANTS
from visearch.errors import InvalidRequest
from visearch.images import Preprocess
from visearch.images.preprocess import Fit
from visearch.training.data import Source

Kind = Literal[
    "same_picture", "same_label", "triplet", "proxy", "teacher_features", "teacher_relations"
]


Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Triple = tuple[float, float, float]
Deviations = tuple[Rate, Rate, Rate]
_HALF = (0.5, 0.5, 0.5)
_STRICT_KEYS = ConfigDict(extra="forbid")


@dataclass(frozen=True, kw_only=True)
class Term:
    """One weighted term of the loss (visearch.training.terms says what each kind is).

    ``level`` is the label level that it looks at. ``temperature`` divides similarities;
    ``margin`` is in units of cosine; ``smoothing`` is the share of a class's target that
    is spread over all classes; ``memory`` is how many earlier embeddings are negatives.
    ``part`` is the part of the embedding that it looks at, for architectures that have
    several.
    """

    __pydantic_config__ = _STRICT_KEYS

    kind: Kind
    weight: Weight = 1.0
    level: Count = 0
    temperature: Rate = 0.1
    margin: Weight = 0.0
    smoothing: Share = 0.0
    memory: Count = 0
    part: str = "all"


@dataclass(frozen=True, kw_only=True)
class Pretrained:
    """A network to start from or to learn from: an architecture and its checkpoint.

    ``classes`` is how many the checkpoint tells apart (None: as the architecture's published
    ones, 0: none). A teacher's pictures are normalised by its own ``mean`` and ``std``
    (None: the recipe's).
    """

    __pydantic_config__ = _STRICT_KEYS

    architecture: str
    weights: Path
    classes: Count | None = None
    mean: Triple | None = None
    std: Deviations | None = None


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The numbers of a run; ``batch`` counts pictures, each seen in two views.

    ``embedding`` is its length, for architectures that leave it open (None: the features).
    The terms are averaged over the first ``lengths`` numbers of it, beside all of it, so
    that it can be cut (Kusupati et al. 2022, arXiv:2205.13147).
    Views are drawn at ``size`` px; all but the last ``full_size_steps`` steps shrink them to
    ``train_size`` (Touvron et al. 2019, arXiv:1906.06423). Parameters whose names begin with one
    of ``frozen`` stay as they are. Pixels are normalised by ``mean`` and ``std`` (RGB, on a
    0..1 scale): those of the network that is started from. ``strength`` 0..1 scales how
    coarse the changes of the second view are; ``mixtures`` pictures per batch are collages
    of others, for the teacher's terms alone. What ``start`` does not fill learns at
    ``head_learning_rate``. ``average`` is the decay of the exponential moving average that
    becomes the result; ``keep_start`` blends that share of the starting weights into it
    (Wortsman et al. 2022, arXiv:2109.01903).
    """

    __pydantic_config__ = _STRICT_KEYS

    architecture: str
    embedding: Positive | None = None
    lengths: tuple[Positive, ...] = ()
    size: Annotated[int, Field(ge=32, le=1024)] = 160
    fit: Fit = "stretch"
    mean: Triple = _HALF
    std: Deviations = _HALF
    batch: Annotated[int, Field(ge=2)] = 64
    steps: Positive = 1000
    warmup: Count = 100
    learning_rate: Rate = 3e-4
    head_learning_rate: Rate = 3e-3
    weight_decay: Weight = 1e-2
    clip: Rate = 5.0
    average: Annotated[float, Field(ge=0, lt=1)] = 0.998
    keep_start: Share = 0.0
    precision: Literal["float32", "bfloat16"] = "float32"
    frozen: tuple[str, ...] = ()
    train_size: Annotated[int, Field(ge=32)] | None = None
    full_size_steps: Count = 0
    strength: Share = 1.0
    mixtures: Count = 0
    seed: Count = 0
    terms: tuple[Term, ...] = ()
    start: Pretrained | None = None
    teacher: Pretrained | None = None

    @property
    def preprocess(self) -> Preprocess:
        """The preprocessing the trained encoder will declare."""
        return Preprocess(size=self.size, fit=self.fit, mean=self.mean, std=self.std)

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
    except ValidationError as error:
        raise InvalidRequest(f"{path}: {'; '.join(map(_said, error.errors()))}") from error
    except (OSError, tomllib.TOMLDecodeError, TypeError, KeyError, ValueError) as error:
        raise InvalidRequest(f"{path} is not a recipe: {error}") from error


def _said(error: Any) -> str:
    place = ".".join(map(str, error["loc"]))
    return f"unknown key {place}" if "unexpected" in error["type"] else f"{place}: {error['msg']}"


def _recipe(body: dict[str, Any], data: Path, start: Path | None) -> Recipe:
    parts: dict[str, Any] = dict(body.pop("recipe"))
    for name, given in (("start", start), ("teacher", None)):
        if name in body:
            parts[name] = _pretrained(body.pop(name), given, data)
        elif given:
            raise InvalidRequest("the recipe starts from random weights; it has no [start]")
    parts["terms"] = body.pop("term", [])
    if body:
        raise InvalidRequest(f"the recipe has unknown parts: {', '.join(sorted(body))}")
    return TypeAdapter(Recipe).validate_python(parts)


def _check(path: Path, recipe: Recipe, sources: list[Source]) -> None:
    start = recipe.start
    levels = {len(source.levels) for source in sources}
    teacher = recipe.teacher.architecture if recipe.teacher else recipe.architecture
    wrong = [
        (f"unknown architecture {name!r}", name not in VARIANTS)
        for name in (recipe.architecture, teacher)
    ]
    wrong += [
        ("it has no [[term]]", not recipe.terms),
        ("all sources must list as many levels (a level may be empty: [])", len(levels) > 1),
        ("a term's level is not among the sources' levels", _level_missing(recipe, min(levels))),
        ("a teacher's term needs a [teacher]", recipe.teacher is None and _taught(recipe)),
        ("two terms of one kind look at one level and part", _twice(recipe)),
        ("train_size must be at most size", (recipe.train_size or 0) > recipe.size),
        ("mean and std of [start] belong to [recipe]", bool(start and (start.mean or start.std))),
        ("warmup must be less than steps", recipe.warmup >= recipe.steps),
        ("full_size_steps must be at most steps", recipe.full_size_steps > recipe.steps),
    ]
    if problems := [text for text, is_wrong in wrong if is_wrong]:
        raise InvalidRequest(f"{path}: {'; '.join(problems)}")


def _twice(recipe: Recipe) -> bool:
    return len({(term.kind, term.level, term.part) for term in recipe.terms}) < len(recipe.terms)


def _taught(recipe: Recipe) -> bool:
    return any(term.kind.startswith("teacher") for term in recipe.terms)


def _level_missing(recipe: Recipe, levels: int) -> bool:
    labelled = ("same_label", "triplet", "proxy")
    return any(term.kind in labelled and not 0 <= term.level < levels for term in recipe.terms)


def _pretrained(entry: dict[str, Any], given: Path | None, data: Path) -> dict[str, Any]:
    if (given is None) == ("weights" not in entry):
        raise InvalidRequest("[start] needs its weights, in the recipe or by --start, not by both")
    return entry | {"weights": given or _file(data / entry["weights"])}


def _source(entry: dict[str, Any], data: Path) -> Source:
    files = {"archive": data / entry["archive"]}
    if "table" in entry:
        files["table"] = data / entry["table"]
    for path in files.values():
        _file(path)
    return TypeAdapter(Source).validate_python({"table": None} | entry | files)


def _file(path: Path) -> Path:
    if not path.exists():
        raise InvalidRequest(f"{path} is missing; --data names the folder that holds it")
    return path
