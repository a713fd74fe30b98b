"""Noise removal: how much filters improve searches with noisy pictures.

Queries are pictures that training held out, with noise added at their own resolution. Each is
filtered, embedded and searched for among clean pictures, itself among them. For each noise and
filter: how often the picture itself is first (recall@1) or among the first ten (recall@10),
and what share of the first ten others are of its kind (precision@10), with 95 % bootstrap
intervals; the paired differences to no filter; how often the detector of impulse noise fires.
Milliseconds are CPU time of one picture.

    python bench/denoise.py --recipe recipes/bundled-2.toml --data FOLDER --json
"""

from __future__ import annotations

import argparse
import io
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from common import machine, show
from PIL import Image

from visearch.encoders.encoder import Encoder
from visearch.encoders.runtimes.options import RunOptions, user_cache
from visearch.evaluation.bootstrap import Bootstrap, interval
from visearch.evaluation.embedding import embed_pictures
from visearch.images import decode
from visearch.images.denoise import is_noisy, median3, outliers
from visearch.training.data import UNLABELLED, Dataset, load
from visearch.training.recipe_file import read_sources

Pixels = np.ndarray
K = 10


def salt_and_pepper(share: float) -> Callable[[Pixels, np.random.Generator], Pixels]:
    """Return noise that makes this share of the pixels black or white."""

    def damage(pixels: Pixels, rng: np.random.Generator) -> Pixels:
        hit = rng.random(pixels.shape[:2]) < share
        damaged = pixels.copy()
        damaged[hit] = rng.choice(np.array([0, 255], np.uint8), (int(hit.sum()), 1))
        return damaged

    return damage


def gaussian(deviation: float) -> Callable[[Pixels, np.random.Generator], Pixels]:
    """Return noise of this standard deviation, in grey levels, for each channel."""

    def damage(pixels: Pixels, rng: np.random.Generator) -> Pixels:
        noisy = pixels + rng.normal(0.0, deviation, pixels.shape)
        return np.rint(noisy).clip(0, 255).astype(np.uint8)

    return damage


def jpeg(pixels: Pixels, quality: int) -> Pixels:
    """Compress and read again."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return np.array(Image.open(buffer).convert("RGB"))


NOISES: dict[str, Callable[[Pixels, np.random.Generator], Pixels]] = {
    "clean": lambda pixels, _: pixels,
    "salt and pepper 1 %": salt_and_pepper(0.01),
    "salt and pepper 5 %": salt_and_pepper(0.05),
    "salt and pepper 10 %": salt_and_pepper(0.1),
    "salt and pepper 5 %, JPEG 90": lambda pixels, rng: jpeg(
        salt_and_pepper(0.05)(pixels, rng), 90
    ),
    "gaussian 10": gaussian(10),
    "gaussian 25": gaussian(25),
    "gaussian 50": gaussian(50),
    "JPEG 15": lambda pixels, _: jpeg(pixels, 15),
}


def without_impulses(pixels: Pixels) -> Pixels:
    """Replace impulses by the median around them, whether the picture is noisy or not."""
    median = median3(pixels)
    _, impulses = outliers(pixels, median)
    return np.where(impulses[..., None], median, pixels)


def bilateral(pixels: Pixels) -> Pixels:
    """Average 5 x 5 pixels by nearness and likeness (Tomasi and Manduchi 1998)."""
    centre = pixels.astype(np.float32)
    padded = np.pad(centre, ((2, 2), (2, 2), (0, 0)), mode="edge")
    height, width = pixels.shape[:2]
    total, weights = np.zeros_like(centre), np.zeros((height, width, 1), np.float32)
    for y in range(5):
        for x in range(5):
            other = padded[y : y + height, x : x + width]
            unlike = np.square(other - centre).sum(axis=2, keepdims=True) / (2 * 3 * 40.0**2)
            weight = np.exp(-unlike - ((y - 2) ** 2 + (x - 2) ** 2) / (2 * 1.5**2))
            total += weight * other
            weights += weight
    return np.rint(total / weights).astype(np.uint8)


FILTERS: dict[str, Callable[[Pixels], Pixels]] = {
    "none": lambda pixels: pixels,
    "median": median3,
    "impulses": without_impulses,
    "bilateral": bilateral,
}
SMOOTHED = ("clean", "gaussian 10", "gaussian 25", "gaussian 50")
"""Noises that the bilateral filter, by far the slowest, is tried with."""
GATED = {"median if noisy": "median", "impulses if noisy": "impulses"}
"""Filters applied only where the detector fires; the second one is what ``denoised`` does."""


@dataclass(frozen=True)
class Material:
    """A gallery with its labels; the queries are its first pictures."""

    gallery: list[bytes]
    labels: np.ndarray
    groups: np.ndarray
    queries: list[bytes]


def material(held_out: Dataset, training: Dataset, gallery: int, queries: int) -> Material:
    """Draw queries from the held-out pictures and fill the gallery up with training's."""
    rng = np.random.default_rng(0)
    first = rng.permutation(len(held_out))
    rest = rng.permutation(len(training))[: max(0, gallery - len(first))]
    pictures = [held_out.pictures[i] for i in first] + [training.pictures[i] for i in rest]
    return Material(
        gallery=pictures,
        labels=np.concatenate([held_out.labels[first, 0], training.labels[rest, 0]]),
        groups=held_out.groups[first[:queries]],
        queries=pictures[: min(queries, len(first))],
    )


