"""A decoder that falls over marked pictures, as one with a flaw would: Pillow has none at hand.

A Python that finds :data:`SOURCE` as ``sitecustomize.py`` on its path gets it.
"""

from __future__ import annotations

from pathlib import Path

KILLS, HANGS, EATS = b"visearch-test-kills", b"visearch-test-hangs", b"visearch-test-eats-memory"

SOURCE = f"""
import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import PathFinder


def _decode(original, data, *arguments, **options):
    import os, signal, time
    if {KILLS!r} in data:
        os.kill(os.getpid(), signal.SIGKILL)
    while {HANGS!r} in data:
        time.sleep(1)  # hang, as a decoder may, until the time limit kills it
    if {EATS!r} in data:
        raise MemoryError
    return original(data, *arguments, **options)


class _Patch(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name not in ("visearch.importing.decode", "visearch.images.order"):
            return None
        spec = PathFinder.find_spec(name, path, target)
        execute = spec.loader.exec_module

        def exec_module(module):
            execute(module)
            original = module.decode
            module.decode = lambda *a, **k: _decode(original, *a, **k)

        spec.loader.exec_module = exec_module
        return spec


sys.meta_path.insert(0, _Patch())
"""


def write(folder: Path, more: str = "") -> str:
    """Write the patch, and more code behind it, into a new folder; returns the folder's path."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(SOURCE + more)
    return str(folder)
