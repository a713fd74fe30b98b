"""Clients that take their time: sockets that send and read as slowly as a test likes."""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from system import System

HEAD = b"POST /v1/searches HTTP/1.1\r\nHost: localhost\r\n"
BODY = b"Content-Type: application/json\r\nContent-Length: 100000\r\n\r\n{"


@contextmanager
def sockets(
    system: System, count: int, first: bytes, *, window: int = 0
) -> Iterator[list[socket.socket]]:
    """Open connections that each send ``first``; ``window`` bounds what they take in unread."""
    with ExitStack() as opened:
        made = []
        for _ in range(count):
            made.append(opened.enter_context(socket.socket()))
            if window:
                made[-1].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
            made[-1].connect(("127.0.0.1", system.port))
            made[-1].sendall(first)
        yield made


def trickle(clients: list[socket.socket], piece: bytes) -> int:
    """Send a piece on each; returns how many are still open."""
    alive = 0
    for client in clients:
        try:
            client.send(piece)
            alive += not _ended(client)
        except OSError:
            pass
    return alive


def _ended(client: socket.socket) -> bool:
    try:
        return client.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False


def answer(client: socket.socket, seconds: float = 10.0) -> bytes:
    """Read until the server closes; fails after ``seconds``."""
    end, read = time.monotonic() + seconds, b""
    with selectors.DefaultSelector() as ready:
        ready.register(client, selectors.EVENT_READ)
        while ready.select(max(0.0, end - time.monotonic())):
            piece = client.recv(65_536)
            if not piece:
                return read
            read += piece
    raise AssertionError(f"still open after {seconds} s; it sent {read!r}")
