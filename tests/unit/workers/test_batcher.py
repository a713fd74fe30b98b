"""Micro-batching: everyone gets their own row, the idle caller does not wait, errors spread."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from visearch.errors import EncoderError, SearchExpired
from visearch.searching.clock import Clock
from workers.batcher import Batcher, Pixels, Vectors


def picture(value: int) -> Pixels:
    return np.full((4, 4, 3), value, np.uint8)


class Encode:
    """Maps a picture to its first value; remembers batch sizes; can be held up."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, pixels: Pixels) -> Vectors:
        self.gate.wait(10)
        self.sizes.append(len(pixels))
        if (pixels[:, 0, 0, 0] == 255).any():
            raise RuntimeError("cannot encode")
        return pixels[:, 0, 0, :1].astype(np.float32)


def test_each_caller_gets_the_row_of_its_own_picture() -> None:
    encode = Encode()
    batcher = Batcher(encode, limit=8)
    with ThreadPoolExecutor(32) as pool:
        rows = list(pool.map(lambda i: batcher.embed(picture(i), Clock(10))[0], range(200)))
    assert rows == list(range(200))
    assert max(encode.sizes) <= 8
    assert sum(encode.sizes) == 200


def test_callers_that_wait_together_are_encoded_together() -> None:
    encode = Encode()
    batcher = Batcher(encode, limit=8)
    encode.gate.clear()
    with ThreadPoolExecutor(9) as pool:
        futures = [pool.submit(batcher.embed, picture(i), Clock(10)) for i in range(9)]
        time.sleep(0.2)  # all have queued; the first is held at the gate alone or with few
        encode.gate.set()
        assert [float(f.result()[0]) for f in futures] == list(range(9))
    assert len(encode.sizes) <= 3


def test_an_error_reaches_its_batch_and_the_next_one_works() -> None:
    batcher = Batcher(Encode(), limit=8)
    with pytest.raises(RuntimeError, match="cannot encode"):
        batcher.embed(picture(255), Clock(10))
    assert batcher.embed(picture(7), Clock(10))[0] == 7


def test_a_caller_that_gives_up_is_not_encoded() -> None:
    encode = Encode()
    batcher = Batcher(encode, limit=8)
    encode.gate.clear()
    blocker = threading.Thread(target=batcher.embed, args=(picture(1), Clock(10)))
    blocker.start()
    time.sleep(0.1)  # the blocker is inside the encoder now
    with pytest.raises(SearchExpired):
        batcher.embed(picture(2), Clock(0.05))
    encode.gate.set()
    blocker.join()
    assert batcher.embed(picture(3), Clock(10))[0] == 3
    assert sum(encode.sizes) == 2


def test_a_cancelled_search_is_not_encoded() -> None:
    encode, cancelled = Encode(), threading.Event()
    batcher = Batcher(encode, limit=8)
    encode.gate.clear()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(batcher.embed, picture(1), Clock(10))
        time.sleep(0.1)  # the first is inside the encoder now
        second = pool.submit(batcher.embed, picture(2), Clock(10, cancelled=cancelled.is_set))
        time.sleep(0.1)
        cancelled.set()
        encode.gate.set()
        assert first.result(10)[0] == 1
        with pytest.raises(SearchExpired):
            second.result(10)
    assert encode.sizes == [1]


@pytest.mark.filterwarnings("error")
def test_a_wrong_number_of_vectors_reaches_every_caller_and_the_next_one_works() -> None:
    answers = [np.zeros((0, 1), np.float32), np.ones((1, 1), np.float32)]
    batcher = Batcher(lambda _: answers.pop(0), limit=8)
    with pytest.raises(EncoderError, match="0 vectors came back for 1 pictures"):
        batcher.embed(picture(1), Clock(10))
    assert batcher.embed(picture(1), Clock(10))[0] == 1
