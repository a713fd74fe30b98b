"""Backing up: a consistent copy of SQLite and of the blobs that it names, while everything runs.

The database first: blobs never change, and what a snapshot names is purged only days later.
Generations come next, because they are purged soonest. Decoded chunks are left out; a chunk
without them is decoded again from its upload.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, TextIO

from visearch import __version__
from visearch.errors import (
    BlobDamaged,
    Conflict,
    DependencyBroken,
    GenerationCorrupt,
    InvalidRequest,
    NotFound,
    SettingsError,
    first_line,
)
from visearch.index import manifest
from visearch.index.aside import aside, flush
from visearch.settings import Settings
from visearch.store import mark, named, retention
from visearch.store.blobs import Blobs, generation_place
from visearch.store.database import Database, sqlite_file
from visearch.upkeep import sums
from visearch.upkeep.sums import Description, Flaw

READ_BYTES = 1 << 20


def back_up(settings: Settings, folder: Path) -> Description:
    """Write a backup as ``folder``, which must not exist; it appears when all of it is on disk.

    What should be in it and is missing or damaged is named in the description.

    Raises:
        SettingsError: the database or the blobs are not local.
        NotFound: there is no database yet.
        Conflict: ``folder`` exists.
        InvalidRequest: it cannot be written.
        DependencyUnavailable: the database or the blob store does not answer.
        DependencyBroken: the database is damaged.
    """
    source = local_database(settings)
    if not source.exists():
        raise NotFound(f"There is no database {source}. Check VISEARCH_HOME.")
    if folder.exists():
        raise Conflict(f"{folder} exists. Name a folder that does not.")
    try:
        with aside(folder) as part:
            part.chmod(0o700)
            description = _Copy(settings, part).run()
            flush(part)
    except OSError as error:
        raise InvalidRequest(
            f"Cannot write {folder}: {first_line(error)}. Make room or name another folder."
        ) from error
    return description


def local_database(settings: Settings) -> Path:
    """Return the file of the database.

    Raises:
        SettingsError: the database or the blobs are not local, so other tools must copy them.
    """
    file = sqlite_file(settings.database)
    if file is None:
        raise SettingsError(
            "The database is PostgreSQL, and `visearch backup` copies SQLite only. Use pg_dump and "
            "pg_restore, then copy the blob store; docs/operations.md says in which order."
        )
    if not settings.blobs.startswith("file://"):
        raise SettingsError(
            "The blobs are in an object store, and `visearch backup` copies local ones only. Use "
            "the store's own replication or versions; docs/operations.md says in which order."
        )
    return file


class _Copy:
    """One backup on its way into ``folder``."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._settings, self._folder = settings, folder
        self._blobs = Blobs(settings.blobs, settings.home / "cache")
        self._missing: list[Flaw] = []
        self._counts: Counter[str] = Counter()
        self._bytes = 0

    def run(self) -> Description:
        database = Database(self._settings.database)
        database.copy_to(self._folder / sums.DATABASE)
        database.close()
        self._make_ends_final()
        with (self._folder / sums.SUMS).open("w", encoding="utf-8") as self._sums:
            self._copy_named()
            self._copy_weights()
            self._note(sums.DATABASE, *_digest(self._folder / sums.DATABASE))
        description = Description(
            version=__version__,
            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
            counts=dict(sorted(self._counts.items())),
            bytes=self._bytes,
            missing=self._missing,
            sums=_digest(self._folder / sums.SUMS)[0],
        )
        sums.write(self._folder, description)
        return description

    _sums: TextIO

    def _make_ends_final(self) -> None:
        """Let nobody retry, from the copy, the imports that have ended.

        What was uploaded for them is not copied: only what is searchable, and what goes on.
        """
        snapshot = Database(f"sqlite:///{self._folder / sums.DATABASE}")
        with snapshot.write() as connection:
            retention.make_all_final(connection)
        snapshot.close()

    def _copy_named(self) -> None:
        snapshot = Database(f"sqlite:///{self._folder / sums.DATABASE}")
        with snapshot.read() as connection:
            for name, shards in named.generation_shards(connection, manifest.FORMAT).items():
                for shard in range(shards):
                    self._copy_generation(generation_place(name, shards, shard))
            if (sign := mark.find(connection)) is not None:
                self._copy_blob(sign)
            for upload in named.uploads(connection):
                self._copy_blob(upload)
            for name in named.digests(connection):
                self._copy_blob(name, expected=name.partition("/")[2])
        snapshot.close()

    def _copy_generation(self, place: str) -> None:
        """Copy a generation's folder; its manifest comes last and says what the others are."""
        with self._noting(place):
            found = sorted(self._blobs.list(place), key=lambda name: name.endswith(manifest.NAME))
            if not found:
                raise NotFound("it is missing")
            digests = {name: self._copy(name)[0] for name in found}
            said = manifest.read_manifest(self._folder / place).files
            wrong = [n for n, file in said.items() if digests.get(f"{place}/{n}") != file.sha256]
            if wrong:
                raise BlobDamaged(f"{', '.join(wrong)} changed or went missing")
            for name, digest in digests.items():
                self._note(name, digest, (self._folder / name).stat().st_size)

    def _copy_blob(self, name: str, expected: str | None = None) -> None:
        with self._noting(name):
            digest, size = self._copy(name)
            if expected not in (None, digest):
                raise BlobDamaged("it is not what its name says")
            self._note(name, digest, size)

    def _copy_weights(self) -> None:
        """Copy the pulled weights: without its encoder a catalog cannot be searched by picture."""
        home = self._settings.home
        for path in sorted((home / sums.WEIGHTS).rglob("*")):
            if path.is_file():
                name = path.relative_to(home).as_posix()
                with path.open("rb") as source:
                    self._note(name, *self._write(name, pieces(source)))

    @contextmanager
    def _noting(self, name: str) -> Iterator[None]:
        """Note what is wrong with a blob, and leave nothing of it in the backup."""
        try:
            yield
        except (NotFound, BlobDamaged, GenerationCorrupt, DependencyBroken) as error:
            self._missing.append(Flaw(name, error.detail))
            target = self._folder / name
            for left in [*target.rglob("*"), target] if target.exists() else ():
                if left.is_file():
                    left.unlink()

    def _copy(self, name: str) -> tuple[str, int]:
        with self._blobs.open(name) as source:
            return self._write(name, pieces(source))

    def _write(self, name: str, data: Iterable[bytes]) -> tuple[str, int]:
        target, digest, size = self._folder / name, hashlib.sha256(), 0
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with target.open("xb") as out:
            for piece in data:
                digest.update(piece)
                size += out.write(piece)
        return digest.hexdigest(), size

    def _note(self, name: str, digest: str, size: int) -> None:
        self._sums.write(sums.line(name, digest))
        self._counts[name.partition("/")[0]] += 1
        self._bytes += size


def pieces(source: BinaryIO) -> Iterator[bytes]:
    """Yield the bytes of a file; raises BlobDamaged where the disk does not give them back."""
    while True:
        try:
            piece = source.read(READ_BYTES)
        except OSError as error:
            raise BlobDamaged(f"it cannot be read: {first_line(error)}") from error
        if not piece:
            return
        yield piece


def _digest(path: Path) -> tuple[str, int]:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest(), file.tell()
