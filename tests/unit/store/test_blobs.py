"""Blobs: what is put comes back whole, by range, as a file, as a folder; misses are typed."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from visearch.errors import BlobDamaged, NotFound
from visearch.store.blobs import Blobs
from visearch.store.object_files import ObjectFiles, RangeReader


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(f"file://{tmp_path / 'a b%41'}".replace("%", "%25"), tmp_path / "cache")


def test_content_is_named_by_its_digest_and_written_once(blobs: Blobs) -> None:
    digest = blobs.put_digest("pictures", b"hello")
    assert digest == hashlib.sha256(b"hello").hexdigest()
    assert blobs.put_digest("pictures", b"hello") == digest
    assert blobs.get(f"pictures/{digest}") == b"hello"
    assert blobs.get_range(f"pictures/{digest}", 1, 3) == b"el"
    assert list(blobs.list("pictures")) == [f"pictures/{digest}"]


def test_a_stream_is_stored_whole(blobs: Blobs) -> None:
    blobs.put("uploads/x", (bytes([i]) * 1_000_000 for i in range(12)))
    assert blobs.size("uploads/x") == 12_000_000
    with blobs.open("uploads/x") as file:
        file.seek(11_999_999)
        assert file.read() == b"\x0b"


def test_a_stream_that_fails_leaves_no_blob(blobs: Blobs) -> None:
    def broken() -> object:
        yield b"x" * 1000
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        blobs.put("uploads/y", broken())
    assert not blobs.exists("uploads/y")


@pytest.mark.parametrize("read", ["get", "size", "open"])
def test_a_missing_blob_is_not_found(blobs: Blobs, read: str) -> None:
    with pytest.raises(NotFound, match="pictures/none"):
        getattr(blobs, read)("pictures/none")
    blobs.delete("pictures/none")  # already so


def test_folders_go_and_come(blobs: Blobs, tmp_path: Path) -> None:
    folder = tmp_path / "source"
    (folder / "deep").mkdir(parents=True)
    (folder / "manifest.json").write_text("{}")
    (folder / "deep" / "a").write_bytes(b"a")
    blobs.put_folder("generations/g", folder)
    local = blobs.local_folder("generations/g")
    assert (local / "deep" / "a").read_bytes() == b"a"
    blobs.delete_folder("generations/g")
    assert not list(blobs.list("generations/g"))
    with pytest.raises(NotFound):
        blobs.local_folder("generations/g")


def test_a_remote_folder_is_copied_once(tmp_path: Path) -> None:
    remote = Blobs("memory:///", tmp_path / "cache")
    remote.put("generations/g/manifest.json", b"{}")
    remote.put("generations/g/scann/x", b"x")
    local = remote.local_folder("generations/g")
    assert sorted(p.name for p in local.rglob("*") if p.is_file()) == ["manifest.json", "x"]
    assert remote.local_folder("generations/g") == local
    (local / "manifest.json").write_bytes(b"damaged")
    assert remote.forget_copy("generations/g")
    assert not remote.forget_copy("generations/g")
    assert (remote.local_folder("generations/g") / "manifest.json").read_bytes() == b"{}"
    with pytest.raises(NotFound):
        remote.local_folder("generations/none")


def test_copies_of_what_is_no_longer_named_are_dropped(tmp_path: Path) -> None:
    remote = Blobs("memory:///", tmp_path / "cache")
    remote.keep_copies("generations", ())
    for name in ("old", "new"):
        remote.put(f"generations/{name}/manifest.json", b"{}")
        remote.local_folder(f"generations/{name}")
    remote.keep_copies("generations", {"new", "elsewhere"})
    assert [p.name for p in (tmp_path / "cache" / "generations").iterdir()] == ["new"]
    assert remote.folders("generations") == {"new", "old"}


def test_folders_are_seen_before_they_are_whole(blobs: Blobs, tmp_path: Path) -> None:
    assert blobs.folders("generations") == set()
    blobs.put("generations/whole/scann/x", b"x")
    half = tmp_path / "a b%41" / "generations" / "half"
    half.mkdir()
    (half / "vectors.npy#1").write_bytes(b"as a killed writer leaves it")
    assert blobs.folders("generations") == {"half", "whole"}
    blobs.delete_folder("generations/half")
    assert not half.exists()


def test_a_zip_can_be_read_through_ranges(tmp_path: Path) -> None:
    remote = Blobs("memory:///", tmp_path / "cache")
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as file:
        for i in range(50):
            file.writestr(f"{i}.bin", bytes([i]) * 1000)
    remote.put("uploads/z", path.read_bytes())
    with remote.open("uploads/z") as source, zipfile.ZipFile(source) as file:
        assert file.read("49.bin") == bytes([49]) * 1000


@given(st.binary(max_size=200), st.lists(st.tuples(st.integers(0, 220), st.integers(0, 50))))
def test_the_range_reader_reads_like_a_file(data: bytes, steps: list[tuple[int, int]]) -> None:
    remote = ObjectFiles("memory:///")
    remote.put("x", data)
    reader = RangeReader(remote, "x")
    for at, n in steps:
        reader.seek(at)
        assert reader.read(n) == data[at : at + n]
        assert reader.tell() == max(at, min(at + n, len(data))) if at <= len(data) else True


@pytest.mark.parametrize("data", [b"", b"hell", b"hellO", b"hello, too long"])
def test_what_is_damaged_is_noticed_set_aside_and_repaired(blobs: Blobs, data: bytes) -> None:
    digest = blobs.put_digest("segments", b"hello")
    blobs.put(f"segments/{digest}", data)
    with pytest.raises(BlobDamaged, match=digest):
        blobs.get_digest("segments", digest)
    blobs.set_aside(f"segments/{digest}")
    assert blobs.get(f"damaged/segments/{digest}") == data
    with pytest.raises(NotFound):
        blobs.get_digest("segments", digest)
    blobs.put(f"segments/{digest}", data)
    assert blobs.put_digest("segments", b"hello") == digest
    assert blobs.get_digest("segments", digest) == b"hello"


@pytest.mark.parametrize(("start", "end"), [(3, 9), (5, 9), (7, 9)])
@pytest.mark.parametrize("remote", [False, True])
def test_a_range_past_the_end_is_what_there_is(
    blobs: Blobs, tmp_path: Path, remote: bool, start: int, end: int
) -> None:
    store = Blobs("memory:///", tmp_path / "cache") if remote else blobs
    store.put("uploads/x", b"hello")
    assert store.get_range("uploads/x", start, end) == b"hello"[start:end]


def test_only_what_is_old_is_deleted_from_a_remote_store(tmp_path: Path) -> None:
    remote = Blobs("memory:///", tmp_path / "cache")
    remote.put("pictures/x", b"x")
    assert not remote.delete_old("pictures/x", 60) and remote.exists("pictures/x")
    assert remote.delete_old("pictures/x", -60) and not remote.exists("pictures/x")
    assert remote.delete_old("pictures/x", 60), "it is gone all the same"


def test_a_remote_blob_is_set_aside_too(tmp_path: Path) -> None:
    remote = Blobs("memory:///", tmp_path / "cache")
    remote.put("segments/x", b"damaged")
    for _ in range(2):
        remote.set_aside("segments/x")
        assert not remote.exists("segments/x")
        assert remote.get("damaged/segments/x") == b"damaged"
