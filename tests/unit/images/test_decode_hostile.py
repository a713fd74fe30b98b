"""Hundreds of hostile, broken and odd files from fuzzers, through ``decode``."""

from __future__ import annotations

import csv
import io
import os
import tarfile
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from visearch.errors import ImageError
from visearch.images import decode

FreshPython = Callable[..., list[str]]

REPO = Path(__file__).resolve().parents[3]
SHARED = Path(os.environ.get("VISEARCH_SHARED") or REPO.parent / "shared")
ARCHIVE = SHARED / "hostile" / "images.tar"

CODES = {"unsupported_image", "image_too_large", "image_corrupt"}
ODD_DECODED = 49
NO_ANIMATION = "broken/6365798d_chunk_no_fctl.png"
# Valid pictures of formats outside our list, by file ending.
ODD_REFUSED = {"ico": 4, "psd": 1, "tga": 6}
# Decoding the whole collection one after the other: the interpreter with numpy and Pillow
# takes about 50 MiB, and the largest picture in it 15 megapixels at 4 bytes, twice.
PEAK_MIB = 192


@dataclass(frozen=True)
class Outcome:
    file: str
    kind: str
    code: str
    size: tuple[int, int]


@pytest.fixture(scope="module")
def outcomes() -> list[Outcome]:
    if not ARCHIVE.is_file():
        pytest.skip("HOSTILE FILES NOT TESTED: set VISEARCH_SHARED to the folder of hostile/")
    with tarfile.open(ARCHIVE) as archive:
        members = {m.name: archive.extractfile(m).read() for m in archive if m.isfile()}
    index = csv.DictReader(io.StringIO(members["index.csv"].decode()))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return [outcome(row["file"], row["kind"], members[row["file"]]) for row in index]


def outcome(file: str, kind: str, data: bytes) -> Outcome:
    try:
        image = decode(data)
    except ImageError as error:
        assert error.detail.endswith(".") and len(error.detail) < 400
        return Outcome(file, kind, error.code, (0, 0))
    assert type(image) is Image.Image and image.mode == "RGB"
    image.getpixel((image.width - 1, image.height - 1))
    return Outcome(file, kind, "ok", image.size)


def test_every_file_is_a_picture_or_a_named_error(outcomes: list[Outcome]) -> None:
    counted = Counter((o.kind, o.code) for o in outcomes)
    print(dict(counted))
    assert {o.code for o in outcomes} == CODES | {"ok"}
    assert Counter(o.kind for o in outcomes) == {"broken": 311, "odd_but_valid": 60}
    # Of one, the animation is broken and the still is not.
    assert [o.file for o in outcomes if (o.kind, o.code) == ("broken", "ok")] == [NO_ANIMATION]


def test_odd_but_valid_pictures_decode(outcomes: list[Outcome]) -> None:
    odd = [o for o in outcomes if o.kind == "odd_but_valid"]
    assert sum(o.code == "ok" for o in odd) == ODD_DECODED
    refused = [o for o in odd if o.code != "ok"]
    assert {o.code for o in refused} == {"unsupported_image"}
    assert Counter(o.file.rsplit(".", 1)[-1] for o in refused) == ODD_REFUSED


DECODE_ALL = """
    import resource, sys, tarfile
    from visearch.errors import ImageError
    from visearch.images import decode
    count = 0
    with tarfile.open(sys.argv[1]) as archive:
        for member in archive:
            if member.isfile() and not member.name.endswith(".csv"):
                count += 1
                try:
                    decode(archive.extractfile(member).read())
                except ImageError:
                    pass
    print(count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def test_peak_memory_of_decoding_them_all_is_bounded(
    outcomes: list[Outcome], fresh_python: FreshPython
) -> None:
    count, peak = map(int, fresh_python(DECODE_ALL, str(ARCHIVE)))
    print(f"peak {peak} MiB")
    assert count == len(outcomes)
    assert 20 < peak < PEAK_MIB
