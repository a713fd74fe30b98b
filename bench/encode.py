"""Encoding: pictures per second of our ``Encoder`` and of a peer, alternating in one run.

Ours goes from uint8 pictures to unit vectors. The peer engines get only the network, and
pictures normalised beforehand. The peer's network is built by hand for ResNets
and MobileNet v2 (``peer_graphs.py``); for others it is our own export. Weights are random,
except for ``bundled``.

    python bench/encode.py --model resnet50 --batch 8 --peer onnxruntime --json
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import encode_peers
import jax
import jax.numpy as jnp
import numpy as np
import onnx
import peer_graphs
from common import machine, show
from encode_peers import PRECISIONS, Run
from flax import nnx

from visearch.encoders import registry
from visearch.encoders.checkpoints.weights import save_safetensors, to_tensors
from visearch.encoders.encoder import Encoder
from visearch.encoders.families.model import Model
from visearch.encoders.runtimes import flax_export
from visearch.encoders.runtimes.options import RunOptions, has_accelerator
from visearch.encoders.runtimes.quantize import quantize
from visearch.encoders.spec import EncoderSpec, metadata_for, resolve
from visearch.images import Preprocess

PEERS: dict[str, Callable[[onnx.ModelProto, np.ndarray, int], Run]] = {
    "onnxruntime": encode_peers.onnxruntime,
    "openvino": encode_peers.openvino,
    "torch": encode_peers.torch,
}
WARM_UPS = 3
TURN_S = 0.4
REST_S = 0.1
DEVICE_BATCHES = 8
"""Batches per call on an accelerator, so that transfers can overlap with computing."""


def encoder_file(model: str, size: int, folder: Path) -> EncoderSpec:
    """Return the bundled encoder, or one with random weights written into ``folder``."""
    if model == "bundled":
        return resolve("bundled")
    network = nnx.eval_shape(lambda: registry.build(model, classes=None))
    _fill(network)
    half = (0.5, 0.5, 0.5)
    preprocess = Preprocess(size=size, fit="pad", mean=half, std=half)
    config = network.config
    dimension = config.embedding or config.features
    path = folder / "random.safetensors"
    save_safetensors(path, to_tensors(network), metadata_for(model, dimension, preprocess))
    return resolve(f"file:{path}")


def _fill(network: Model) -> None:
    """Set random kernels and identity norms; drawing them one by one with jax is slow."""
    rng = np.random.default_rng(0)

    def draw(leaf: jax.ShapeDtypeStruct) -> jax.Array:
        fan = np.prod(leaf.shape[:-1])
        plain = len(leaf.shape) < 2
        value = np.ones(leaf.shape) if plain else rng.normal(0, (2 / fan) ** 0.5, leaf.shape)
        return jnp.asarray(value, jnp.float32)

    nnx.update(network, jax.tree.map(draw, nnx.state(network, (nnx.Param, nnx.BatchStat))))


def ours(spec: EncoderSpec, options: argparse.Namespace, folder: Path) -> Encoder:
    """Open the encoder according to the options."""
    precision = options.precision
    if precision == "int8":
        path = folder / "int8.safetensors"
        quantize(spec, random_pictures(32, spec.preprocess.size), path)
        spec, precision = resolve(f"file:{path}"), "auto"
    runtime = options.runtime
    if runtime == "auto" and precision == "bfloat16" and not has_accelerator():
        runtime = "openvino"
        encode_peers.require(runtime)
    run = RunOptions(
        runtime=runtime,
        precision=precision,
        threads=options.threads,
        cache=folder,
        shared=options.shared,
    )
    return Encoder(spec, (options.batch,), run)


def peer_graph(spec: EncoderSpec) -> tuple[onnx.ModelProto, str]:
    """Return the peer's network and its origin."""
    make = peer_graphs.GRAPHS.get(spec.architecture)
    if make is None:
        return onnx.load_model_from_string(flax_export.make(spec)[0]), "our export"
    features = registry.VARIANTS[spec.architecture].features
    embedding = None if spec.dimension == features else spec.dimension
    return make(spec.preprocess.size, embedding), "by hand"


def gflop(graph: onnx.ModelProto) -> float:
    """Return the multiplications and additions in one picture's products, in 10⁹."""
    shapes = onnx.shape_inference.infer_shapes(graph).graph
    sizes = {v.name: _size(v) for v in (*shapes.value_info, *shapes.output)}
    weights = {w.name: w.dims for w in graph.graph.initializer}
    total = 0.0
    for node in graph.graph.node:
        if node.op_type == "Conv":
            total += 2 * sizes[node.output[0]] * float(np.prod(weights[node.input[1]][1:]))
        elif node.op_type == "MatMul" and node.input[1] in weights:
            total += 2 * float(np.prod(weights[node.input[1]]))
    return total / 1e9


def _size(value: onnx.ValueInfoProto) -> float:
    return float(np.prod([d.dim_value or 1 for d in value.type.tensor_type.shape.dim]))


