"""Files, folders and URLs as streams whose length is known before they are read."""

from __future__ import annotations

import http.server
import io
import os
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from visearch.errors import VisearchError
from visearch.importing.sources import Source, opened


def silent(_count: int, _size: int | None) -> None:
    pass


def whole(source: Source) -> bytes:
    """Return all bytes of a source, which are as many as it says."""
    data = b"".join(source.pieces())
    assert len(data) == source.size
    return data


def unpacked(source: Source) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(whole(source))) as tar:
        files = {member.name: tar.extractfile(member) for member in tar}
        return {name: file.read() for name, file in files.items() if file}


NAMES = st.text(
    st.characters(codec="utf-8", exclude_characters="/\x00", exclude_categories=("Cc",)),
    min_size=1,
    max_size=60,
).filter(lambda name: name.strip(". ~") and not name.endswith(("~", ".part", ".tmp")))


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(NAMES, st.binary(max_size=2000), min_size=1, max_size=5))
def test_a_folder_is_a_tar_of_its_files(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]
) -> None:
    folder = tmp_path_factory.mktemp("folder")
    (folder / "in").mkdir()
    wanted = {}
    for at, (name, data) in enumerate(files.items()):
        relative = f"in/{at}{name}"
        if len(relative.encode()) < 200:
            (folder / relative).write_bytes(data)
            wanted[relative] = data
    if wanted:
        with opened(str(folder), silent) as source:
            assert source.media == "application/x-tar"
            assert unpacked(source) == wanted


def test_junk_and_what_is_no_file_stay_behind(tmp_path: Path) -> None:
    (tmp_path / ".DS_Store").write_bytes(b"x")
    (tmp_path / "@eaDir").mkdir()
    (tmp_path / "@eaDir" / "a.jpg").write_bytes(b"x")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "a.jpg").write_bytes(b"1")
    (tmp_path / "a.jpg").symlink_to(tmp_path / "b" / "a.jpg")
    (tmp_path / "lost.jpg").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe.jpg")
    with opened(str(tmp_path), silent) as source:
        assert unpacked(source) == {"a.jpg": b"1", "b/a.jpg": b"1"}


def test_a_name_of_unknown_encoding_and_a_very_long_one(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9.jpg")).write_bytes(b"1")
    deep = tmp_path / ("d" * 200) / ("e" * 200)
    deep.mkdir(parents=True)
    (deep / "ü.jpg").write_bytes(b"2")
    with opened(str(tmp_path), silent) as source:
        assert sorted(unpacked(source).values()) == [b"1", b"2"]


@pytest.mark.parametrize("now", [b"", b"1234", b"1" * 5000])
def test_a_file_that_changes_while_it_is_sent_is_said(tmp_path: Path, now: bytes) -> None:
    (tmp_path / "a.jpg").write_bytes(b"123")
    with opened(str(tmp_path), silent) as source:
        pieces = source.pieces()
        next(pieces)
        (tmp_path / "a.jpg").write_bytes(now)
        with pytest.raises(VisearchError, match=r"a\.jpg was changed while it was sent"):
            list(pieces)


def test_an_empty_folder_and_a_wrong_path_are_refused(tmp_path: Path) -> None:
    for named, said in ((tmp_path, "holds no files"), (tmp_path / "x", "no file or folder")):
        with pytest.raises(VisearchError, match=said), opened(str(named), silent):
            pass


@pytest.mark.parametrize(
    ("name", "media"), [("a.CSV", "text/csv"), ("a.zip", "application/zip"), ("a", None)]
)
def test_a_file_is_sent_as_it_is(tmp_path: Path, name: str, media: str | None) -> None:
    (tmp_path / name).write_bytes(b"1" * 3_000_000)
    with opened(str(tmp_path / name), silent) as source:
        assert source.media == (media or "application/octet-stream")
        assert whole(source) == whole(source) == b"1" * 3_000_000


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    """A web server of the files in a folder."""
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "list.csv").write_bytes(b"id,image\n" * 100)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(Quiet, directory=tmp_path)
    ) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_what_is_behind_a_url_is_fetched_first(site: str) -> None:
    heard: list[tuple[int, int | None]] = []
    with opened(f"{site}/shop/list.csv?day=1", lambda *all: heard.append(all)) as source:
        assert source.media == "text/csv" and whole(source) == b"id,image\n" * 100
    assert sum(count for count, _ in heard) == 900 and {size for _, size in heard} == {900}


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("{site}/none.csv", r"none\.csv answered 404"),
        ("http://127.0.0.1:1/a.csv", "cannot be fetched"),
        ("http://[::1/a.csv", "cannot be fetched"),
    ],
)
def test_a_url_that_leads_nowhere_is_refused(site: str, url: str, said: str) -> None:
    with pytest.raises(VisearchError, match=said), opened(url.format(site=site), silent):
        pass
