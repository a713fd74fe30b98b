"""A running visearch of a benchmark's own: `visearch up` in a temporary folder, on a free port."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from visearch.settings import Settings

START_S = 180.0
STOP_S = 90.0


@dataclass(frozen=True)
class OwnSystem:
    """Where the system answers, and the settings that its processes have."""

    url: str
    settings: Settings

    def client(self) -> httpx.Client:
        """Open a client; one per thread."""
        return httpx.Client(base_url=self.url, timeout=60)

    def log(self, role: str) -> str:
        """Return the log of one process."""
        return (self.settings.home / "logs" / f"{role}.log").read_text()


@contextmanager
def own_system(**settings: str) -> Iterator[OwnSystem]:
    """Start a system with these settings, wait until it is ready, stop and delete it.

    ``VISEARCH_*`` of the environment do not reach it: what is measured is stated here.
    """
    with tempfile.TemporaryDirectory(prefix="visearch-bench-", ignore_cleanup_errors=True) as where:
        home, port = Path(where) / "home", _free_port()
        ours = {"home": str(home), "port": str(port), "demo": "0", **settings}
        env = {f"VISEARCH_{name.upper()}": value for name, value in ours.items()}
        system = OwnSystem(f"http://127.0.0.1:{port}", Settings.from_env(env))
        output = Path(where) / "up.out"
        with output.open("wb") as out:
            clean = {k: v for k, v in os.environ.items() if not k.startswith("VISEARCH_")}
            command = [str(Path(sys.executable).parent / "visearch"), "up"]
            process = subprocess.Popen(command, env={**clean, **env}, stdout=out, stderr=out)
        try:
            until(lambda: _is_ready(system, process, output), START_S, "the start of the system")
            yield system
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(STOP_S)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _is_ready(system: OwnSystem, process: subprocess.Popen[bytes], output: Path) -> bool:
    if process.poll() is not None:
        raise SystemExit(f"`visearch up` ended early:\n{output.read_text()}")
    try:
        return httpx.get(f"{system.url}/readyz", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


def until(check: Callable[[], Any], seconds: float, what: str) -> Any:
    """Return the first truthy result of ``check``; ends the benchmark after ``seconds``."""
    end = time.monotonic() + seconds
    while not (value := check()):
        if time.monotonic() > end:
            raise SystemExit(f"{what} has not come within {seconds:g} s")
        time.sleep(0.1)  # between two looks
    return value
