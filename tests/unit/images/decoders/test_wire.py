"""Messages of a decoder: read as sent; whatever else comes is refused and waited for no longer."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Iterator

import pytest

from visearch.images.decoders import wire
from visearch.images.decoders.wire import WireError

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    one, other = socket.socketpair()
    with one, other:
        yield one, other


def soon() -> float:
    return time.monotonic() + 0.2


@pytest.mark.parametrize("size", [0, 1, 3_000_000])
def test_a_message_arrives_whole(pair: Pair, size: int) -> None:
    data = bytes(i % 251 for i in range(min(size, 1000))) * max(1, size // 1000)
    sender = threading.Thread(target=wire.send, args=(pair[0], {"a": [1.5, "é"]}, data))
    sender.start()
    assert wire.receive(pair[1]) == ({"a": [1.5, "é"]}, data)
    sender.join()


@pytest.mark.parametrize(
    "sent",
    [
        struct.pack("!II", 2, 101) + b"{}",
        struct.pack("!II", wire.MAX_HEADER + 1, 0),
        struct.pack("!II", 2, 0) + b"[]",
        struct.pack("!II", 2, 0) + b"{\xff",
        struct.pack("!II", 60_000, 0) + b"[" * 60_000,
    ],
)
def test_what_is_no_message_is_refused(pair: Pair, sent: bytes) -> None:
    pair[0].sendall(sent)
    with pytest.raises(WireError):
        wire.receive(pair[1], 100, soon())


def test_nobody_waits_for_one_who_takes_too_long(pair: Pair) -> None:
    """Not even for one who sends a byte now and then, or does not read."""
    over = threading.Event()

    def dribble() -> None:
        while not over.wait(0.05):
            pair[0].send(b"\0")

    with pytest.raises(TimeoutError):
        wire.receive(pair[1], 0, soon())
    sender = threading.Thread(target=dribble)
    sender.start()
    pair[1].sendall(b"\0\0\0\0")
    with pytest.raises(TimeoutError):
        wire.receive(pair[1], 0, time.monotonic() + 0.12)
    over.set()
    sender.join()
    with pytest.raises(TimeoutError):
        wire.send(pair[0], {}, bytes(50_000_000), soon())


def test_one_who_has_gone_is_missed(pair: Pair) -> None:
    pair[0].sendall(b"\0\0")
    pair[0].close()
    with pytest.raises(EOFError):
        wire.receive(pair[1])
