"""Local embeddings: how exactly their mean is the embedding, and what they cost, by runtime.

python bench/local.py --archive shop.zip --count 1000 --json
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
from common import archive_path, machine, pictures, show
from PIL import Image

from visearch.encoders.encoder import Encoder
from visearch.encoders.runtimes.options import RunOptions
from visearch.images import decode

RUNTIMES = (
    ("onnx", "float32"),
    ("openvino", "float32"),
    ("openvino", "bfloat16"),
    ("xla", "float32"),
)
PACKAGES = {"onnx": "onnxruntime", "openvino": "openvino", "xla": "jax"}
CHUNK = 16
TURNS = 20


def largest_error(encoder: Encoder, images: Sequence[Image.Image]) -> float:
    """Return the largest distance between an embedding and the one that its places give."""
    worst = 0.0
    for at in range(0, len(images), CHUNK):
        part = images[at : at + CHUNK]
        whole, means = encoder.embed(part), encoder.local(part).mean(axis=(1, 2))
        for where in encoder.parts.values():
            length = np.linalg.norm(whole[:, where], axis=1, keepdims=True)
            means[:, where] *= length / np.linalg.norm(means[:, where], axis=1, keepdims=True)
        worst = max(worst, float(np.linalg.norm(means - whole, axis=1).max()))
    return worst


def milliseconds(encoder: Encoder, images: Sequence[Image.Image]) -> dict[str, float]:
    """Return the median time of an embedding and of local ones, taken in turn, per picture."""
    spent: dict[str, list[float]] = {"embed": [], "local": []}
    for _ in range(TURNS):
        for name, run in (("embed", encoder.embed), ("local", encoder.local)):
            begun = time.perf_counter()
            run(images)
            spent[name].append((time.perf_counter() - begun) * 1e3 / len(images))
    return {name: round(statistics.median(each), 2) for name, each in spent.items()}


def measure(
    name: str, runtime: str, precision: str, images: Sequence[Image.Image]
) -> dict[str, Any]:
    """Measure one runtime."""
    kept = RunOptions.from_env().cache
    options = RunOptions(runtime=runtime, precision=precision, threads=1, cache=kept)
    encoder = Encoder.open(name, (1, CHUNK), options)
    encoder.local(images[:1])
    return {
        "runtime": runtime,
        "precision": precision,
        "largest_error": float(f"{largest_error(encoder, images):.2g}"),
        "ms_one": milliseconds(encoder, images[:1]),
        "ms_batch": milliseconds(encoder, images[:CHUNK]),
    }


def main() -> None:
    """Measure the runtimes that are installed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--encoder", default="bundled")
    parser.add_argument("--archive", help="a zip of pictures; without one, 600 are drawn")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--runtimes", nargs="+", choices=PACKAGES, default=[*PACKAGES])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = pictures(archive_path(options.archive))
    images = [decode(data) for data in list(found.values())[: options.count]]
    results = [
        measure(options.encoder, runtime, precision, images)
        for runtime, precision in RUNTIMES
        if runtime in options.runtimes and find_spec(PACKAGES[runtime])
    ]
    result = {"pictures": len(images), "runtimes": results, "machine": machine()}
    show(result, as_json=options.json)


if __name__ == "__main__":
    main()
