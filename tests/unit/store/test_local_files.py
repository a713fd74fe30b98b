"""Local blobs: whole or absent, private, and what a fault of the disk is called."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from visearch.errors import (
    BlobDamaged,
    DependencyBroken,
    DependencyUnavailable,
    NotFound,
    VisearchError,
)
from visearch.store.local_files import LocalFiles


@pytest.fixture
def files(tmp_path: Path) -> LocalFiles:
    return LocalFiles(tmp_path / "blobs")


def test_only_this_user_reads_them(files: LocalFiles) -> None:
    files.put("pictures/x", b"x")
    paths = [files.root, files.root / "pictures", files.root / "pictures" / "x"]
    assert [oct(path.stat().st_mode & 0o777) for path in paths] == ["0o700", "0o700", "0o600"]


def test_nothing_partial_is_left(files: LocalFiles) -> None:
    def broken() -> object:
        yield b"x"
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        files.put("uploads/x", broken())
    assert list(files.list("uploads")) == list(files.list("partial")) == []


def test_a_store_that_is_not_mounted_is_not_written_beside(files: LocalFiles) -> None:
    files.put("pictures/x", b"x")
    files.root.rename(files.root.with_name("elsewhere"))
    for attempt in (
        lambda: files.get("pictures/x"),
        lambda: files.put("pictures/x", b"y"),
        lambda: files.sync(["pictures/x"]),
    ):
        with pytest.raises(DependencyUnavailable, match="is missing") as caught:
            attempt()
        assert caught.value.dependency == "blob store"
    assert not files.root.exists()


def test_syncing_what_is_missing_is_an_error(files: LocalFiles) -> None:
    with pytest.raises(NotFound):
        files.sync(["pictures/none"])


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOSPC, DependencyUnavailable),
        (errno.EMFILE, DependencyUnavailable),
        (errno.ESTALE, DependencyUnavailable),
        (errno.EACCES, DependencyBroken),
        (errno.EROFS, DependencyBroken),
        (errno.EIO, DependencyBroken),
    ],
)
def test_faults_that_pass_are_told_from_those_that_last(
    files: LocalFiles, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[VisearchError]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(kind, match=os.strerror(number)):
        files.put("pictures/x", b"x")


def read_file(files: LocalFiles, size: int) -> bytes:
    with files.open("pictures/x") as file:
        return file.read(size)


@pytest.mark.parametrize(
    "read",
    [
        lambda files: files.get("pictures/x"),
        lambda files: files.get_range("pictures/x", 0, 5),
        lambda files: read_file(files, -1),
        lambda files: read_file(files, 5),
    ],
)
def test_a_blob_that_cannot_be_read_is_damaged(
    files: LocalFiles, read: Callable[[LocalFiles], object]
) -> None:
    """One bad sector is one blob's fault; the blob can still be moved out of the way."""
    files.put("pictures/y", b"y")
    (files.root / "pictures" / "x").symlink_to("/proc/self/mem")  # reading there is EIO
    with pytest.raises(BlobDamaged, match=r"pictures/x cannot be read: .*Input/output error"):
        read(files)
    files.move("pictures/x", "damaged/pictures/x")
    assert [name for name, _ in files.list("pictures")] == ["pictures/y"]


def test_what_is_moved_has_the_time_of_the_move(files: LocalFiles) -> None:
    """The operator has all of its time to look at it."""
    files.put("pictures/x", b"x")
    os.utime(files.root / "pictures" / "x", (1, 1))
    files.move("pictures/x", "damaged/pictures/x")
    assert files.modified("damaged/pictures/x") > time.time() - 60
    with pytest.raises(NotFound):
        files.move("pictures/x", "damaged/pictures/x")


def test_only_what_is_old_when_it_is_deleted_is_deleted(
    files: LocalFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    def put_old() -> None:
        files.put("pictures/x", b"x")
        os.utime(files.root / "pictures" / "x", (1, 1))

    put_old()
    assert files.delete_old("pictures/x", 60)
    assert files.delete_old("pictures/x", 60), "it is gone all the same"
    files.put("pictures/x", b"x")
    assert not files.delete_old("pictures/x", 60)
    put_old()
    rename = Path.rename

    def late(path: Path, target: Path) -> Path:
        monkeypatch.undo()
        files.put("pictures/x", b"x")  # by another process, after the look and before the move
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", late)
    assert not files.delete_old("pictures/x", 60)
    assert files.get("pictures/x") == b"x" and list(files.list("partial")) == []
