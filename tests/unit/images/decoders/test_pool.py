"""Decoders: what comes back is what decoding here gives; a bad picture takes only its own one."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pytest
import vulnerable
from pictures import encode, quadrants
from PIL import Image
from vulnerable import EATS, HANGS, KILLS

from visearch.errors import (
    DecoderCrashed,
    DecodeTimeout,
    ImageCorrupt,
    ImageTooLarge,
    InvalidRequest,
    UnsupportedImage,
)
from visearch.images import Limits, Preprocess
from visearch.images.decoders.pool import DecoderPool
from visearch.images.order import Copy, DecodersHere, Order

PREPROCESS = Preprocess(size=32, fit="pad", mean=(0.5,) * 3, std=(0.5,) * 3)
PLAIN = Order(preprocess=PREPROCESS)
GOOD = encode(quadrants(), "PNG")
LIMITS = Limits(max_pixels=64_000_000)
SECRET = "postgresql://visearch:secret@db/visearch"

MakePool = Callable[..., DecoderPool]


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakePool]:
    """Makes pools of vulnerable decoders."""
    made: list[DecoderPool] = []

    def make(**changes: float) -> DecoderPool:
        options = {"size": 1, "memory_bytes": 400 << 20, "limit_s": 30.0, **changes}
        made.append(DecoderPool(LIMITS, **options))  # type: ignore[arg-type]
        made[-1].start()
        return made[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(vulnerable.write(tmp_path_factory.mktemp("flaw") / "patch"))
        patch.setenv("VISEARCH_DATABASE_URL", SECRET)
        yield make
        for pool in made:
            pool.close()


@pytest.fixture(scope="module")
def pool(make: MakePool) -> DecoderPool:
    return make()


def decoders() -> set[int]:
    """The processes of all pools."""
    children = psutil.Process().children()
    return {each.pid for each in children if "visearch.images.decoders.child" in each.cmdline()}


@pytest.mark.parametrize(
    "order",
    [
        PLAIN,
        Order(preprocess=PREPROCESS, box=(0.1, 0.2, 0.9, 1.0)),
        Order(preprocess=PREPROCESS, denoise=True),
        Order(preprocess=PREPROCESS, edits=7),
    ],
)
def test_the_pixels_are_those_of_decoding_here(pool: DecoderPool, order: Order) -> None:
    rng = np.random.default_rng(0)
    noise = Image.fromarray(rng.choice([0, 128, 255], (90, 120, 3)).astype(np.uint8))
    for data in (GOOD, *(encode(noise, name) for name in ("PNG", "JPEG", "HEIF"))):
        pixels = pool.pixels(data, order, 30.0)
        assert (pixels.dtype, pixels.shape) == (np.uint8, (32, 32, 3))
        assert pixels.flags.writeable and pixels.flags.c_contiguous
        np.testing.assert_array_equal(pixels, DecodersHere(LIMITS).pixels(data, order, 30.0))


def test_a_copy_is_a_small_upright_jpeg(pool: DecoderPool) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    out = io.BytesIO()
    Image.new("RGB", (900, 300), "red").save(out, "JPEG", exif=turned)
    for data, size in ((out.getvalue(), (171, 512)), (GOOD, quadrants().size)):
        copy = pool.copy(data, Copy(512), 30.0)
        with Image.open(io.BytesIO(copy)) as image:
            assert (image.format, image.size, image.getexif()) == ("JPEG", size, {})
        assert copy == DecodersHere(LIMITS).copy(data, Copy(512), 30.0)
    with pytest.raises(UnsupportedImage):
        pool.copy(b"plain text", Copy(512), 30.0)
    assert pool.pixels(GOOD, PLAIN, 30.0).any()


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", UnsupportedImage),
        (b"plain text", UnsupportedImage),
        (GOOD[:-60], ImageCorrupt),
        (encode(Image.new("1", (8001, 8000)), "PNG"), ImageTooLarge),
        (encode(quadrants(), "HEIF")[:-60], ImageCorrupt),
    ],
)
def test_an_error_comes_back_as_what_it_is(
    pool: DecoderPool, data: bytes, kind: type[Exception]
) -> None:
    before = decoders()
    with pytest.raises(kind) as there:
        pool.pixels(data, PLAIN, 30.0)
    with pytest.raises(kind) as here:
        DecodersHere(LIMITS).pixels(data, PLAIN, 30.0)
    assert there.value.detail == here.value.detail
    assert decoders() == before


def test_a_box_that_covers_nothing_names_its_field(pool: DecoderPool) -> None:
    with pytest.raises(InvalidRequest) as caught:
        pool.pixels(GOOD, Order(preprocess=PREPROCESS, box=(0.5, 0.5, 0.501, 0.501)), 30.0)
    assert caught.value.fields[0][0] == "/box"


def test_a_picture_that_crashes_its_decoder_fails_alone(make: MakePool) -> None:
    pool, before = make(size=2), decoders()
    with ThreadPoolExecutor(4) as threads:
        bad = [threads.submit(pool.pixels, GOOD + KILLS, PLAIN, 30.0) for _ in range(2)]
        good = [threads.submit(pool.pixels, GOOD, PLAIN, 30.0) for _ in range(10)]
        assert all(each.result().any() for each in good)
        assert all(isinstance(each.exception(), DecoderCrashed) for each in bad)
    pool.start()
    assert len(decoders() - before) == 2 and len(decoders()) == len(before)


def test_a_picture_that_hangs_is_given_up(make: MakePool) -> None:
    pool = make(limit_s=1.5)
    with pytest.raises(DecodeTimeout, match=r"longer than 1\.5 seconds"):
        pool.pixels(GOOD + HANGS, PLAIN, 30.0)
    assert pool.pixels(GOOD, PLAIN, 30.0).any()


def test_a_picture_that_takes_the_memory_fails_with_that_reason(make: MakePool) -> None:
    pool, before = make(), decoders()
    for data in (encode(Image.new("L", (8000, 8000)), "PNG"), GOOD + EATS):
        with pytest.raises(ImageTooLarge, match="more memory"):
            pool.pixels(data, PLAIN, 30.0)
        pool.start()
        after = decoders()
        assert len(after - before) == 1, "it may hold on to memory, and is not used again"
        before = after
    assert pool.pixels(GOOD, PLAIN, 30.0).any()


def test_a_deadline_holds_for_those_who_wait_and_for_those_whose_turn_it_is(
    make: MakePool,
) -> None:
    pool = make()
    begin = time.monotonic()
    with ThreadPoolExecutor(1) as thread:
        hanging = thread.submit(pool.pixels, GOOD + HANGS, PLAIN, 2.0)
        time.sleep(0.2)  # the only decoder is at work by then
        with pytest.raises(TimeoutError, match="free"):
            pool.pixels(GOOD, PLAIN, 0.3)
        assert time.monotonic() - begin < 1.5
        error = hanging.exception()
    assert isinstance(error, TimeoutError)
    assert 1.5 < time.monotonic() - begin < 10
    assert pool.pixels(GOOD, PLAIN, 30.0).any()


def test_a_picture_is_decoded_though_its_decoder_was_ended_while_idle(make: MakePool) -> None:
    before = decoders()
    pool = make()
    (pid,) = decoders() - before
    os.kill(pid, signal.SIGTERM)
    assert pool.pixels(GOOD, PLAIN, 30.0).any()
    assert psutil.pid_exists(pid), "a signal to the whole group must not end it"
    os.kill(pid, signal.SIGKILL)
    while psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)  # between two looks
    assert pool.pixels(GOOD, PLAIN, 30.0).any()


def test_decoders_are_started_when_they_are_needed(tmp_path: Path) -> None:
    before = decoders()
    pool = DecoderPool(LIMITS, size=3, memory_bytes=400 << 20, limit_s=30.0)
    try:
        assert decoders() == before
        for _ in range(3):
            assert pool.pixels(GOOD, PLAIN, 30.0).any()
        assert len(decoders() - before) == 1, "one caller at a time needs one"
    finally:
        pool.close()
    assert decoders() == before


def test_a_decoder_has_no_password_in_its_environment(pool: DecoderPool) -> None:
    assert SECRET in os.environ.values()
    for pid in decoders():
        environ = psutil.Process(pid).environ()
        assert environ["PATH"] and SECRET not in environ.values()
        assert not [name for name in environ if name.startswith("VISEARCH_")]


def test_the_limit_on_memory_is_the_pool_s(make: MakePool) -> None:
    before = decoders()
    make(memory_bytes=300 << 20)
    (pid,) = decoders() - before
    assert psutil.Process(pid).rlimit(psutil.RLIMIT_AS) == (300 << 20, 300 << 20)


def test_no_decoder_outlives_its_owner(tmp_path: Path) -> None:
    """The owner is killed while its decoder hangs, which reads no more than the dead do."""
    program = (
        "import sys, threading\n"
        "from visearch.images import Limits, Preprocess\n"
        "from visearch.images.decoders.pool import DecoderPool\n"
        "from visearch.images.order import Order\n"
        "pool = DecoderPool(Limits(), size=1, memory_bytes=400 << 20, limit_s=300.0)\n"
        "pool.start()\n"
        "p = Preprocess(size=32, fit='pad', mean=(0.5,) * 3, std=(0.5,) * 3)\n"
        "data = sys.stdin.buffer.read()\n"
        "ask = lambda: pool.pixels(data, Order(preprocess=p), 300.0)\n"
        "threading.Thread(target=ask, daemon=True).start()\n"
        "print('asked', flush=True)\n"
        "threading.Event().wait()\n"
    )
    path = os.pathsep.join([vulnerable.write(tmp_path / "patch"), *filter(None, sys.path)])
    with subprocess.Popen(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": path},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as owner:
        assert owner.stdin and owner.stdout
        owner.stdin.write(GOOD + HANGS)
        owner.stdin.close()
        assert owner.stdout.readline() == b"asked\n"
        time.sleep(0.3)
        (decoder,) = psutil.Process(owner.pid).children()
        owner.kill()
        decoder.wait(10)


def test_many_threads_share_few_decoders(make: MakePool) -> None:
    pool, seen = make(size=2), threading.Barrier(8)
    pictures = [encode(Image.new("RGB", (40, 40), (i * 9, 0, 0)), "PNG") for i in range(24)]

    def ask(i: int) -> int:
        if i < 8:
            seen.wait()
        return int(pool.pixels(pictures[i], PLAIN, 30.0)[16, 16, 0])

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(ask, range(24))) == [i * 9 for i in range(24)]
