"""A whole running visearch for tests: real processes, own port, own Redis, own folder."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import signal
import subprocess
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import databases
from PIL import Image, ImageDraw

from visearch.cli.client import Client, until
from visearch.cli.own_system import OwnSystem, free_port

__all__ = [
    "System", "archive", "borrow_graphs", "eventually", "free_port", "lend_graphs", "picture",
    "shared_data",
]  # fmt: skip
T = TypeVar("T")


def eventually(check: Callable[[], T], *, seconds: float = 30.0, what: str = "condition") -> T:
    """Return the first truthy result of ``check``; fail the test after ``seconds``."""
    return until(check, seconds, what, every_s=0.05)


class System(OwnSystem):
    """A system of a test's own, and short ways to use it."""

    def __init__(self, home: Path, **settings: str) -> None:
        super().__init__(home, **(databases.settings() | settings))
        self.http = self.open_http()

    def start(self) -> System:
        """Start everything and wait for ``ready``."""
        borrow_graphs(self.home)
        super().start()
        lend_graphs(self.home)
        return self

    def stop(self) -> int:
        """Stop as Ctrl-C does; returns the exit status."""
        self.http.close()
        return super().stop()

    @property
    def api(self) -> Client:
        """The client of the API over ``http``."""
        return Client(self.http)

    def query(self, sql: str, *arguments: object) -> list[tuple[Any, ...]]:
        """Ask the database itself; each ``?`` stands for an argument."""
        return databases.query(self.settings.database, sql, *arguments)

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
        return subprocess.run(
            [self.command, *arguments],
            env=self.env, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    def create_catalog(self, name: str, **settings: Any) -> str:
        """Create a catalog; returns its name."""
        self.api.ensure_catalog(name, **settings)
        return name

    def upload(
        self, catalog: str, archive: bytes, *, mode: str = "upsert", media: str = "application/zip"
    ) -> dict[str, Any]:
        """Upload an archive; returns the accepted import."""
        return self.api.upload(catalog, archive, mode=mode, media=media)

    def read_import(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """Return an import as it stands."""
        return self.api.read_import(record)

    def finish(self, record: Mapping[str, Any], *, seconds: float = 120.0) -> dict[str, Any]:
        """Wait for an import's end and check its books; returns it."""
        done = self.api.finished_import(record, seconds, every_s=0.05)
        counts = done["counts"]
        assert counts["items"] == counts["searchable"] + counts["failed"], counts
        return done

    def items(self, record: Mapping[str, Any], **params: Any) -> list[dict[str, Any]]:
        """Return the ledger of an import (all of it, by pages)."""
        return list(self.api.items(record, **params))

    def search(self, picture: bytes, catalog: str, **fields: Any) -> dict[str, Any]:
        """Search by picture and wait for the terminal state."""
        return self.api.search(picture, catalog=catalog, **fields)


def borrow_graphs(home: Path) -> None:
    """Give a home what others of the same run of pytest have exported of an encoder.

    The first one exports it as a user's does; for each of the others it would take most of
    the start.
    """
    shared = _shared_graphs(home)
    if shared is not None and shared.is_dir():
        shutil.copytree(shared, home / "cache" / "graphs", dirs_exist_ok=True)


def lend_graphs(home: Path) -> None:
    """Leave to the others what this home has exported, if it is the first."""
    graphs, shared = home / "cache" / "graphs", _shared_graphs(home)
    if shared is not None and graphs.is_dir() and not shared.exists():
        part = Path(tempfile.mkdtemp(dir=shared.parent))
        shutil.copytree(graphs, part, dirs_exist_ok=True)
        with contextlib.suppress(OSError):  # another process was first
            part.rename(shared)


def _shared_graphs(home: Path) -> Path | None:
    for folder in home.parents:
        if re.fullmatch(r"pytest-[0-9]+", folder.name):
            return folder / "graphs"
    return None


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
