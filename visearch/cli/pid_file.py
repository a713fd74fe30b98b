"""``HOME/pids``: one ``name pid`` line per process, for operators, tests and the next ``up``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from visearch.errors import SettingsError


class PidFile:
    """The file of one home. That it cannot be written is told once, and stops nobody."""

    def __init__(self, home: Path, tell: Callable[[str], None]) -> None:
        self._home, self._path, self._tell = home, home / "pids", tell
        self._failing = False

    def write(self, pids: Mapping[str, int]) -> None:
        """Let the file hold these processes, by name."""
        text = "".join(f"{name} {pid}\n" for name, pid in pids.items())
        try:
            if not self._path.exists() or self._path.read_text() != text:
                part = self._path.with_suffix(".part")
                part.write_text(text)
                part.replace(self._path)
        except OSError as error:
            if not self._failing:
                self._tell(f"cannot write {self._path} ({error.strerror}); going on without it")
            self._failing = True
        else:
            self._failing = False

    def remove(self) -> None:
        """Remove the file: no process is left."""
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:
            self._tell(f"cannot remove {self._path} ({error.strerror})")

    def left_over(self) -> list[int]:
        """Return the processes that a killed supervisor of this home left behind.

        Raises:
            SettingsError: the file cannot be read.
        """
        try:
            lines = self._path.read_text().splitlines() if self._path.exists() else []
        except OSError as error:
            raise SettingsError(
                f"Cannot read {self._path} ({error.strerror}). Stop the processes of a former "
                "`visearch up`, if any are left, and remove it."
            ) from error
        mark, found = f"VISEARCH_HOME={self._home.resolve()}".encode(), []
        for line in lines:
            pid = int(line.split()[1])
            try:
                ours = mark in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
            except OSError:
                continue  # gone, or another user's
            if ours:
                found.append(pid)
        return found
