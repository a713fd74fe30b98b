"""The disk's reserve holds against bodies: announced, together, or of unknown length."""

from __future__ import annotations

import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from visearch.settings import Settings
from web.bodies import REFUSAL
from web.serving.server import Server

IMPORT = b"POST /v1/catalogs/c/imports HTTP/1.1\r\nHost: localhost\r\n"
SEARCH = b"POST /v1/searches HTTP/1.1\r\nHost: localhost\r\n"
MB = 1 << 20


def tell(environ: dict[str, Any], start: Any) -> list[bytes]:
    """Answer what the server refuses with, or how much has arrived."""
    refusal = environ.get(REFUSAL)
    size = str(len(environ["wsgi.input"].read()))
    start("503 No" if refusal else "200 OK", [("Content-Type", "text/plain")])
    return [(refusal.detail if refusal else size).encode()]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server that would take files larger than the disk, if it had no reserve."""
    huge = 8 * shutil.disk_usage(tmp_path).free
    settings = Settings(home=tmp_path, max_upload_bytes=huge, disk_reserve_bytes=1)
    listener = socket.create_server(("127.0.0.1", 0))
    made = Server(tell, settings, listener)
    thread = threading.Thread(target=made.run)
    thread.start()
    yield made
    made.stop()
    thread.join(20)
    made.trigger.close()
    made.task_dispatcher.shutdown()


@contextmanager
def client(server: Server, sent: bytes) -> Iterator[socket.socket]:
    """Open a connection and send something."""
    address = server.effective_host, server.effective_port
    with socket.create_connection(address, timeout=10) as opened:
        opened.sendall(sent)
        yield opened


def read(opened: socket.socket) -> bytes:
    """Read to the end of the answer: the server closes, or its last bytes are there."""
    found = b""
    while b"\r\n\r\n" not in found or (b"close" in found and opened.recv(1, socket.MSG_PEEK)):
        piece = opened.recv(65_536)
        if not piece:
            break
        found += piece
    return found


def announce(size: int) -> bytes:
    return IMPORT + f"Content-Length: {size}\r\nExpect: 100-continue\r\n\r\n".encode()


def test_files_that_are_announced_must_have_room_together(server: Server) -> None:
    free = shutil.disk_usage(server.settings.home).free
    with client(server, announce(2 * free)) as alone:
        assert read(alone).startswith(b"HTTP/1.1 503")
    with client(server, announce(free * 3 // 4)) as first:
        assert read(first).startswith(b"HTTP/1.1 100")
        with client(server, announce(free * 3 // 4)) as second:
            assert b"in reserve. Try again" in read(second)
        with client(server, SEARCH + b"Content-Length: 2\r\n\r\n{}") as small:
            assert read(small).startswith(b"HTTP/1.1 200")
    end = time.monotonic() + 10
    while time.monotonic() < end:
        with client(server, announce(free * 3 // 4)) as again:
            if read(again).startswith(b"HTTP/1.1 100"):
                return
    pytest.fail("what a client that left had announced is never forgotten")


def set_reserve(server: Server, size: int) -> None:
    object.__setattr__(server.settings, "disk_reserve_bytes", size)


def test_a_body_of_unknown_length_stops_where_the_reserve_begins(server: Server) -> None:
    chunk = f"{MB:x}\r\n".encode() + bytes(MB) + b"\r\n"
    with ExitStack() as opened:
        large, small = (
            opened.enter_context(client(server, IMPORT + b"Transfer-Encoding: chunked\r\n\r\n"))
            for _ in range(2)
        )
        large.sendall(chunk)
        small.sendall(b"5\r\nhello\r\n")
        set_reserve(server, 1 << 60)
        told = read(large)
        assert told.startswith(b"HTTP/1.1 503") and b"in reserve" in told
        small.sendall(b"0\r\n\r\n")
        assert read(small).startswith(b"HTTP/1.1 200"), "it is in memory"


def test_a_search_may_use_half_of_the_reserve(server: Server) -> None:
    free = shutil.disk_usage(server.settings.home).free
    set_reserve(server, free * 3 // 2)
    body = f"Content-Length: {MB}\r\n\r\n".encode() + bytes(MB)
    with client(server, SEARCH + body) as search:
        assert read(search).startswith(b"HTTP/1.1 200")
    with client(server, IMPORT + body) as file:
        assert read(file).startswith(b"HTTP/1.1 503")
