"""Start the runtime of an encoder; each is loaded only when it is used."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from visearch.encoders.runtimes import int8
from visearch.encoders.runtimes.export import exported
from visearch.encoders.runtimes.options import Name, Precision, RunOptions, Runtime, choose
from visearch.encoders.spec import EncoderSpec
from visearch.errors import ExportError


@dataclass(frozen=True)
class Started:
    """A running runtime; ``precision`` is what it computes in."""

    name: Name
    precision: str
    engine: Runtime


def start(spec: EncoderSpec, buckets: Sequence[int], options: RunOptions) -> Started:
    """Start what ``options`` ask for.

    Raises:
        UnknownEncoder: there is no such architecture.
        WeightsMismatch: the weights do not fit it.
        ExportError: the runtime cannot run it as Flax does.
        SettingsError: the runtime is not installed, or cannot do what is asked for.
    """
    quantized = int8.is_quantized(spec)
    name, precision = choose(options, quantized=quantized)
    if name == "xla":
        return Started(name, precision, _xla(spec, buckets, precision, options))
    if quantized:
        # What is not int8 in its graph is float32, whatever was asked for.
        return Started(name, "int8", _started(name, spec, options))
    engine = _engine(name, precision, options)
    return Started(name, precision, exported(spec, name, precision, engine, options.cache))


def _started(name: Name, spec: EncoderSpec, options: RunOptions) -> Runtime:
    graph = int8.read_graph(spec)
    try:
        return _engine(name, "float32", options)(graph)
    except Exception as error:  # the engines' own, of many kinds
        raise ExportError(
            f"{name} cannot read the graph in {spec.weights.name}: {error}"
        ) from error


def _engine(name: Name, precision: Precision, options: RunOptions) -> Callable[[bytes], Runtime]:
    threads = options.cores
    if name == "onnx":
        from visearch.encoders.runtimes.onnx import OnnxRuntime

        return lambda graph: OnnxRuntime(graph, threads=threads, shared=options.shared)
    from visearch.encoders.runtimes.openvino import OpenVino

    return lambda graph: OpenVino(graph, precision=precision, threads=threads)


def _xla(
    spec: EncoderSpec, buckets: Sequence[int], precision: Precision, options: RunOptions
) -> Runtime:
    from visearch.encoders.runtimes.flax_export import load
    from visearch.encoders.runtimes.xla import Xla

    return Xla(
        load(spec),
        spec.preprocess,
        spec.dimension,
        precision=precision,
        buckets=buckets,
        cache=options.cache,
    )
