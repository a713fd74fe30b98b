"""Which engine and precision is the fastest on this machine and answers as float32 does.

It is measured when an encoder first starts here, takes as long as some 900 pictures, and is kept in
the folder ``choices`` of the cache: without the file, it is measured again.
"""

from __future__ import annotations

import hashlib
import json
import os
import statistics
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import structlog

from visearch.encoders.runtimes.check_pictures import check_pictures
from visearch.encoders.runtimes.export import versions
from visearch.encoders.runtimes.options import Name, Precision, RunOptions, Runtime
from visearch.encoders.runtimes.turns import alone
from visearch.encoders.spec import EncoderSpec
from visearch.errors import ExportError

ENOUGH = 0.99
"""The least share of copies which find their picture as with float32: recall@10."""

AT_LEAST = 1.05
"""So many times as fast as float32 in the default engine pays for other vectors."""

TEN = 10
ROUNDS = 5
TIMED = 16
"""Pictures embedded in each round; the engines take turns, for other processes come and go."""

Way = tuple[Name, Precision]
Open = Callable[[Name, Precision], Runtime]

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Measured:
    """One way to run an encoder: ms per picture (median of rounds), and recall@10."""

    name: Name
    precision: Precision
    ms: float
    recall: float


def fastest(spec: EncoderSpec, ways: Sequence[Way], start: Open, options: RunOptions) -> Way:
    """Return the fastest of the ``ways`` whose vectors find what those of the first find.

    ``start`` opens an engine; one that cannot be used is left out, as a log line says. Without a
    folder to keep the choice in, it is the first.

    Raises:
        ExportError: the first cannot be used.
    """
    if options.cache is None or len(ways) == 1:
        return ways[0]
    folder, key = options.cache / "choices", _key(spec, ways, options)
    if (kept := _read(folder / key, ways)) is not None:
        return kept
    with alone(folder, key):
        if (kept := _read(folder / key, ways)) is not None:
            return kept
        measured = measure(spec, ways, start)
        chosen = choice(measured)
        log.info("runtime_chosen", encoder=spec.fingerprint, chosen=chosen, measured=measured)
        _write(folder / key, chosen, measured)
        return chosen


def choice(measured: Sequence[Measured]) -> Way:
    """Return the fastest way that finds enough; the first unless another is clearly faster."""
    first = measured[0]
    good = [each for each in measured if each.recall >= ENOUGH and each.ms * AT_LEAST < first.ms]
    best = min(good, key=lambda each: each.ms, default=first)
    return best.name, best.precision


def measure(spec: EncoderSpec, ways: Sequence[Way], start: Open) -> list[Measured]:
    """Measure the ways, the first of which is float32's, side by side."""
    gallery, copies = check_pictures(spec.preprocess.size)
    own = np.arange(len(copies))
    engines = {ways[0]: start(*ways[0])}
    base = engines[ways[0]].run(gallery)
    known = _among_ten(engines[ways[0]].run(copies), base, own)
    finds = {ways[0]: known}
    for way in ways[1:]:
        try:
            engines[way], found = _tried(way, start, copies)
        except ExportError as error:
            leave_out(way, error)
        else:
            finds[way] = _among_ten(found, base, own)
    times = _times(engines, gallery[:TIMED])
    return [
        Measured(*way, ms=round(times[way], 3), recall=round(_share(finds[way], known), 4))
        for way in engines
    ]


def _tried(
    way: Way, start: Open, pixels: npt.NDArray[np.uint8]
) -> tuple[Runtime, npt.NDArray[np.float32]]:
    try:
        engine = start(*way)
        return engine, engine.run(pixels)
    except Exception as error:  # engines raise many types of their own
        name, precision = way
        raise ExportError(f"{name} in {precision} does not run here ({error}).") from error


def leave_out(way: Way, error: Exception) -> None:
    """Say that an engine is not used although it is installed."""
    log.warning("runtime_left_out", runtime=way[0], precision=way[1], error=str(error))


def _among_ten(
    asked: npt.NDArray[np.float32], base: npt.NDArray[np.float32], own: npt.NDArray[np.intp]
) -> npt.NDArray[np.bool_]:
    nearest = np.argpartition(-(asked @ base.T), TEN, axis=1)[:, :TEN]
    return np.asarray((nearest == own[:, None]).any(axis=1))


def _share(found: npt.NDArray[np.bool_], known: npt.NDArray[np.bool_]) -> float:
    return float(found[known].mean()) if known.any() else 0.0


def _times(engines: Mapping[Way, Runtime], pixels: npt.NDArray[np.uint8]) -> dict[Way, float]:
    spent: dict[Way, list[float]] = {way: [] for way in engines}
    for _ in range(ROUNDS):
        for way, engine in engines.items():
            begun = time.perf_counter()
            engine.run(pixels)
            spent[way].append((time.perf_counter() - begun) * 1e3 / len(pixels))
    return {way: statistics.median(each) for way, each in spent.items()}


def _key(spec: EncoderSpec, ways: Sequence[Way], options: RunOptions) -> str:
    """Name the choice by all that it depends on: the encoder, the software, and the machine."""
    software = versions(*sorted({name for name, _ in ways}))
    machine = [f"{options.cores} {options.shared}", *_processor()]
    parts = (*map(" ".join, ways), *software, *machine)
    digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    return f"{spec.fingerprint}-{digest[:16]}.json"


def _processor() -> list[str]:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:  # not Linux
        return []
    said = dict(line.partition(":")[::2] for line in reversed(text.splitlines()))
    named = {name.strip(): value.strip() for name, value in said.items()}
    return [named.get(name, "") for name in ("model name", "flags", "CPU part", "Features")]


def _read(path: Path, ways: Sequence[Way]) -> Way | None:
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        chosen = kept["chosen"]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        log.warning("choice_unreadable", path=str(path), error=str(error))
        return None
    return next((way for way in ways if [*way] == chosen), None)


def _write(path: Path, chosen: Way, measured: Sequence[Measured]) -> None:
    text = json.dumps({"chosen": chosen, "measured": [asdict(each) for each in measured]}, indent=1)
    part = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        log.warning("choice_not_kept", folder=str(path.parent), reason=error.strerror)
        with suppress(OSError):  # leave no partial file on a full disk
            part.unlink(missing_ok=True)
