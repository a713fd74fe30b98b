"""Folders and files that only this user may read: a catalog is its owner's."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from visearch.errors import SettingsError

OTHERS = 0o077
"""The permissions that nobody else gets."""


def keep() -> None:
    """Give nobody else permissions to whatever this process, and its children, will make."""
    os.umask(OTHERS)


def make_folder(folder: Path) -> None:
    """Make a folder of this user's own, if it is missing; raises OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def close_folder(folder: Path) -> bool:
    """Take others' permissions from a folder of this user; False if there was nothing to take.

    A folder of another user is left as it is: who made it decides who shares it.
    """
    found = folder.stat()
    if found.st_uid != os.geteuid() or not found.st_mode & OTHERS:
        return False
    folder.chmod(stat.S_IMODE(found.st_mode) & ~OTHERS)
    return True


def create_file(path: Path) -> None:
    """Make an empty file of this user's own, if it is missing; raises OSError."""
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))


def own_folder(folder: Path, remedy: str) -> Path:
    """Return a folder in a place where everybody may write; makes it if it is missing.

    Raises:
        SettingsError: someone else owns it, has rights to it, or it is no folder; ends with
            ``remedy``.
    """
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise SettingsError(
            f"Cannot make the folder {folder} ({error.strerror}). {remedy}"
        ) from error
    if not stat.S_ISDIR(found.st_mode):
        problem = "is not a folder"
    elif found.st_uid != os.geteuid():
        problem = f"belongs to the user with the number {found.st_uid}"
    elif found.st_mode & OTHERS:
        problem = f"is open to other users (mode {stat.S_IMODE(found.st_mode):03o})"
    else:
        return folder
    raise SettingsError(f"{folder} {problem}. {remedy}")
