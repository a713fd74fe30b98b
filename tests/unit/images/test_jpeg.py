"""JPEGs as cameras and phones write them: no metadata, and nothing behind, costs the picture."""

from __future__ import annotations

import struct
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import array, box, encode, flat_jpeg, quadrants
from PIL import Image, ImageCms

from visearch.errors import ImageTooLarge
from visearch.images import Limits, decode
from visearch.images.jpeg import MAX_SCANS, count_scans, lean

FreshPython = Callable[..., list[str]]

PICTURE = encode(quadrants(), "JPEG")
PLAIN = array(decode(PICTURE))


def segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def with_segments(*segments: bytes, data: bytes = PICTURE) -> bytes:
    return data[:2] + b"".join(segments) + data[2:]


def test_scans_are_counted_in_the_picture_only() -> None:
    progressive = encode(quadrants(), "JPEG", progressive=True)
    assert count_scans(PICTURE) == 1
    assert 2 < count_scans(progressive) < MAX_SCANS
    many = b"\xff\xda\x00\x02" * 500
    thumbnail = segment(0xE1, b"Exif\x00\x00" + many)
    for data in (PICTURE + many, with_segments(thumbnail), with_segments(segment(0xFE, many))):
        assert count_scans(data) == 1
        assert (array(decode(data)) == PLAIN).all()


def test_fill_bytes_and_restarts_hide_no_scan() -> None:
    at = PICTURE.index(b"\xff\xda")
    scan = b"\xff" + PICTURE[at:-2] + b"\xff\xd0"
    data = PICTURE[:at] + scan * (MAX_SCANS + 5) + b"\xff\xd9"
    assert count_scans(data) == MAX_SCANS + 1
    with pytest.raises(ImageTooLarge, match="JPEG picture has more than 100 scans"):
        decode(data)


@settings(deadline=None)
@given(st.lists(st.binary(max_size=40) | st.sampled_from([b"\xff\xda", b"\xff\xd9", PICTURE])))
def test_counting_ends_whatever_comes(parts: list[bytes]) -> None:
    data = b"\xff\xd8" + b"".join(parts)
    assert 0 <= count_scans(data) <= data.count(b"\xff\xda")
    assert lean(data).startswith(b"\xff\xd8")


VIDEO = box(b"ftyp", b"mp42", bytes(4)) + box(b"mdat", b"\xff\xda\xff\xd8" * 4000) + box(b"moov")


def test_of_a_motion_photo_the_still_is_used() -> None:
    assert (array(decode(PICTURE + VIDEO)) == PLAIN).all()


def test_several_jpegs_in_one_file_are_the_first() -> None:
    other = Image.new("RGB", (48, 32))
    data = encode(quadrants(), "MPO", save_all=True, append_images=[other])
    assert b"MPF\x00" in data and b"MPF\x00" not in lean(data)
    for broken in (data, data[:-40], data.replace(b"MPF\x00II*\x00", b"MPF\x00II*\xff")):
        assert (array(decode(broken)) == PLAIN).all()


PREFIXES = [b"", b"JFIF\x00", b"ICC_PROFILE\x00", b"MPF\x00", b"Exif\x00\x00", b"Adobe"]
PREFIXES += [
    b"Photoshop 3.0\x00",
    b"Photoshop 3.0\x008BIM\x03\xed",
    b"http://ns.adobe.com/xap/1.0/\x00",
]


@settings(deadline=None)
@given(
    marker=st.sampled_from([*range(0xE0, 0xEE), 0xEF, 0xFE]),
    prefix=st.sampled_from(PREFIXES),
    rest=st.binary(max_size=60),
)
def test_no_metadata_costs_the_picture(marker: int, prefix: bytes, rest: bytes) -> None:
    data = with_segments(segment(marker, prefix + rest))
    assert decode(data).size in ((48, 32), (32, 48))  # an orientation may be among it


def test_short_metadata_of_each_kind() -> None:
    for prefix in PREFIXES:
        for marker in range(0xE0, 0xF0):
            assert decode(with_segments(segment(marker, prefix))).size == (48, 32)


def test_orientation_and_profile_are_kept() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = encode(quadrants(), "JPEG", exif=exif, icc_profile=profile, comment=b"hello")
    assert lean(data).count(b"ICC_PROFILE\x00") == 1 and b"hello" not in lean(data)
    assert decode(data).size == (32, 48)


def test_a_picture_of_108_megapixels_is_decoded_smaller() -> None:
    data = flat_jpeg(12000, 9000)
    for at_least, size in ((None, (6000, 4500)), (3000, (6000, 4500)), (320, (1500, 1125))):
        image = decode(data, at_least=at_least)
        assert image.size == size
        assert np.asarray(image)[::500, ::500].min() == 128


@pytest.mark.parametrize(
    ("size", "decoded"),
    [((40000, 800), (10000, 200)), ((24000, 16000), (6000, 4000)), ((800, 40000), (200, 10000))],
)
def test_the_scale_is_the_largest_within_both_limits(
    size: tuple[int, int], decoded: tuple[int, int]
) -> None:
    assert decode(flat_jpeg(*size), Limits(max_pixels=25_000_000)).size == decoded


def test_beyond_an_eighth_it_is_refused() -> None:
    with pytest.raises(ImageTooLarge, match=r"JPEG picture has 192 million pixels"):
        decode(flat_jpeg(16000, 12000), Limits(max_pixels=2_000_000))


def test_many_scans_are_not_held_for_a_picture_of_any_size() -> None:
    # Progressive and of several scans as far as the limit is concerned; broken after it.
    data = flat_jpeg(12000, 9000)
    again = data[data.index(b"\xff\xda") :]
    data = data[:-2] + again
    with pytest.raises(ImageTooLarge, match="108 million pixels; the limit is 40 million"):
        decode(data, Limits(max_pixels=40_000_000))


LARGE = """
    import resource, sys
    sys.path.insert(0, sys.argv[1])
    from pictures import flat_jpeg
    from visearch.images import decode
    data = flat_jpeg(16000, 12000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    image = decode(data)
    print(image.width, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_memory_is_that_of_what_is_decoded(fresh_python: FreshPython) -> None:
    width, kib = map(int, fresh_python(LARGE, __file__.rpartition("/")[0]))
    assert width == 8000
    assert kib < 400 << 10, "48 million pixels, grey and in colour"
