"""Exports of Flax models for the engines: made once, checked against Flax, kept on disk.

jax2onnx 0.17.1 dropped the padding of max pooling without a word; a change of any library
may do the like to our own exporter. So no export is used before its vectors of fixed
pictures, computed by the very engine that will run it, have agreed with Flax's.
"""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import numpy.typing as npt
import structlog

from visearch import encoders
from visearch.encoders.runtimes.options import PACKAGES, Name, Precision, Runtime
from visearch.encoders.spec import EncoderSpec
from visearch.errors import ExportError

TOLERANCE: dict[Precision, float] = {"float32": 1e-3, "bfloat16": 5e-2}
"""Largest distance between an engine's unit vector and Flax's in float32, on the check's pictures.

Runtimes within it give vectors of one encoder: they may meet, whichever has made them
(docs/decisions/0008-cpu-runtime.md says what that costs in recall)."""

_LIBRARIES = ("jax", "flax", "onnx")

log = structlog.get_logger()


def exported(
    spec: EncoderSpec,
    runtime: Name,
    precision: Precision,
    start: Callable[[bytes], Runtime],
    cache: Path | None,
) -> Runtime:
    """Return the engine that ``start`` makes of ``spec``'s exported graph.

    The graph comes from ``cache`` if it was checked there before; else it is made, checked
    and put there.

    Raises:
        ExportError: the network has no export, or the engine's vectors differ from Flax's.
        WeightsMismatch: the weights do not fit the architecture.
    """
    store = _Store(cache, _key(spec, runtime, precision))
    if (kept := store.read()) is not None:
        return start(kept)
    from visearch.encoders.runtimes import flax_export  # loads jax

    graph, pixels, wanted = flax_export.make(spec)
    try:
        engine = start(graph)
        found = engine.run(pixels)
    except Exception as error:  # the engines' own, of many kinds
        raise ExportError(f"{runtime} cannot run the exported graph: {error}") from error
    check(found, wanted, TOLERANCE[precision], f"{runtime} in {precision}")
    store.write(graph)
    return engine


def check(
    got: npt.NDArray[np.float32], wanted: npt.NDArray[np.float32], tolerance: float, what: str
) -> None:
    """Refuse vectors [n, d] that lie further than ``tolerance`` from the ``wanted`` ones.

    Raises:
        ExportError: they do, or their shape differs.
    """
    if got.shape != wanted.shape:
        raise ExportError(f"{what} gives vectors {got.shape}, Flax {wanted.shape}")
    distance = float(np.linalg.norm(got - wanted, axis=1).max())
    if not distance <= tolerance:  # not a number is refused too
        raise ExportError(
            f"{what} gives vectors {distance:.2g} away from Flax's, more than {tolerance}; "
            "set VISEARCH_RUNTIME=xla and report the architecture"
        )


def _key(spec: EncoderSpec, runtime: Name, precision: Precision) -> str:
    versions = [f"{name} {_version(name)}" for name in (*_LIBRARIES, PACKAGES[runtime])]
    parts = (spec.fingerprint, runtime, precision, _own_version(), *versions)
    digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    return f"{spec.fingerprint}-{runtime}-{precision}-{digest[:16]}"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # onnxruntime has distributions of other names
        return str(import_module(package).__version__)


@functools.cache
def _own_version() -> str:
    """Return a digest of our definitions and exporter: a changed one must be checked again."""
    digest = hashlib.sha256()
    for path in sorted(Path(encoders.__path__[0]).rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


class _Store:
    """One checked graph on disk, under a name that holds its digest."""

    def __init__(self, cache: Path | None, key: str) -> None:
        self._folder = None if cache is None else cache / "graphs"
        self._key = key

    def read(self) -> bytes | None:
        """Return the graph; None if there is none that is whole."""
        if self._folder is None:
            return None
        for path in self._folder.glob(f"{self._key}-*.onnx"):
            try:
                graph = path.read_bytes()
            except OSError as error:
                log.warning("cached_graph_unreadable", path=str(path), reason=error.strerror)
                continue
            if path.name == self._name(graph):
                return graph
            log.warning("cached_graph_broken", path=str(path))
        return None

    def write(self, graph: bytes) -> None:
        """Keep the graph; where the folder cannot be written, this start has it alone."""
        if self._folder is None:
            return
        path = self._folder / self._name(graph)
        part = path.with_name(f".{path.name}.{os.getpid()}.{id(graph):x}.part")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            part.write_bytes(graph)
            part.replace(path)
        except OSError as error:
            log.warning("graph_not_cached", folder=str(self._folder), reason=error.strerror)
            with suppress(OSError):  # a full disk must not fill with halves
                part.unlink(missing_ok=True)

    def _name(self, graph: bytes) -> str:
        return f"{self._key}-{hashlib.sha256(graph).hexdigest()[:16]}.onnx"
