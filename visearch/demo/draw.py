"""The products of the demo catalog, and two pictures of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice, product
from random import Random

import numpy as np
from PIL import Image

from visearch.demo import patterns, scene
from visearch.demo.palette import COLOURS, Colour
from visearch.demo.pen import Form, Plane
from visearch.demo.scene import Backdrop, Pose
from visearch.demo.shapes import KINDS, Kind

CAPACITY = len(KINDS) * len(COLOURS) * len(patterns.PATTERNS)
"""Most products that a demo catalog can have: every combination once."""


@dataclass(frozen=True)
class Design:
    """A product before it is drawn; its id does not depend on the seed."""

    kind: Kind
    colour: Colour
    pattern: str

    @cached_property
    def id(self) -> str:
        """A readable, unique id, such as ``mug-teal-stripes``."""
        return f"{self.kind.name}-{self.colour.name}-{self.pattern}".lower()

    @property
    def title(self) -> str:
        """A unique title that says the picture is drawn."""
        words = (self.colour.name.capitalize(), patterns.PATTERNS[self.pattern], self.kind.name)
        return " ".join(word for word in words if word) + " (drawn)"

    @property
    def attributes(self) -> dict[str, str]:
        """The product's other columns in the manifest; the price has two decimals."""
        price = self.kind.price * Random(f"price {self.id}").uniform(0.8, 1.25)
        return {
            "kind": self.kind.name,
            "colour": self.colour.name,
            "pattern": self.pattern,
            "price": f"{round(price) - 0.1:.2f}",
            "picture": "drawn",
        }


@dataclass(frozen=True)
class DemoProduct:
    """A product of the demo catalog; ``views`` are 320 x 320 ``RGB`` pictures."""

    id: str
    title: str
    attributes: dict[str, str]
    views: tuple[Image.Image, ...]


@dataclass
class Studio:
    """Draws designs; keeps drawings, prints and backdrops, so that each is drawn once."""

    _forms: dict[str, Form] = field(default_factory=dict)
    _prints: dict[tuple[str, str], Plane] = field(default_factory=dict)
    _backdrops: dict[tuple[Backdrop, str, bool], Plane] = field(default_factory=dict)

    def sprite(self, design: Design) -> Image.Image:
        """Return the design on a transparent background: 400 px ``RGBa`` (premultiplied)."""
        form, share = self._form(design.kind), self._print(design.kind, design.pattern)
        colour = design.colour
        second = colour.bold if design.pattern == "two-tone" else colour.light
        layers = (
            (form.body * (1 - share) + form.main, colour.main),
            (form.body * share, second),
            (form.trim, colour.deep),
        )
        pixels = np.empty((*form.alpha.shape, 4), np.uint8)
        pixels[..., 3] = form.alpha
        for channel in range(3):
            seen = sum(weight * np.float32(paint[channel] / 255) for weight, paint in layers)
            pixels[..., channel] = np.clip(seen + form.fixed[..., channel] + 0.5, 0, 255)
        return Image.frombytes("RGBa", form.alpha.shape, pixels.tobytes())

    def shoot(
        self, design: Design, sprite: Image.Image, style: Backdrop, pose: Pose, light: float
    ) -> Plane:
        """Return one view of a design: float32 [320, 320, 3], 0 to 1."""
        stands = design.kind.stands
        key = (style, design.colour.name, stands)
        if key not in self._backdrops:
            self._backdrops[key] = scene.backdrop(style, design.colour.wall, stands)
        return scene.shoot(sprite, pose, self._backdrops[key], stands, light)

    def _form(self, kind: Kind) -> Form:
        if kind.name not in self._forms:
            self._forms[kind.name] = kind.draw()
        return self._forms[kind.name]

    def _print(self, kind: Kind, pattern: str) -> Plane:
        key = (kind.name, pattern)
        if key not in self._prints:
            self._prints[key] = patterns.cover(
                pattern, period=kind.period, sag=kind.sag, angle=kind.angle, split=kind.split
            )
        return self._prints[key]


def designs(count: int, seed: int) -> list[Design]:
    """Return the first ``count`` designs of a seed's catalog, alternating between kinds.

    A longer catalog of the same seed starts with the same designs.

    Raises:
        ValueError: ``count`` is not in 0 … ``CAPACITY``.
    """
    if not 0 <= count <= CAPACITY:
        raise ValueError(f"count must be from 0 to {CAPACITY}, not {count}")
    random = Random(seed)
    decks = []
    for kind in KINDS:
        deck = [Design(kind, *look) for look in product(COLOURS, patterns.PATTERNS)]
        random.shuffle(deck)
        decks.append(deck)
    random.shuffle(decks)
    return list(islice((design for row in zip(*decks, strict=True) for design in row), count))


def _packshot(random: Random, stands: bool) -> Pose:
    turn = 0.0 if stands else random.uniform(-4, 4)
    return Pose(turn, random.uniform(0.86, 0.92), (0, random.uniform(-2, 3)))


def _lifestyle(random: Random, stands: bool) -> Pose:
    turn = random.uniform(-3, 3) if stands else random.choice((-1, 1)) * random.uniform(8, 16)
    shift = (random.uniform(-10, 10), random.uniform(2, 8) if stands else random.uniform(-6, 6))
    tilt = random.uniform(0.08, 0.18)
    return Pose(turn, random.uniform(0.74, 0.84), shift, tilt, mirror=True)


def views(studio: Studio, design: Design, seed: int) -> tuple[Image.Image, ...]:
    """Return the catalog's pictures of a design: a packshot and one in a coloured room."""
    random = Random(f"views {seed} {design.id}")
    sprite, stands = studio.sprite(design), design.kind.stands
    packshot = studio.shoot(design, sprite, "studio", _packshot(random, stands), 1.0)
    light = random.uniform(0.94, 1.04)
    lifestyle = studio.shoot(design, sprite, "wall", _lifestyle(random, stands), light)
    return scene.picture(packshot), scene.picture(lifestyle)


def products(count: int = 300, seed: int = 7) -> Iterator[DemoProduct]:
    """Draw a catalog, product by product; the same arguments give the same pixels.

    Raises:
        ValueError: ``count`` is not in 0 … ``CAPACITY``.
    """
    studio = Studio()
    for design in designs(count, seed):
        pictures = views(studio, design, seed)
        yield DemoProduct(design.id, design.title, design.attributes, pictures)
