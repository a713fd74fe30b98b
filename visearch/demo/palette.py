"""The colours of the demo catalog, each with colours that go with it."""

from __future__ import annotations

from dataclasses import dataclass

from visearch.demo.pen import RGB

WHITE: RGB = (250, 248, 244)
INK: RGB = (44, 44, 56)
STEEL: RGB = (196, 202, 210)
BRASS: RGB = (214, 172, 92)
WOOD: RGB = (186, 132, 84)
LEATHER: RGB = (158, 98, 58)
LEAF: RGB = (108, 146, 108)


@dataclass(frozen=True)
class Colour:
    """One colourway.

    ``light`` is the colour of prints, ``bold`` the other half of a two-tone product,
    ``deep`` the trim, and ``wall`` the backdrop of the second view.
    """

    name: str
    main: RGB
    light: RGB
    bold: RGB
    deep: RGB
    wall: RGB


COLOURS = (
    Colour("coral", (238, 104, 82), (255, 229, 214), (49, 66, 106), (186, 66, 56), (204, 226, 224)),
    Colour("teal", (30, 150, 144), (214, 240, 230), (244, 188, 92), (16, 98, 100), (246, 220, 204)),
    Colour("navy", (44, 66, 118), (226, 232, 246), (232, 116, 92), (24, 38, 76), (240, 218, 178)),
    Colour(
        "mustard", (232, 176, 54), (255, 244, 214), (60, 92, 96), (180, 122, 26), (206, 212, 236)
    ),
    Colour("green", (66, 134, 88), (222, 240, 208), (240, 206, 176), (36, 86, 62), (244, 226, 196)),
    Colour(
        "lilac", (168, 142, 216), (240, 232, 252), (84, 70, 138), (110, 86, 166), (226, 234, 200)
    ),
    Colour(
        "pink", (242, 164, 176), (255, 240, 238), (178, 62, 92), (206, 104, 126), (202, 224, 232)
    ),
    Colour("sky", (104, 176, 228), (236, 247, 255), (38, 86, 150), (54, 120, 178), (252, 226, 190)),
    Colour(
        "charcoal", (74, 80, 92), (214, 218, 226), (228, 190, 80), (44, 48, 58), (236, 208, 200)
    ),
    Colour(
        "sand", (220, 194, 154), (138, 100, 68), (64, 112, 110), (164, 124, 84), (196, 214, 204)
    ),
)
