"""Build a folder beside its final place, flush it, and rename it when it is complete."""

from __future__ import annotations

import contextlib
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def aside(folder: Path) -> Iterator[Path]:
    """Yield a new hidden sibling that becomes ``folder`` unless the block raises."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = folder.parent / f".{folder.name}.{uuid.uuid4().hex}.partial"
    part.mkdir()
    try:
        yield part
        part.rename(folder)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    _sync(folder.parent)


def file_names(folder: Path) -> list[str]:
    """Return the paths, relative to ``folder``, of everything in it but directories."""
    paths = (path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
    return sorted({path.relative_to(folder).as_posix() for path in paths})


def flush(folder: Path) -> None:
    """Flush every file and directory of ``folder`` to disk."""
    for path in (*folder.rglob("*"), folder):
        _sync(path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
