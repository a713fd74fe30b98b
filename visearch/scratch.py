"""Scratch folders that go with their process; the next process removes what a killed one left."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path


@contextmanager
def scratch(workshop: Path) -> Iterator[Path]:
    """Make ``workshop`` if it is missing, yield a new folder in it and remove that at the end.

    First removes the folders that dead processes of this machine left there. Each folder in use is
    locked, and the system releases a process's locks when it dies.
    """
    workshop.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        with _locked(workshop):  # no other process looks before the new folder is locked
            for left in workshop.iterdir():
                _remove_abandoned(left)
            folder = Path(tempfile.mkdtemp(dir=workshop))
            held.enter_context(_locked(folder))
        held.callback(shutil.rmtree, folder, ignore_errors=True)
        yield folder


@contextmanager
def _locked(folder: Path, how: int = fcntl.LOCK_EX) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, how)
        yield
    finally:
        os.close(descriptor)


def _remove_abandoned(folder: Path) -> None:
    try:
        with _locked(folder, fcntl.LOCK_EX | fcntl.LOCK_NB):
            shutil.rmtree(folder, ignore_errors=True)
    except (BlockingIOError, FileNotFoundError):  # in use, or its owner has just removed it
        pass
