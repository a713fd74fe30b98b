"""``visearch doctor``: everything a start needs, checked, one line each."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from obstore.exceptions import BaseError

from visearch import private
from visearch.cli import redis_server
from visearch.encoders.spec import resolve
from visearch.errors import SettingsError, VisearchError, first_line
from visearch.settings import Settings
from visearch.store.blobs import Blobs
from visearch.store.database import check_url
from visearch.store.redis.client import connect, server_time
from visearch.store.redis.presence import skew

PACKAGES = ("celery", "flask", "flask_openapi", "waitress", "jax", "flax", "scann")


@dataclass(frozen=True)
class Check:
    """One finding; ``detail`` says what to do when it is not ``ok``."""

    name: str
    ok: bool
    detail: str


def examine(settings: Settings) -> list[Check]:
    """Run every check; none raises."""
    checks: dict[str, Callable[[Settings], str]] = {
        "python": _python,
        "packages": _packages,
        "cpu": _cpu,
        "home": _home,
        "disk": _disk,
        "port": _port,
        "redis": _redis,
        "database": _database,
        "blobs": _blobs,
        "encoder": _encoder,
    }
    out = []
    for name, check in checks.items():
        try:
            out.append(Check(name, True, check(settings)))
        except VisearchError as error:
            out.append(Check(name, False, error.detail))
    return out


def require(settings: Settings) -> None:
    """Raise SettingsError with the first thing that is wrong."""
    for check in examine(settings):
        if not check.ok:
            raise SettingsError(f"{check.name}: {check.detail}")


def _python(_: Settings) -> str:
    version = sys.version_info
    if not (3, 11) <= version[:2] <= (3, 13):
        raise SettingsError(
            f"Python {platform.python_version()} is not supported. Install Python 3.11 to 3.13."
        )
    return platform.python_version()


def _packages(_: Settings) -> str:
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise SettingsError(
            f"The packages {', '.join(missing)} are missing. "
            "Run `pip install -c constraints.txt '.[all]'` in visearch's source folder."
        )
    return f"{len(PACKAGES)} found"


def _cpu(_: Settings) -> str:
    machine = platform.machine()
    if machine not in ("x86_64", "AMD64"):
        raise SettingsError(f"ScaNN has no build for {machine}. Use an x86-64 machine.")
    cpuinfo = Path("/proc/cpuinfo")
    flags = cpuinfo.read_text().split() if cpuinfo.is_file() else ["avx2", "fma"]
    if not {"avx2", "fma"} <= set(flags):
        raise SettingsError("This CPU lacks AVX2 or FMA, which the index needs. Use a newer one.")
    return f"{machine}, {os.cpu_count()} cores"


def _home(settings: Settings) -> str:
    home = settings.home.resolve()
    try:
        private.make_folder(home)
        probe = home / ".probe"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise SettingsError(
            f"Cannot write to {home} ({error.strerror}). Fix its permissions or set VISEARCH_HOME."
        ) from error
    return str(home)


def _disk(settings: Settings) -> str:
    home = settings.home.resolve()
    existing = next(folder for folder in (home, *home.parents) if folder.is_dir())
    free = shutil.disk_usage(existing).free
    if free < settings.disk_reserve_bytes:
        raise SettingsError(
            f"Only {free >> 20} MiB are free for {home}. Make room for "
            f"{settings.disk_reserve_bytes >> 20} MiB at least (VISEARCH_DISK_RESERVE_BYTES)."
        )
    return f"{free >> 30} GiB free"


def _port(settings: Settings) -> str:
    settings.check_bind()
    with socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except PermissionError as error:
            raise SettingsError(
                f"Port {settings.port} needs more rights. Set VISEARCH_PORT above 1023."
            ) from error
        except OverflowError as error:
            raise SettingsError(
                f"There is no port {settings.port}. Set VISEARCH_PORT to 65535 or less."
            ) from error
        except OSError as error:
            raise SettingsError(
                f"Cannot listen on {settings.host}:{settings.port} ({error.strerror}). "
                "Stop what uses it or set VISEARCH_PORT."
            ) from error
    return f"{settings.host}:{settings.port} is free"


def _redis(settings: Settings) -> str:
    if not settings.redis_url:
        return f"embedded, {redis_server.find_binary()} on {settings.redis_socket}"
    try:
        ahead_s = time.time() - server_time(connect(settings.redis_url))
    except ValueError as error:
        raise SettingsError(
            f"VISEARCH_REDIS_URL is not a Redis URL: {first_line(error)}. Correct it."
        ) from error
    return f"answers; this machine's clock is {skew(ahead_s)} its own"


def _database(settings: Settings) -> str:
    if not settings.database_url:
        return "embedded, SQLite"
    check_url(settings.database_url)
    return "answers"


def _blobs(settings: Settings) -> str:
    if not settings.blobs_url:
        return "embedded, a folder"
    try:
        Blobs(settings.blobs_url, settings.home / "cache").exists("doctor")
    except (ValueError, BaseError, OSError) as error:
        reason = first_line(error)
        raise SettingsError(f"VISEARCH_BLOBS_URL cannot be used: {reason}. Correct it.") from error
    return "answers"


def _encoder(settings: Settings) -> str:
    return resolve(settings.encoder).fingerprint
