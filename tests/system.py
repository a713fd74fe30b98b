"""A whole running visearch for tests: real processes, own port, own Redis, own folder."""

from __future__ import annotations

import io
import os
import signal
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import httpx
from PIL import Image, ImageDraw

T = TypeVar("T")
START_S = 120.0


def free_port() -> int:
    """Return a loopback port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def eventually(check: Callable[[], T], *, seconds: float = 30.0, what: str = "condition") -> T:
    """Return the first truthy result of ``check``; fail the test after ``seconds``."""
    end = time.monotonic() + seconds
    while True:
        if value := check():
            return value
        assert time.monotonic() < end, f"{what} did not happen within {seconds:g} s"
        time.sleep(0.05)  # between two looks


class System:
    """`visearch up` in a folder of its own."""

    def __init__(self, home: Path, **settings: str) -> None:
        self.home, self.port = home, free_port()
        clean = {k: v for k, v in os.environ.items() if not k.startswith("VISEARCH_")}
        self.env = {
            **clean,
            "VISEARCH_HOME": str(home),
            "VISEARCH_PORT": str(self.port),
            "VISEARCH_DEMO": "0",
            **{f"VISEARCH_{name.upper()}": value for name, value in settings.items()},
        }
        self.url = f"http://127.0.0.1:{self.port}"
        self.http = httpx.Client(base_url=self.url, timeout=60)
        self.process: subprocess.Popen[bytes] | None = None
        self._out = home.with_suffix(".out")

    def start(self) -> System:
        """Start everything and wait for ``ready``."""
        with self._out.open("ab") as out:
            command = [str(Path(sys.executable).parent / "visearch"), "up"]
            self.process = subprocess.Popen(command, env=self.env, stdout=out, stderr=out)
        try:
            eventually(self._is_ready, seconds=START_S, what=f"ready (see {self._out})")
        except AssertionError:
            self.stop()
            raise
        return self

    def _is_ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, f"`visearch up` ended early:\n{self.output()}"
        return "\nready http" in self.output()

    def output(self) -> str:
        """Return what `visearch up` has printed."""
        return self._out.read_text() if self._out.exists() else ""

    def log(self, role: str) -> str:
        """Return the log of one process."""
        return (self.home / "logs" / f"{role}.log").read_text()

    def stop(self) -> int:
        """Stop as Ctrl-C does; returns the exit status."""
        self.http.close()
        if self.process is None:
            return 0
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(60)

    def pids(self) -> dict[str, int]:
        """Return the process ids by role, as the supervisor wrote them."""
        lines = (self.home / "pids").read_text().splitlines()
        return {name: int(pid) for name, pid in (line.split() for line in lines)}

    def kill(self, role: str) -> int:
        """``kill -9`` a role's process group; returns the pid it had."""
        pid = self.pids()[role]
        os.killpg(pid, signal.SIGKILL)
        return pid

    def wait_restarted(self, role: str, old_pid: int) -> None:
        """Wait until the supervisor has started a role again; it waits up to 30 s with that."""
        what = f"restart of {role}"
        eventually(lambda: self.pids().get(role, old_pid) != old_pid, seconds=60, what=what)

    def cli(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the ``visearch`` command against this system."""
        command = [str(Path(sys.executable).parent / "visearch"), *arguments]
        return subprocess.run(
            command, env=self.env, capture_output=True, text=True, timeout=120, check=False
        )

    def create_catalog(self, name: str, **settings: Any) -> str:
        """Create a catalog; returns its name."""
        self.http.put(f"/v1/catalogs/{name}", json=settings).raise_for_status()
        return name

    def upload(
        self, catalog: str, archive: bytes, *, mode: str = "upsert", media: str = "application/zip"
    ) -> dict[str, Any]:
        """Upload an archive; returns the accepted import."""
        answer = self.http.post(
            f"/v1/catalogs/{catalog}/imports",
            params={"mode": mode},
            content=archive,
            headers={"Content-Type": media},
        )
        assert answer.status_code == 202, answer.text
        return dict(answer.json())

    def read_import(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """Return an import as it stands."""
        answer = self.http.get(f"/v1/catalogs/{record['catalog']}/imports/{record['id']}")
        return dict(answer.raise_for_status().json())

    def finish(self, record: Mapping[str, Any], *, seconds: float = 120.0) -> dict[str, Any]:
        """Wait for an import's end and check its books; returns it."""

        def ended() -> dict[str, Any] | None:
            now = self.read_import(record)
            return now if now["finished_at"] else None

        done = eventually(ended, seconds=seconds, what=f"the end of import {record['id']}")
        counts = done["counts"]
        assert counts["items"] == counts["searchable"] + counts["failed"], counts
        return done

    def items(self, record: Mapping[str, Any], **params: Any) -> list[dict[str, Any]]:
        """Return the ledger of an import (all of it, by pages)."""
        path, out, cursor = f"/v1/catalogs/{record['catalog']}/imports/{record['id']}/items", [], ""
        while True:
            query = {"limit": 500, **params} | ({"cursor": cursor} if cursor else {})
            page = self.http.get(path, params=query).raise_for_status().json()
            out += page["items"]
            if not (cursor := page["next_cursor"]):
                return out

    def search(self, picture: bytes, catalog: str, **fields: Any) -> dict[str, Any]:
        """Search by picture and wait for the terminal state."""
        answer = self.http.post(
            "/v1/searches",
            files={"image": ("query.jpg", picture)},
            data={"catalog": catalog, **fields},
            headers={"Prefer": "wait=10"},
        )
        assert answer.status_code in (200, 202), answer.text
        record = dict(answer.json())
        while record["status"] in ("queued", "running"):
            path = f"/v1/searches/{record['id']}"
            record = self.http.get(path, headers={"Prefer": "wait=10"}).raise_for_status().json()
        return record


def picture(seed: int, *, side: int = 160, form: str = "JPEG") -> bytes:
    """Draw a small picture that differs clearly from those of other seeds."""
    hue = (seed * 47) % 360
    image = Image.new("RGB", (side, side), f"hsl({(hue + 180) % 360}, 40%, 85%)")
    draw = ImageDraw.Draw(image)
    for i in range(3 + seed % 4):
        x, y = (seed * 31 + i * 53) % side, (seed * 17 + i * 71) % side
        shape = (draw.ellipse, draw.rectangle)[(seed + i) % 2]
        size = 20 + (seed * 13 + i * 29) % 60
        shape((x - size, y - size, x + size, y + size), fill=f"hsl({hue + 40 * i}, 80%, 45%)")
    out = io.BytesIO()
    image.save(out, form, **({"quality": 92} if form == "JPEG" else {}))
    return out.getvalue()


def archive(members: Iterable[tuple[str, bytes]]) -> bytes:
    """Zip ``(name, bytes)`` pairs."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        for name, data in members:
            file.writestr(name, data)
    return out.getvalue()


def shared_data() -> Path | None:
    """Return the folder of shared test data, if this machine has it."""
    named = os.environ.get("VISEARCH_SHARED")
    folder = Path(named) if named else Path(__file__).parents[2] / "shared"
    return folder if folder.is_dir() else None
