"""Sample queries: a third view of six products of the demo catalog.

Each is turned, scaled, lit and compressed unlike any picture of the catalog; a good visual
search should still find the product that it shows.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np

from visearch.demo import scene
from visearch.demo.archive import jpeg
from visearch.demo.draw import Design, Studio, designs
from visearch.demo.pen import clamp
from visearch.demo.shapes import KINDS

SAMPLE_KINDS = ("sneaker", "backpack", "mug", "lamp", "handbag", "umbrella")
POOL = 3 * len(KINDS)
"""Samples show products among a catalog's first ``POOL``, so any longer catalog has them."""


@dataclass(frozen=True)
class Sample:
    """A query picture: its file name, JPEG bytes, the product shown, and alt text."""

    name: str
    jpeg: bytes
    product_id: str
    alt: str


def _chosen(seed: int) -> list[Design]:
    """Return a design of each sample kind, as different from the others as possible."""
    pool, chosen = designs(POOL, seed), list[Design]()
    for kind in SAMPLE_KINDS:
        colours = [design.colour for design in chosen]
        prints = [design.pattern for design in chosen]
        chosen.append(
            min(
                (design for design in pool if design.kind.name == kind),
                key=lambda it: (colours.count(it.colour), prints.count(it.pattern)),
            )
        )
    return chosen


def _pose(random: Random, stands: bool) -> scene.Pose:
    turn = random.uniform(4, 7) if stands else random.uniform(18, 24)
    shift = (random.uniform(-14, 14), random.uniform(-4, 4))
    side = random.choice((-1, 1))
    return scene.Pose(turn * side, random.uniform(0.8, 0.88), shift, random.uniform(-0.1, 0.05))


def _snap(studio: Studio, design: Design, seed: int) -> bytes:
    """Return a casual photo: window light, slightly dark, grainy, strongly compressed."""
    random = Random(f"sample {seed} {design.id}")
    pose = _pose(random, design.kind.stands)
    light = random.uniform(0.86, 0.94)
    pixels = studio.shoot(design, studio.sprite(design), "window", pose, light)
    grain = np.random.default_rng(random.getrandbits(32)).normal(0, 0.012, pixels.shape)
    noisy = clamp(pixels + grain)
    return jpeg(scene.picture(noisy), quality=72)


def samples(seed: int = 7) -> list[Sample]:
    """Return six queries for the catalog of this seed, 320 x 320 JPEG; always the same."""
    studio = Studio()
    return [
        Sample(
            name=f"sample-{number}.jpg",
            jpeg=_snap(studio, design, seed),
            product_id=design.id,
            alt=design.title,
        )
        for number, design in enumerate(_chosen(seed), start=1)
    ]


def write_samples(folder: str | Path, seed: int = 7) -> None:
    """Write ``sample-1.jpg`` … and ``samples.json``, a list of {file, product_id, alt}.

    The folder is created if it is missing.

    Raises:
        OSError: a file cannot be written.
    """
    home = Path(folder)
    home.mkdir(parents=True, exist_ok=True)
    drawn = samples(seed)
    for sample in drawn:
        (home / sample.name).write_bytes(sample.jpeg)
    index = [{"file": it.name, "product_id": it.product_id, "alt": it.alt} for it in drawn]
    (home / "samples.json").write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")