def scores(vectors: np.ndarray, base: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Score queries that are the first rows of the gallery: recall@1, recall@10, precision@10.

    Returns float64 [n, 3]; the precision of an unlabelled query is NaN.
    """
    n = len(vectors)
    similar = vectors @ base.T
    own = similar[np.arange(n), np.arange(n)].copy()
    rank = (similar > own[:, None]).sum(axis=1)
    similar[np.arange(n), np.arange(n)] = -np.inf
    nearest = np.argpartition(-similar, K, axis=1)[:, :K]
    alike = (labels[nearest] == labels[:n, None]).mean(axis=1)
    return np.stack([rank < 1, rank < K, np.where(labels[:n] == UNLABELLED, np.nan, alike)], 1)


def estimates(values: np.ndarray, groups: np.ndarray) -> list[list[float]]:
    """Return the mean of each column of values [n, 3] with its interval, NaN left out."""
    out = []
    for column in values.T:
        known = ~np.isnan(column)
        samples = Bootstrap(groups[known]).means(column[known, None])
        low, high = interval(samples)
        points = (column[known].mean(), low[0], high[0])
        out.append([round(float(point), 4) for point in points])
    return out


def embedded(
    encoder: Encoder, noise: str, pictures: list[Pixels], cost: dict[str, list[float]]
) -> dict[str, np.ndarray]:
    """Embed every picture after each filter; what a filter leaves equal is embedded once."""
    kept: dict[str, np.ndarray] = {}
    plain = np.empty(0)
    for name, clean in FILTERS.items():
        if name == "bilateral" and noise not in SMOOTHED:
            continue
        inputs = []
        for pixels in pictures:
            start = time.thread_time()
            filtered = clean(pixels)
            cost[name].append((time.thread_time() - start) * 1e3)
            inputs.append(encoder.preprocess.pixels(Image.fromarray(filtered)))
        stacked = np.stack(inputs)
        if name == "none":
            plain = stacked
            kept[name] = encoder.embed_pixels(stacked)
            continue
        changed = (stacked != plain).any(axis=(1, 2, 3))
        kept[name] = kept["none"].copy()
        kept[name][changed] = encoder.embed_pixels(stacked[changed])
    return kept


def fires(pictures: list[Pixels], cost: list[float]) -> np.ndarray:
    """Tell for which pictures the detector fires, bool [n]."""
    fired = []
    for pixels in pictures:
        start = time.thread_time()
        fired.append(is_noisy(*outliers(pixels, median3(pixels))))
        cost.append((time.thread_time() - start) * 1e3)
    return np.array(fired)


def rows(encoder: Encoder, data: Material, cost: dict[str, list[float]]) -> Iterator[Any]:
    """Yield the figures of one kind of noise after the other."""
    base = embed_pictures(encoder, data.gallery)
    originals = [np.asarray(decode(each)) for each in data.queries]
    for kind, (noise, damage) in enumerate(NOISES.items()):
        damaged = [
            damage(pixels, np.random.default_rng([kind, i])) for i, pixels in enumerate(originals)
        ]
        vectors = embedded(encoder, noise, damaged, cost)
        fired = fires(damaged, cost["detector"])
        for name, filter_ in GATED.items():
            vectors[name] = np.where(fired[:, None], vectors[filter_], vectors["none"])
        plain = scores(vectors["none"], base, data.labels)
        figures = {}
        for name, some in vectors.items():
            value = scores(some, base, data.labels)
            figures[name] = {
                "figures": estimates(value, data.groups),
                "minus_none": estimates(value - plain, data.groups),
            }
        yield noise, {"detector_fires": round(float(fired.mean()), 4), "filters": figures}
        print(noise, file=sys.stderr)


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Measure on each source of the recipe."""
    run = RunOptions(runtime="onnx", threads=options.threads, cache=user_cache())
    encoder = Encoder.open(options.encoder, options=run)
    results: dict[str, Any] = {}
    for source in read_sources(options.recipe, options.data):
        if options.only and source.archive.stem != options.only:
            continue
        split = load([source])
        data = material(split.held_out, split.training, options.gallery, options.queries)
        cost: dict[str, list[float]] = {name: [] for name in (*FILTERS, "detector")}
        table = dict(rows(encoder, data, cost))
        quiet = fires([np.asarray(decode(each)) for each in data.gallery], [])
        results[source.archive.stem] = {
            "gallery": len(data.gallery),
            "queries": len(data.queries),
            "figures": ["recall@1", "recall@10", "precision@10"],
            "noise": table,
            "detector_fires_on_clean_gallery": round(float(quiet.mean()), 5),
            "cpu_ms": {name: round(float(np.median(some)), 2) for name, some in cost.items()},
        }
    return {"bench": "denoise", "encoder": encoder.fingerprint, "sources": results, **machine()}


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--encoder", default="bundled")
    parser.add_argument("--recipe", type=Path, required=True, help="names the pictures held out")
    parser.add_argument("--data", type=Path, required=True, help="folder of the recipe's archives")
    parser.add_argument("--only", help="name of one archive, without its ending")
    parser.add_argument("--gallery", type=int, default=8000)
    parser.add_argument("--queries", type=int, default=500)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    show(measure(options), as_json=options.json)


if __name__ == "__main__":
    main()