def peak_gflops(threads: int) -> float:
    """Return the speed of a large matrix product on this device, in 10⁹ operations per second."""
    if has_accelerator():
        return _device_peak()
    n = 2048
    g = peer_graphs.Plain()
    result = g.node("MatMul", "x", g.constant(np.ones((n, n), np.float32)))
    shape = [n, n]
    graph = onnx.helper.make_graph(
        g.nodes,
        "peak",
        [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, shape)],
        [onnx.helper.make_tensor_value_info(result, onnx.TensorProto.FLOAT, shape)],
        g.weights,
    )
    opset = [onnx.helper.make_opsetid("", 17)]
    model = onnx.helper.make_model(graph, opset_imports=opset, ir_version=8)
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    session = ort.InferenceSession(model.SerializeToString(), options)
    x = np.ones((n, n), np.float32)
    return 2 * n**3 / 1e9 / min(seconds_of(lambda: session.run(None, {"x": x})) for _ in range(8))


def _device_peak() -> float:
    n = 8192
    a = jnp.ones((n, n), jnp.bfloat16)
    product = jax.jit(lambda a: a @ a)
    product(a).block_until_ready()
    return (
        2 * n**3 / 1e9 / min(seconds_of(lambda: product(a).block_until_ready()) for _ in range(8))
    )


def random_pictures(count: int, size: int) -> np.ndarray:
    """Return random pictures, uint8 [count, size, size, 3]."""
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 3), np.uint8)


def seconds_of(run: Run) -> float:
    """Time one run."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def in_turn(ours: Run, peer: Run, seconds: float) -> tuple[float, float]:
    """Run both alternately; return the median seconds per run of each.

    Between turns both rest: an engine's threads spin for a while after its last run, and would
    hold a core that the other needs.
    """
    times: dict[Run, list[float]] = {ours: [], peer: []}
    end = time.monotonic() + seconds
    while time.monotonic() < end or len(times[ours]) < 5:
        for run, kept in times.items():
            time.sleep(REST_S)  # until the other's threads spin no more
            for _ in range(WARM_UPS):
                run()
            stop = time.monotonic() + TURN_S
            while time.monotonic() < stop:
                kept.append(seconds_of(run))
    return float(np.median(times[ours])), float(np.median(times[peer]))


def measure(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Run both and return the figures."""
    spec = encoder_file(options.model, options.size, folder)
    graph, origin = peer_graph(spec)
    encoder = ours(spec, options, folder)
    count = options.batch * (DEVICE_BATCHES if encoder.runtime == "xla" else 1)
    pixels = random_pictures(count, encoder.size)
    peer = PEERS[options.peer](graph, pixels[: options.batch], options.threads)

    def run_peer() -> None:
        encode_peers.finish([peer() for _ in range(count // options.batch)])

    if encoder.runtime != "xla":
        run_peer, split = encode_peers.quicker_split(
            lambda part: PEERS[options.peer](graph, part, options.threads), pixels, run_peer
        )
        origin += f", {split} at a time"

    mine, theirs = in_turn(lambda: encoder.embed_pixels(pixels), run_peer, options.seconds)
    work, peak = gflop(graph), peak_gflops(options.threads)
    rate = count / mine
    return {
        "bench": "encode",
        "model": options.model,
        "size": encoder.size,
        "batch": options.batch,
        "threads": options.threads,
        "runtime": encoder.runtime,
        "precision": encoder.precision,
        "peer": options.peer,
        "peer_precision": PRECISIONS[options.peer],
        "peer_network": origin,
        "images_per_s": round(rate, 2),
        "peer_images_per_s": round(count / theirs, 2),
        "ratio": round(theirs / mine, 3),
        "ms_per_picture": round(1e3 / rate, 3),
        "gflop_per_picture": round(work, 3),
        "gflops": round(rate * work, 1),
        "peak_gflops": round(peak, 1),
        "share_of_peak": round(rate * work / peak, 3),
        **machine(),
    }


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="bundled", choices=["bundled", *registry.VARIANTS])
    parser.add_argument(
        "--size", type=int, default=224, help="side in px [default for bundled: its own]"
    )
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--peer", default="onnxruntime", choices=list(PEERS))
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--runtime", default="auto", choices=["auto", "xla", "onnx", "openvino"])
    parser.add_argument(
        "--precision",
        choices=["float32", "bfloat16", "int8"],
        help="precision of ours [default: the peer's]",
    )
    parser.add_argument(
        "--shared", action="store_true", help="run ours as a worker does, with little spinning"
    )
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    for engine in {options.peer, "onnxruntime"}:  # ONNX Runtime also measures the machine's peak
        encode_peers.require(engine)
    options.precision = options.precision or PRECISIONS[options.peer]
    with tempfile.TemporaryDirectory() as folder:
        show(measure(options, Path(folder)), as_json=options.json)


if __name__ == "__main__":
    main()
