"""Local blobs: whole or absent, private, and what a fault of the disk is called."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from visearch.errors import DependencyBroken, DependencyUnavailable, NotFound, VisearchError
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
