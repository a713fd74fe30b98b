"""Remote blobs: a store that says nothing costs seconds, and the operator's options hold."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from visearch.errors import DependencyUnavailable
from visearch.store import object_files
from visearch.store.object_files import ObjectFiles
from workers.ingest import DECODE_LIMIT_S

SILENCE_S = 0.4
LARGE = 12 << 20
"""Bytes of a blob that is sent in parts."""


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The socket of a store, over plain HTTP; it says nothing by itself."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        environ = {
            "ACCESS_KEY_ID": "key",
            "SECRET_ACCESS_KEY": "secret",
            "REGION": "nowhere",
            "ENDPOINT_URL": f"http://127.0.0.1:{server.getsockname()[1]}",
            "ALLOW_HTTP": "true",
        }
        for name, value in environ.items():
            monkeypatch.setenv(f"AWS_{name}", value)
        yield server


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch, listener: socket.socket) -> ObjectFiles:
    """A store behind the socket, asked with less patience."""
    for name in ("CONNECT_S", "SILENCE_S", "RETRY_S"):
        monkeypatch.setattr(object_files, name, SILENCE_S)
    return ObjectFiles("s3://bucket/prefix")


ASK = {
    "get": lambda files: files.get("pictures/a"),
    "get_range": lambda files: files.get_range("uploads/a", 0, 10),
    "open": lambda files: files.open("uploads/a"),
    "modified": lambda files: files.modified("pictures/a"),
    "put": lambda files: files.put("pictures/a", b"x"),
    "put large": lambda files: files.put("uploads/a", bytes(LARGE)),
    "list": lambda files: list(files.list("pictures")),
    "folders": lambda files: files.folders("generations"),
    "delete": lambda files: files.delete("pictures/a"),
}


@pytest.mark.parametrize("how", ASK)
def test_a_store_that_says_nothing_is_left_after_one_silence(
    impatient: ObjectFiles, how: str
) -> None:
    """It is not asked again: it has had its time."""
    began = time.monotonic()
    with pytest.raises(DependencyUnavailable) as caught:
        ASK[how](impatient)
    assert caught.value.dependency == "blob store"
    assert SILENCE_S <= time.monotonic() - began < 2 * SILENCE_S


def test_a_picture_is_never_taken_for_a_store_that_says_nothing() -> None:
    """A child of ingest that waits for its store is not killed before it can say so."""
    silent = object_files.RETRY_S + object_files.SILENCE_S
    trickling = object_files.RETRY_S + object_files.REQUEST_S
    assert silent <= DECODE_LIMIT_S / 3 and trickling < DECODE_LIMIT_S


def serve(listener: socket.socket, answers: list[bytes]) -> list[bytes]:
    """Answer one request a connection, in a thread; returns the heads, as they come."""
    heads: list[bytes] = []

    def work() -> None:
        for answer in answers:
            client, _ = listener.accept()
            with closing(client):
                heads.append(client.recv(65_536))
                client.sendall(answer)

    threading.Thread(target=work, daemon=True).start()
    return heads


def test_a_range_past_the_end_asks_for_the_size(
    impatient: ObjectFiles, listener: socket.socket
) -> None:
    """A store that refuses such a range has answered, and can be asked."""
    close = b"Connection: close\r\nETag: x\r\nLast-Modified: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
    heads = serve(
        listener,
        [
            b"HTTP/1.1 416 Range Not Satisfiable\r\nContent-Length: 0\r\n" + close + b"\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n" + close + b"\r\n",
        ],
    )
    assert impatient.get_range("uploads/a", 5, 9) == b""
    assert [head.partition(b" ")[0] for head in heads] == [b"GET", b"HEAD"]


def test_the_operators_options_hold(
    monkeypatch: pytest.MonkeyPatch, listener: socket.socket
) -> None:
    monkeypatch.setenv("AWS_READ_TIMEOUT", "200ms")
    monkeypatch.setattr(object_files, "RETRY_S", 0.1)
    began = time.monotonic()
    with pytest.raises(DependencyUnavailable, match="error sending request"):
        ObjectFiles("s3://bucket").get("pictures/a")
    assert time.monotonic() - began < 2.0
    monkeypatch.delenv("AWS_ALLOW_HTTP")
    with pytest.raises(DependencyUnavailable, match="builder error"):
        ObjectFiles("s3://bucket").get("pictures/a")
