"""Waiting for a Redis that reads its file, one that says nothing, and a word to stop."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from visearch.cli import up
from visearch.cli.up import wait_for_redis
from visearch.errors import DependencyUnavailable
from visearch.settings import Settings

LOADING = b"-LOADING Redis is loading the dataset in memory\r\n"


@contextmanager
def redis_that_loads(seconds: float) -> Iterator[str]:
    """Answer any command as Redis does while it reads its file, and then as it does later."""
    ready = time.monotonic() + seconds

    def serve(connection: socket.socket) -> None:
        with connection:
            while data := connection.recv(65536):
                answer = LOADING if time.monotonic() < ready else b"+PONG\r\n"
                connection.sendall(answer * sum(line.startswith(b"*") for line in data.split()))

    def accept(server: socket.socket) -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=accept, args=(server,), daemon=True).start()
        yield f"redis://127.0.0.1:{server.getsockname()[1]}?protocol=2"
        server.shutdown(socket.SHUT_RDWR)


def rest(seconds: float) -> bool:
    time.sleep(seconds)
    return True


def test_a_redis_that_reads_its_file_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(up, "REDIS_START_S", 0.3)
    with redis_that_loads(2.0) as url:
        assert wait_for_redis(Settings(home=tmp_path, redis_url=url), rest)


def test_a_redis_that_says_nothing_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(up, "REDIS_START_S", 0.3)
    with pytest.raises(DependencyUnavailable, match="does not answer"):
        wait_for_redis(Settings(home=tmp_path), rest)


def test_who_is_told_to_stop_stops(tmp_path: Path) -> None:
    with redis_that_loads(60.0) as url:
        settings = Settings(home=tmp_path, redis_url=url)
        looks = iter([True])
        assert not wait_for_redis(settings, lambda _: next(looks, False))
