"""The peers of ``encode.py``: the same network in another engine, at its own best options."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from typing import Any

import numpy as np

try:
    import onnx
    from onnx import numpy_helper
except ImportError as error:
    raise SystemExit(f"{error.name} is missing; pip install '.[worker,cpu]'") from error

Run = Callable[[], object]
PRECISIONS = {"onnxruntime": "float32", "openvino": "bfloat16", "torch": "bfloat16"}


def require(peer: str) -> None:
    """Stop with a sentence if the peer is not installed."""
    if find_spec(peer) is None:
        raise SystemExit(f"the peer {peer} is not installed here; run `pip install {peer}` first")


def onnxruntime(graph: onnx.ModelProto, pixels: np.ndarray, threads: int) -> Run:
    """Return one run in float32 on pictures normalised beforehand."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    session = ort.InferenceSession(graph.SerializeToString(), options)
    (given,) = session.get_inputs()
    inputs = {given.name: prepared(given.name, pixels)}
    return lambda: session.run(None, inputs)


def openvino(graph: onnx.ModelProto, pixels: np.ndarray, threads: int) -> Run:
    """Return one run in bfloat16, compiled for the one shape, on normalised pictures."""
    # Loads OpenVINO with its telemetry switched off.
    from visearch.encoders.runtimes.openvino import ov

    core = ov.Core()
    model = core.read_model(graph.SerializeToString())
    inputs = prepared(graph.graph.input[0].name, pixels)
    model.reshape(list(inputs.shape))
    options = {
        "INFERENCE_PRECISION_HINT": "bf16",
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
    }
    request = core.compile_model(model, "CPU", options).create_infer_request()
    return lambda: request.infer({0: inputs})


def torch(graph: onnx.ModelProto, pixels: np.ndarray, threads: int) -> Run:
    """Return one run in bfloat16, channels last, compiled where there is an accelerator.

    Like ours it takes uint8 pictures from the host and brings the vectors back.
    """
    import torch as pt

    # Results stay on the device until `finish`, as ours are fetched while the next is computed.
    device = "cuda" if pt.cuda.is_available() else "cpu"
    if device == "cpu":
        pt.set_num_threads(threads)
    network = _as_torch(graph, device)
    program = pt.compile(network) if device == "cuda" else network
    host = pt.from_numpy(pixels).pin_memory() if device == "cuda" else pt.from_numpy(pixels)

    def run() -> object:
        with pt.inference_mode():
            x = host.to(device, non_blocking=True).permute(0, 3, 1, 2)  # channels last as it is
            return program(x.to(pt.bfloat16) / 127.5 - 1).float()

    return run


SPLIT = 8
"""Pictures at a time that suit the cache of a CPU; our own runtimes take no more."""


def quicker_split(
    start: Callable[[np.ndarray], Run], pixels: np.ndarray, whole: Run
) -> tuple[Callable[[], None], int]:
    """Return the peer's quicker way, whole or in parts of ``SPLIT``, and the part's size."""
    if len(pixels) <= SPLIT:
        return whole, len(pixels)
    parts = [start(pixels[at : at + SPLIT]) for at in range(0, len(pixels), SPLIT)]

    def in_parts() -> None:
        finish([part() for part in parts])

    best = {run: min(_seconds(run) for _ in range(5)) for run in (whole, in_parts)}
    return (whole, len(pixels)) if best[whole] < best[in_parts] else (in_parts, SPLIT)


def _seconds(run: Run) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def finish(results: Iterable[Any]) -> None:
    """Bring to the host what runs left on a device."""
    for result in results:
        if hasattr(result, "cpu"):
            result.cpu()


def prepared(name: str, pixels: np.ndarray) -> np.ndarray:
    """Return what a graph takes: uint8 as they are, or normalised float32 [n, 3, S, S]."""
    if name == "pixels":
        return pixels
    return np.ascontiguousarray((pixels / 127.5 - 1).astype(np.float32).transpose(0, 3, 1, 2))


def _as_torch(graph: onnx.ModelProto, device: str) -> Callable[[Any], Any]:
    """Return a function of torch operations, for ``torch.compile`` to see as one graph."""
    import torch as pt

    weights = {}
    for tensor in graph.graph.initializer:
        value = pt.from_numpy(numpy_helper.to_array(tensor).copy()).to(device)
        value = value.to(pt.bfloat16) if value.is_floating_point() else value
        four = value.ndim == 4
        weights[tensor.name] = value.to(memory_format=pt.channels_last) if four else value
    nodes = [(n.op_type, list(n.input), n.output[0], _attributes(n)) for n in graph.graph.node]
    unknown = sorted({op for op, *_ in nodes} - set(_OPERATIONS))
    if unknown:
        raise SystemExit(f"the peer torch has no form of {', '.join(unknown)}; use resnet50")

    def network(x: Any) -> Any:
        values = {**weights, graph.graph.input[0].name: x}
        for op, inputs, output, given in nodes:
            values[output] = _OPERATIONS[op](given, *(values[name] for name in inputs))
        return values[graph.graph.output[0].name]

    return network


def _attributes(node: onnx.NodeProto) -> dict[str, Any]:
    return {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}


def _conv(given: dict[str, Any], x: Any, kernel: Any, bias: Any) -> Any:
    from torch.nn import functional

    top, left, *_ = given["pads"]
    return functional.conv2d(x, kernel, bias, given["strides"], (top, left), 1, given["group"])


def _max_pool(given: dict[str, Any], x: Any) -> Any:
    from torch.nn import functional

    return functional.max_pool2d(
        x, given["kernel_shape"], given["strides"], tuple(given["pads"][:2])
    )


_OPERATIONS: dict[str, Callable[..., Any]] = {
    "Add": lambda given, a, b: a + b,
    "Clip": lambda given, x, low, high: x.clamp(0, 6),
    "Conv": _conv,
    "Flatten": lambda given, x: x.flatten(1),
    "GlobalAveragePool": lambda given, x: x.mean((2, 3), keepdim=True),
    "MatMul": lambda given, a, b: a @ b,
    "MaxPool": _max_pool,
    "Relu": lambda given, x: x.relu(),
}
