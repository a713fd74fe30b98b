"""Precision: the cost of rounding, with edited pictures that search for their originals.

Each query is a gallery picture that was cropped, shaded and recompressed. For each run: the
share of queries that find their original among the first ten; the same with float32's gallery,
as if two runtimes served one catalog; and the share of float32's first ten that are kept. int8
is calibrated on separate pictures.

    python bench/precision.py --archive fashion.zip --runs openvino:bfloat16 onnx:int8 --json
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from common import archive_path, machine, pictures, show

from visearch.encoders.encoder import Encoder
from visearch.encoders.runtimes.options import RunOptions
from visearch.encoders.runtimes.quantize import quantize
from visearch.encoders.spec import resolve
from visearch.images import decode
from visearch.images.edit import edit
from visearch.index import exact_search

CALIBRATED_ON = 300
K = 10


def pixels_of(
    archive: Path, encoder: str, gallery: int, queries: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return calibration, gallery and query pictures; query i is an edit of gallery i."""
    preprocess = resolve(encoder).preprocess
    rng = np.random.default_rng(0)
    data = pictures(archive)
    names = rng.permutation(sorted(data))[: CALIBRATED_ON + gallery]
    images = [decode(data[str(name)]) for name in names]
    apart = min(CALIBRATED_ON, len(images) // 2)
    base = images[apart:]
    edits = [decode(edit(image, rng)) for image in base[:queries]]
    calibration, kept, asked = (
        np.stack([preprocess.pixels(image) for image in some])
        for some in (images[:apart], base, edits)
    )
    return calibration, kept, asked


def open_run(encoder: str, run: str, calibration: np.ndarray, folder: Path) -> Encoder:
    """Open ``RUNTIME:PRECISION``; for int8, make the encoder first."""
    runtime, precision = run.split(":")
    if precision == "int8":
        path = folder / "int8.safetensors"
        if not path.exists():
            quantize(resolve(encoder), calibration, path)
        encoder, precision = f"file:{path}", "auto"
    return Encoder.open(
        encoder, (64,), RunOptions(runtime=runtime, precision=precision, cache=folder)
    )


def measure(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Embed everything in every run and compare."""
    calibration, gallery, queries = pixels_of(
        archive_path(options.archive), options.encoder, options.gallery, options.queries
    )
    own = np.arange(len(queries))[:, None]
    results, exact, exact_gallery = {}, None, None
    for run in ("onnx:float32", *options.runs):
        encoder = open_run(options.encoder, run, calibration, folder)
        base, asked = encoder.embed_pixels(gallery), encoder.embed_pixels(queries)
        found, _ = exact_search(asked, base, K, "cosine")
        if exact is None or exact_gallery is None:
            exact, exact_gallery = found, base
        kept = [len(set(a) & set(b)) / K for a, b in zip(found, exact, strict=True)]
        mixed, _ = exact_search(asked, exact_gallery, K, "cosine")
        results[run] = {
            "recall_at_10": round(float((found == own).any(1).mean()), 4),
            "neighbours_kept": round(float(np.mean(kept)), 4),
            "recall_at_10_among_float32": round(float((mixed == own).any(1).mean()), 4),
            "mean_cosine_to_float32": round(float(np.mean(np.sum(base * exact_gallery, 1))), 5),
        }
    return {
        "bench": "precision",
        "encoder": resolve(options.encoder).fingerprint,
        "gallery": len(gallery),
        "queries": len(queries),
        "runs": results,
    }


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--encoder", default="bundled")
    parser.add_argument("--archive", help="zip of pictures [default: 600 drawn ones]")
    parser.add_argument("--gallery", type=int, default=10_000)
    parser.add_argument("--queries", type=int, default=2_000)
    parser.add_argument("--runs", nargs="*", default=["onnx:int8"], metavar="RUNTIME:PRECISION")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        show({**measure(options, Path(folder)), **machine()}, as_json=options.json)


if __name__ == "__main__":
    main()
