"""A running visearch of a benchmark's own, in a temporary folder that goes with it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from visearch.cli.own_system import OwnSystem

__all__ = ["OwnSystem", "own_system"]


@contextmanager
def own_system(**settings: str) -> Iterator[OwnSystem]:
    """Start a system with these settings, wait until it is ready, stop and delete it."""
    with tempfile.TemporaryDirectory(prefix="visearch-bench-", ignore_cleanup_errors=True) as where:
        system = OwnSystem(Path(where) / "home", **settings)
        system.start()
        try:
            yield system
        finally:
            system.stop()
