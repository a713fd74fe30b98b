"""Scratch folders that end with their process, even a killed one: the next to come removes them."""

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
    """Yield a new folder inside ``workshop``, which is made if need be; removes it at the end.

    First removes what dead processes of this machine left there. A lock tells them from those
    at work, however long these take: the system gives up a process's locks when it dies.
    """
    workshop.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        with _locked(workshop):  # nobody looks between a folder's making and its locking
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
