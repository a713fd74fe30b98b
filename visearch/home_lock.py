"""The lock that lets one process at a time work in a VISEARCH_HOME."""

from __future__ import annotations

import fcntl
from collections import Counter
from io import TextIOWrapper
from pathlib import Path

from visearch import private
from visearch.errors import SettingsError

NAME = "up.lock"
_held: dict[Path, TextIOWrapper] = {}
_users: Counter[Path] = Counter()


def acquire(home: Path) -> None:
    """Take the folder for this process, which may take it several times.

    Raises:
        SettingsError: another process has it, or it cannot be written.
    """
    home = home.resolve()
    if home not in _held:
        _held[home] = _lock(home)
    _users[home] += 1


def release(home: Path) -> None:
    """Give the folder back, once for each :func:`acquire`."""
    home = home.resolve()
    _users[home] -= 1
    if not _users[home]:
        _held.pop(home).close()


def _lock(home: Path) -> TextIOWrapper:
    try:
        private.make_folder(home)
        file = (home / NAME).open("w")
    except OSError as error:
        raise SettingsError(
            f"Cannot write to {home} ({error.strerror}). Fix its permissions or set VISEARCH_HOME."
        ) from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.close()
        raise SettingsError(
            f"Another process runs visearch on {home}. Stop it, or set VISEARCH_HOME."
        ) from error
    return file
