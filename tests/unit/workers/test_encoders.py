"""Encoders: opened once each, beside those that are open, and not for longer than one may wait."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from visearch.errors import SearchExpired, UnknownEncoder
from visearch.settings import Settings
from workers.encoders import Encoders


def test_a_search_waits_for_its_own_encoder_and_not_too_long(tmp_path: Path) -> None:
    made, gate = Encoders(Settings(home=tmp_path), (1,)), threading.Event()
    made._opener.submit(gate.wait, 30)  # another one that is being opened
    start = time.monotonic()
    with pytest.raises(SearchExpired):
        made.get("bundled", 0.1)
    assert time.monotonic() - start < 5
    with ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(made.get, "bundled", 60.0) for _ in range(4)]
        gate.set()
        assert len({id(each.result(60)) for each in waiting}) == 1
    gate.clear()
    made._opener.submit(gate.wait, 30)
    assert made.get("bundled", 0.0) is waiting[0].result(), "an open one is just there"
    gate.set()


def test_an_encoder_that_cannot_be_opened_may_be_asked_for_again(tmp_path: Path) -> None:
    made = Encoders(Settings(home=tmp_path), (1,))
    for _ in range(2):
        with pytest.raises(UnknownEncoder):
            made.get("file:nowhere", 1.0)
