"""Exports Flax models for the CPU engines: made once, checked against Flax, cached on disk.

jax2onnx 0.17.1 silently dropped the padding of max pooling, and a change in any library could
break our own exporter in the same way. So an export is used only after the engine that will
run it has computed vectors of fixed pictures that agree with Flax's.
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
from visearch.encoders.runtimes.options import PACKAGES, Name, Output, Precision, Runtime
from visearch.encoders.runtimes.turns import alone
from visearch.encoders.spec import EncoderSpec
from visearch.errors import ExportError

TOLERANCE: dict[Precision, float] = {"float32": 1e-3, "bfloat16": 5e-2}
"""Largest distance allowed between an engine's vector and Flax's in float32, for unit vectors.

Vectors of runtimes within this tolerance count as one encoder's and may be compared
(docs/decisions/0008-cpu-runtime.md says what that costs in recall)."""

_LIBRARIES = ("jax", "flax", "onnx")
_REMEDY = "Set VISEARCH_RUNTIME=xla and report the architecture."

log = structlog.get_logger()


def exported(
    spec: EncoderSpec,
    runtime: Name,
    precision: Precision,
    start: Callable[[bytes], Runtime],
    cache: Path | None,
    output: Output,
) -> Runtime:
    """Return the engine that ``start`` makes of the graph exported from ``spec``.

    A graph that was checked before comes from ``cache``; otherwise it is made, checked and
    put there.

    Raises:
        EncoderError: the architecture has no such output.
        ExportError: the network has no export, or the engine's vectors differ from Flax's.
        WeightsMismatch: the weights do not fit the architecture.
    """
    store = _Store(cache, _key(spec, runtime, precision, output))
    if (kept := store.read()) is not None:
        return start(kept)
    with alone(store.folder, store.key):
        if (kept := store.read()) is not None:
            return start(kept)
        return _make(spec, runtime, precision, start, store, output)


def _make(
    spec: EncoderSpec,
    runtime: Name,
    precision: Precision,
    start: Callable[[bytes], Runtime],
    store: _Store,
    output: Output,
) -> Runtime:
    from visearch.encoders.runtimes import flax_export  # loads jax

    graph, pixels, wanted = flax_export.make(spec, output)
    try:
        engine = start(graph)
        found = engine.run(pixels)
    except Exception as error:  # engines raise many types of their own
        raise ExportError(
            f"{runtime} cannot run the exported graph ({error}). Set VISEARCH_RUNTIME=xla."
        ) from error
    require_close(found, wanted, TOLERANCE[precision], f"{runtime} in {precision}")
    store.write(graph)
    return engine


def require_close(
    got: npt.NDArray[np.float32], wanted: npt.NDArray[np.float32], tolerance: float, what: str
) -> None:
    """Check that vectors [n, …] are within ``tolerance`` of the length of the ``wanted`` ones.

    ``what`` names their origin in the message.

    Raises:
        ExportError: a vector is further away, or the shapes differ.
    """
    if got.shape != wanted.shape:
        raise ExportError(
            f"{what} gives vectors of shape {got.shape}, but Flax gives {wanted.shape}. {_REMEDY}"
        )
    rows, lengths = (got - wanted).reshape(len(got), -1), wanted.reshape(len(got), -1)
    distance = float((np.linalg.norm(rows, axis=1) / np.linalg.norm(lengths, axis=1)).max())
    if not distance <= tolerance:  # refuses NaN, too
        raise ExportError(
            f"{what} gives vectors up to {distance:.2g} away from Flax's; the limit is "
            f"{tolerance}. {_REMEDY}"
        )


def _key(spec: EncoderSpec, runtime: Name, precision: Precision, output: Output) -> str:
    parts = (spec.fingerprint, runtime, precision, *versions(runtime))
    digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    return f"{spec.fingerprint}-{runtime}-{precision}-{output}-{digest[:16]}"


def versions(*runtimes: Name) -> list[str]:
    """Return the versions of all that a graph, and what an engine makes of it, depend on."""
    packages = (*_LIBRARIES, *(PACKAGES[runtime] for runtime in runtimes))
    return [_own_version(), *(f"{name} {_version(name)}" for name in packages)]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # onnxruntime is distributed under several names
        return str(import_module(package).__version__)


@functools.cache
def _own_version() -> str:
    """Return a digest of this package: after a change, every graph must be checked again."""
    digest = hashlib.sha256()
    for path in sorted(Path(encoders.__path__[0]).rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


class _Store:
    """A checked graph on disk; its file name contains its digest."""

    def __init__(self, cache: Path | None, key: str) -> None:
        self.folder = None if cache is None else cache / "graphs"
        self.key = key

    def read(self) -> bytes | None:
        """Return the graph; None if there is none, or only broken ones."""
        if self.folder is None:
            return None
        for path in self.folder.glob(f"{self.key}-*.onnx"):
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
        """Store the graph; if the folder is not writable, only this process has it."""
        if self.folder is None:
            return
        path = self.folder / self._name(graph)
        part = path.with_name(f".{path.name}.{os.getpid()}.{id(graph):x}.part")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            part.write_bytes(graph)
            part.replace(path)
        except OSError as error:
            log.warning("graph_not_cached", folder=str(self.folder), reason=error.strerror)
            with suppress(OSError):  # leave no partial file on a full disk
                part.unlink(missing_ok=True)

    def _name(self, graph: bytes) -> str:
        return f"{self.key}-{hashlib.sha256(graph).hexdigest()[:16]}.onnx"
