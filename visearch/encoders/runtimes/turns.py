"""One process at a time, of all that share a folder of caches."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path


@contextmanager
def alone(folder: Path | None, key: str) -> Iterator[None]:
    """Wait for other processes that do ``key``: two at once would keep every core busy.

    Where there is no folder, or it cannot be written, each does it for itself.
    """
    with ExitStack() as held:
        if folder is not None:
            with suppress(OSError):  # whoever writes there will say why
                folder.mkdir(parents=True, exist_ok=True)
                lock = held.enter_context((folder / f".{key}.lock").open("w"))
                fcntl.flock(lock, fcntl.LOCK_EX)
        yield
