"""Reads the TOML file of a recipe and refuses invalid ones with all reasons."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from visearch.encoders.registry import VARIANTS
from visearch.errors import InvalidRequest
from visearch.training.data import Source
from visearch.training.recipe import LABELLED, Recipe


def read(
    path: Path,
    data: Path,
    start: Path | None = None,
    branch: Path | None = None,
    teachers: Sequence[Path] = (),
) -> tuple[Recipe, list[Source]]:
    """Read a recipe whose pictures, tables and weights are in the folder ``data``.

    ``start``, ``branch`` and ``teachers`` are the weights of ``[start]``, ``[branch]`` and
    each ``[[teacher]]``, in recipes that do not name them.

    Raises:
        InvalidRequest: not TOML, an unknown key, a value out of range, a missing file.
    """
    sources = read_sources(path, data)
    with _explained(path):
        body = tomllib.loads(path.read_text())
        del body["source"]
        if not isinstance(body.get("recipe"), dict):
            raise InvalidRequest(f"{path} has no [recipe]. Add it.")
        recipe = _recipe(body, data, {"start": start, "branch": branch}, teachers)
    _check(path, recipe, sources)
    return recipe, sources


def read_sources(path: Path, data: Path) -> list[Source]:
    """Read only the sources of a recipe.

    Raises:
        InvalidRequest: not TOML, an unknown key, a missing file, no source.
    """
    with _explained(path):
        body = tomllib.loads(path.read_text())
        listed = body.get("source", [])
        sources = [_source(entry, data) for entry in listed if isinstance(listed, list)]
    if not sources:
        raise InvalidRequest(f"{path} names no [[source]]. Add one.")
    stems = [source.archive.stem for source in sources]
    if twice := sorted({stem for stem in stems if stems.count(stem) > 1}):
        raise InvalidRequest(f"{path}: two sources are called {twice[0]!r}. Rename one file.")
    return sources


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except ValidationError as error:
        raise InvalidRequest(f"{path}: {'; '.join(map(_told, error.errors()))}.") from error
    except (OSError, tomllib.TOMLDecodeError, TypeError, KeyError, ValueError) as error:
        raise InvalidRequest(f"{path} is not a recipe ({error}).") from error


def _told(error: Any) -> str:
    place = ".".join(map(str, error["loc"]))
    return f"unknown key {place}" if "unexpected" in error["type"] else f"{place}: {error['msg']}"


def _recipe(
    body: dict[str, Any], data: Path, weights: dict[str, Path | None], teachers: Sequence[Path]
) -> Recipe:
    parts: dict[str, Any] = dict(body.pop("recipe"))
    for name, given in weights.items():
        if name in body:
            parts[name] = _pretrained(name, body.pop(name), given, data)
        elif given:
            raise InvalidRequest(f"The recipe has no [{name}] for --{name}. Omit the option.")
    parts["terms"] = body.pop("term", [])
    parts["teachers"] = _teachers(body.pop("teacher", []), teachers, data)
    if body:
        raise InvalidRequest(f"The recipe has unknown parts: {', '.join(sorted(body))}.")
    return TypeAdapter(Recipe).validate_python(parts)


def _check(path: Path, recipe: Recipe, sources: list[Source]) -> None:
    networks = recipe.networks
    shares = [source.share for source in sources if source.share is not None]
    free = len(shares) < len(sources)
    levels = {len(source.levels) for source in sources}
    wrong = [
        (f"unknown architecture {name!r}", name not in VARIANTS)
        for name in dict.fromkeys(
            [recipe.architecture, *(network.architecture for network in networks.values())]
        )
    ]
    wrong += [
        ("it has no [[term]]", recipe.steps > 0 and not recipe.terms),
        ("all sources must have the same number of levels (a level may be [])", len(levels) > 1),
        ("a term's level is not among the sources' levels", _level_missing(recipe, min(levels))),
        ("a teacher's term needs a [[teacher]]", not recipe.teachers and _is_taught(recipe)),
        ("two terms have the same kind, level and part", _twice(recipe)),
        ("train_size must be at most size", (recipe.train_size or 0) > recipe.size),
        ("view_size must be at least size", (recipe.view_size or recipe.size) < recipe.size),
        (
            "[branch], and no other network, needs `into`, the name of a submodule",
            any(bool(network.into) != (role == "branch") for role, network in networks.items()),
        ),
        ("the shares of the sources exceed 1", sum(shares) > 1 + 1e-9),
        ("the shares leave nothing to the other sources", free and sum(shares) > 1 - 1e-9),
        (
            "mixtures need the term teacher_features or teacher_embedding",
            recipe.mixtures > 0 and not _imitates(recipe),
        ),
        ("hard_levels exceeds the number of levels", _unsorted(recipe, min(levels))),
        ("warmup must be less than steps", 0 < recipe.steps <= recipe.warmup),
        ("it needs [start] or steps above 0", not recipe.steps and not recipe.start),
        ("full_size_steps must be at most steps", recipe.full_size_steps > recipe.steps),
    ]
    if problems := [text for text, is_wrong in wrong if is_wrong]:
        raise InvalidRequest(f"{path}: {'; '.join(problems)}.")


def _twice(recipe: Recipe) -> bool:
    labelled = {t: t.level if t.kind in LABELLED else 0 for t in recipe.terms}
    return len({(t.kind, labelled[t], t.part) for t in recipe.terms}) < len(recipe.terms)


def _unsorted(recipe: Recipe, levels: int) -> bool:
    return recipe.hard_window > 1 and recipe.hard_levels > levels


def _imitates(recipe: Recipe) -> bool:
    return any(term.kind in ("teacher_features", "teacher_embedding") for term in recipe.terms)


def _is_taught(recipe: Recipe) -> bool:
    return any(term.kind.startswith("teacher") for term in recipe.terms)


def _level_missing(recipe: Recipe, levels: int) -> bool:
    return any(term.kind in LABELLED and not 0 <= term.level < levels for term in recipe.terms)


def _pretrained(name: str, entry: dict[str, Any], given: Path | None, data: Path) -> dict[str, Any]:
    if (given is None) == ("weights" not in entry):
        ways = f"either in the recipe or with --{name}, not both"
        raise InvalidRequest(f"[{name}] needs its weights. Name them {ways}.")
    return entry | {"weights": given or _file(data / entry["weights"])}


def _teachers(
    entries: list[dict[str, Any]], given: Sequence[Path], data: Path
) -> list[dict[str, Any]]:
    nameless = sum("weights" not in entry for entry in entries)
    if nameless != len(given):
        raise InvalidRequest(
            f"The recipe has {nameless} [[teacher]] without weights, but --teacher names "
            f"{len(given)}. Name the weights of each once, here or there."
        )
    rest = iter(given)
    return [
        entry | {"weights": _file(data / entry["weights"]) if "weights" in entry else next(rest)}
        for entry in entries
    ]


def _source(entry: dict[str, Any], data: Path) -> Source:
    files = {"archive": data / entry["archive"]}
    if "table" in entry:
        files["table"] = data / entry["table"]
    for path in files.values():
        _file(path)
    return TypeAdapter(Source).validate_python({"table": None} | entry | files)


def _file(path: Path) -> Path:
    if not path.exists():
        raise InvalidRequest(f"{path} is missing. Name its folder with --data.")
    return path
