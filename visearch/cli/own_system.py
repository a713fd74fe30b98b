"""A system of one's own: ``visearch up`` in a folder, on a free port; for tests and benchmarks."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx

from visearch.cli.client import Client, until
from visearch.errors import VisearchError
from visearch.settings import Settings

START_S = 180.0
STOP_S = 90.0


def free_port() -> int:
    """Return a loopback port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class OwnSystem:
    """``visearch up`` with these settings; ``VISEARCH_*`` of the environment do not reach it."""

    def __init__(self, home: Path, **settings: str) -> None:
        self.home, self.port = home, free_port()
        given = {"home": str(home), "port": str(self.port), "demo": "0", **settings}
        foreign = {k: v for k, v in os.environ.items() if not k.startswith("VISEARCH_")}
        named = {f"VISEARCH_{name.upper()}": value for name, value in given.items()}
        # SIGABRT then prints where each thread is.
        self.env = foreign | named | {"PYTHONFAULTHANDLER": "1"}
        self.url = f"http://127.0.0.1:{self.port}"
        self.command = str(Path(sys.executable).parent / "visearch")
        self.process: subprocess.Popen[bytes] | None = None
        self._out = home.with_suffix(".out")

    @property
    def settings(self) -> Settings:
        """The settings that its processes have."""
        return Settings.from_env(self.env)

    def start(self) -> None:
        """Start everything and wait until a search can succeed.

        Raises:
            VisearchError: it ended early, or was not ready in time; it is stopped then.
        """
        with self._out.open("ab") as out:
            command = [self.command, "up"]
            self.process = subprocess.Popen(command, env=self.env, stdout=out, stderr=out)
        try:
            until(self._is_ready, START_S, f"The start (see {self._out})", every_s=0.05)
        except VisearchError:
            self.stop()
            raise

    def _is_ready(self) -> bool:
        if self.process is None or self.process.poll() is not None:
            raise VisearchError(f"`visearch up` ended early:\n{self.output()}")
        return "\nready http" in self.output()

    def stop(self) -> int:
        """Stop as Ctrl-C does; returns the exit status, 0 if it was never started.

        Raises:
            VisearchError: it did not end in time; it is killed then, and says where it was.
        """
        if self.process is None:
            return 0
        self.process.send_signal(signal.SIGINT)
        try:
            return self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGABRT)
            self.process.wait(STOP_S)
            raise VisearchError(f"The end took over {STOP_S:.0f} s:\n{self.output()}") from None

    def client(self) -> Client:
        """Open a client; one per thread."""
        return Client(self.open_http())

    def open_http(self) -> httpx.Client:
        """Open a bare HTTP client; one per thread."""
        return httpx.Client(base_url=self.url, timeout=60)

    def output(self) -> str:
        """Return what `visearch up` has printed."""
        return self._out.read_text() if self._out.exists() else ""

    def log(self, role: str) -> str:
        """Return the log of one process."""
        return (self.home / "logs" / f"{role}.log").read_text()
