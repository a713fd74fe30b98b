"""Starts the runtime of an encoder; each runtime is imported only when it is used."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from visearch.encoders.checkpoints import int8
from visearch.encoders.runtimes.export import exported
from visearch.encoders.runtimes.fastest import Way, fastest, leave_out
from visearch.encoders.runtimes.options import (
    Name,
    Output,
    Precision,
    RunOptions,
    Runtime,
    choose,
)
from visearch.encoders.spec import EncoderSpec
from visearch.errors import EncoderError, ExportError


@dataclass(frozen=True)
class Started:
    """A started runtime; ``precision`` is that of its computation."""

    name: Name
    precision: str
    engine: Runtime


def start(
    spec: EncoderSpec,
    buckets: Sequence[int],
    options: RunOptions,
    output: Output = "embedding",
) -> Started:
    """Start the runtime that ``options`` ask for.

    Raises:
        UnknownEncoder: there is no such architecture.
        WeightsMismatch: the weights do not fit it.
        EncoderError: the encoder has no such output.
        ExportError: the runtime's vectors differ from Flax's, or it cannot run the graph.
        SettingsError: the runtime is not installed, or does not support the options.
    """
    quantized = int8.is_quantized(spec)
    ways = choose(options, quantized=quantized)
    if len(ways) > 1 and output == "embedding":
        return _fastest(spec, ways, options)
    name, precision = ways[0]
    if name == "xla":
        return Started(name, precision, _xla(spec, buckets, precision, options, output))
    if quantized and output == "local":
        raise EncoderError(
            f"{spec.weights.name} is an int8 encoder, which has no local embeddings. Use the "
            "encoder it was made from."
        )
    if quantized:
        # Whatever was asked for, the parts of its graph that are not int8 are float32.
        return Started(name, "int8", _started(name, spec, options))
    engine = _engine(name, precision, options)
    made = exported(spec, name, precision, engine, options.cache, output)
    return Started(name, precision, made)


def _fastest(spec: EncoderSpec, ways: Sequence[Way], options: RunOptions) -> Started:
    """Start the fastest of the ways; the first, should that one not work any more."""

    def opened(name: Name, precision: Precision) -> Runtime:
        engine = _engine(name, precision, options)
        return exported(spec, name, precision, engine, options.cache, "embedding")

    way = fastest(spec, ways, opened, options)
    try:
        return Started(*way, opened(*way))
    except Exception as error:  # engines raise many types of their own
        if way == ways[0]:
            raise
        leave_out(way, error)
        return Started(*ways[0], opened(*ways[0]))


def _started(name: Name, spec: EncoderSpec, options: RunOptions) -> Runtime:
    graph = int8.read_graph(spec)
    try:
        return _engine(name, "float32", options)(graph)
    except Exception as error:  # engines raise many types of their own
        raise ExportError(
            f"{name} cannot read the graph in {spec.weights.name} ({error})."
        ) from error


def _engine(name: Name, precision: Precision, options: RunOptions) -> Callable[[bytes], Runtime]:
    threads = options.cores
    if name == "onnx":
        from visearch.encoders.runtimes.onnx import OnnxRuntime

        return lambda graph: OnnxRuntime(graph, threads=threads, shared=options.shared)
    from visearch.encoders.runtimes.openvino import OpenVino

    return lambda graph: OpenVino(graph, precision=precision, threads=threads)


def _xla(
    spec: EncoderSpec,
    buckets: Sequence[int],
    precision: Precision,
    options: RunOptions,
    output: Output,
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
        output=output,
    )
