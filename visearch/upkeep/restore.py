"""Restoring a backup into an empty home."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from visearch import home_lock, private
from visearch.errors import BackupDamaged, Conflict, InvalidRequest, first_line
from visearch.settings import Settings
from visearch.store.blobs import Blobs, local_folder
from visearch.store.database import Database
from visearch.store.migrate import migrate
from visearch.upkeep import sums
from visearch.upkeep.backup import local_database, pieces
from visearch.upkeep.sums import Description

SYNCED = 1000
"""Blobs that are made durable together."""


def restore(settings: Settings, folder: Path) -> Description:
    """Put a backup into the home of these settings, once every byte of it has been checked.

    The database comes last, so that what was interrupted is never taken for a whole system.

    Raises:
        BackupDamaged: a file of the backup is missing or was changed; nothing is written then.
        Conflict: the home, or the place of the database or of the blobs, is not empty.
        SettingsError: the database or the blobs are not local, the backup is of a newer version,
            or another process uses the home.
        InvalidRequest: the home cannot be written.
    """
    database = local_database(settings)
    blobs = local_folder(settings.blobs)
    _require_empty(settings.home, database, blobs)
    description = sums.verify(folder)
    home_lock.acquire(settings.home)
    try:
        _require_empty(settings.home, database, blobs)
    except Conflict:
        home_lock.release(settings.home)
        raise
    try:
        fresh = _migrated(folder / sums.DATABASE, database)
        _put_all(settings, folder)
        fresh.rename(database)
        _sync(database.parent)
    except OSError as error:
        _clear(settings.home, database, blobs)
        raise InvalidRequest(
            f"Cannot write {settings.home}: {first_line(error)}. Make room or name another home."
        ) from error
    except BaseException:
        _clear(settings.home, database, blobs)
        raise
    finally:
        home_lock.release(settings.home)
    return description


def _require_empty(home: Path, database: Path, blobs: Path) -> None:
    for folder, setting in ((home, "VISEARCH_HOME"), (blobs, "VISEARCH_BLOBS_URL")):
        for path in folder.glob("*"):
            if path.name != home_lock.NAME:
                raise Conflict(
                    f"{folder.resolve()} is not empty: there is {path.name}. Set {setting} to a "
                    "folder that is empty or does not exist."
                )
    for path in (database, *_beside(database)):
        if path.exists():
            raise Conflict(
                f"{path} exists. Set VISEARCH_DATABASE_URL to a file that does not, or remove it."
            )


def _beside(database: Path) -> list[Path]:
    """Return the files that a restore makes before the database: the last thing is its name."""
    fresh = _fresh(database)
    return [fresh, *(fresh.with_name(fresh.name + end) for end in ("-wal", "-shm", "-journal"))]


def _fresh(database: Path) -> Path:
    return database.with_name(f"{database.name}.restoring")


def _migrated(source: Path, database: Path) -> Path:
    """Copy a database beside its place and bring it to this version's schema; returns the copy."""
    fresh = _fresh(database)
    private.make_folder(database.parent)
    private.create_file(fresh)
    shutil.copyfile(source, fresh)
    opened = Database(f"sqlite:///{fresh}")
    migrate(opened)
    opened.close()  # the last connection also ends the write-ahead log
    _sync(fresh)
    return fresh


def _put_all(settings: Settings, folder: Path) -> None:
    blobs = Blobs(settings.blobs, settings.home / "cache")
    waiting: list[str] = []
    for name, digest in sums.listed(folder):
        if name == sums.DATABASE:
            continue
        data = _checked(folder / name, digest)
        if name.startswith(f"{sums.WEIGHTS}/"):
            _put_file(settings.home / name, data)
            continue
        blobs.put(name, data, sync=False)
        waiting.append(name)
        if len(waiting) == SYNCED:
            blobs.sync(waiting)
            waiting.clear()
    blobs.sync(waiting)


def _put_file(path: Path, data: Iterator[bytes]) -> None:
    private.make_folder(path.parent)
    private.create_file(path)
    with path.open("wb") as out:
        out.writelines(data)
    _sync(path)


def _checked(path: Path, digest: str) -> Iterator[bytes]:
    """Yield a file's bytes; raises BackupDamaged at their end if they are not the listed ones."""
    found = hashlib.sha256()
    with path.open("rb") as source:
        for piece in pieces(source):
            found.update(piece)
            yield piece
    if found.hexdigest() != digest:
        raise BackupDamaged(f"{path} changed while it was restored. Use another backup.")


def _clear(home: Path, database: Path, blobs: Path) -> None:
    """Remove what an unfinished restore has put into places that were empty."""
    for path in [database, *_beside(database), *home.glob("*"), *blobs.glob("*")]:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
