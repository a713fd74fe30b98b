"""A backup taken while everything runs, and the system that comes back from it."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from system import System, archive, eventually, picture

from visearch.errors import Conflict, VisearchError
from visearch.settings import Settings
from visearch.upkeep.restore import restore

KEPT, GROWING = 40, 160
LIVE = """
    SELECT DISTINCT c.name, p.external_id FROM images i
    JOIN catalogs c ON c.pk = i.catalog_pk JOIN products p ON p.pk = i.product_pk
    WHERE i.removed IS NULL
"""


class Taken(NamedTuple):
    """A backup, what the command said of it, and the products it holds."""

    folder: Path
    said: dict[str, Any]
    products: set[tuple[str, str]]


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A running system whose catalogs get generations early."""
    home = tmp_path_factory.mktemp("up") / "home"
    running = System(home, chunk_items="8", compact_min="10").start()
    yield running
    assert running.stop() == 0, running.output()


@pytest.fixture(scope="module")
def taken(system: System, tmp_path_factory: pytest.TempPathFactory) -> Taken:
    """A backup that was taken while an import ran and products were deleted."""
    system.finish(system.upload(system.create_catalog("kept"), pictures(KEPT)))
    broken = b"no picture"
    system.finish(system.upload("kept", archive([("broken.jpg", broken)])))
    files = {"image": ("broken.jpg", broken)}
    system.finish(system.http.put("/v1/catalogs/kept/products/broken", files=files).json())
    state = "/v1/catalogs/kept"
    eventually(lambda: system.http.get(state).json()["index"], what="a generation")
    record = system.upload(system.create_catalog("growing"), pictures(GROWING))
    eventually(lambda: system.read_import(record)["counts"]["searchable"] >= 8, what="products")

    def delete() -> None:
        for number in range(0, KEPT, 2):
            system.api.call("DELETE", f"/v1/catalogs/kept/products/{number}")

    deleting = threading.Thread(target=delete)
    deleting.start()
    folder = tmp_path_factory.mktemp("backups") / "monday"
    assert system.read_import(record)["finished_at"] is None, "over already; make it longer"
    done = system.cli("backup", str(folder), "--json")
    deleting.join()
    assert done.returncode == 0, done.stdout + done.stderr
    system.finish(record)
    with closing(sqlite3.connect(f"file:{folder}/visearch.db?immutable=1", uri=True)) as database:
        products = {(str(catalog), str(id)) for catalog, id in database.execute(LIVE)}
    return Taken(folder, json.loads(done.stdout), products)


def pictures(n: int) -> bytes:
    return archive((f"{i}.jpg", picture(i, side=96)) for i in range(n))


def verify(system: System, folder: Path) -> subprocess.CompletedProcess[str]:
    return system.cli("backup", str(folder), "--verify")


def test_a_backup_is_complete_and_private(system: System, taken: Taken) -> None:
    said, folder = taken.said, taken.folder
    assert (said["complete"], said["missing"]) == (True, [])
    assert said["counts"]["pictures"] >= 8 and said["counts"]["generations"] >= 4
    assert said["counts"]["uploads"] == 1
    assert verify(system, folder).returncode == 0
    check = ["sha256sum", "--check", "--quiet", "--strict", "SHA256SUMS"]
    subprocess.run(check, cwd=folder, check=True)
    everything = [folder, *folder.rglob("*")]
    assert not [path for path in everything if path.stat().st_mode & 0o077]
    files = {path.relative_to(folder).as_posix() for path in everything if path.is_file()}
    assert len(files) == sum(said["counts"].values()) + 2
    again = system.cli("backup", str(folder))
    assert again.returncode == 1 and "exists. Name a folder that does not" in again.stderr


@pytest.mark.parametrize(
    "name", ["visearch.db", "SHA256SUMS", "backup.json", "pictures/*", "generations/*/codes.npy"]
)
def test_one_flipped_byte_is_found_and_refused(
    system: System, taken: Taken, tmp_path: Path, name: str
) -> None:
    path = next(taken.folder.glob(name))
    sound = path.read_bytes()
    at = len(sound) // 2
    path.write_bytes(sound[:at] + bytes([sound[at] ^ 1]) + sound[at + 1 :])
    fresh = System(tmp_path / "home")
    try:
        for done in (verify(system, taken.folder), fresh.cli("restore", str(taken.folder))):
            assert done.returncode == 1 and path.name in done.stderr, done.stdout + done.stderr
            assert len(done.stderr.splitlines()) == 1
        assert not fresh.home.exists()
    finally:
        path.write_bytes(sound)
        fresh.http.close()


def test_what_was_in_the_backup_is_found_again(taken: Taken, tmp_path: Path) -> None:
    fresh = System(tmp_path / "home", chunk_items="8")
    done = fresh.cli("restore", str(taken.folder), "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert [(each["catalog"], each["ok"]) for each in json.loads(done.stdout)["searched"]] == [
        ("growing", True),
        ("kept", True),
    ]
    again = fresh.cli("restore", str(taken.folder))
    assert again.returncode == 1 and "is not empty" in again.stderr
    fresh.start()
    try:
        (record,) = fresh.api.pages("/v1/catalogs/growing/imports")
        assert fresh.finish(record)["counts"]["searchable"] == GROWING
        kept = {id for catalog, id in taken.products if catalog == "kept"}
        listed = {each["id"] for each in fresh.api.pages("/v1/catalogs/kept/products")}
        assert KEPT // 2 <= len(kept) <= KEPT and listed == kept
        for catalog, ids in (("kept", kept), ("growing", {str(i) for i in range(GROWING)})):
            lost = [id for id in sorted(ids) if not finds(fresh, catalog, id)]
            assert lost == []
        assert fresh.http.get("/v1/system").json()["damaged"] == []
        for kind in ("file", "product"):
            ended = fresh.api.pages("/v1/catalogs/kept/imports", kind=kind)
            failed = next(each["id"] for each in ended if each["status"] == "failed")
            told = fresh.http.post(f"/v1/catalogs/kept/imports/{failed}/retry")
            assert (told.status_code, told.json()["code"]) == (410, "gone"), kind
    finally:
        assert fresh.stop() == 0, fresh.output()


def test_a_restore_writes_only_where_nothing_is_and_leaves_nothing_behind(
    taken: Taken, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "mine").write_bytes(b"of another system")
    home, database = tmp_path / "home", tmp_path / "files" / "visearch.db"
    settings = Settings(
        home=home, database_url=f"sqlite:///{database}", blobs_url=f"file://{elsewhere}"
    )
    with pytest.raises(Conflict, match=r"there is mine\. Set VISEARCH_BLOBS_URL"):
        restore(settings, taken.folder)
    assert not home.exists() and not database.parent.exists()
    beside_a_file = f"file://{elsewhere / 'mine' / 'blobs'}"
    with pytest.raises(VisearchError):
        restore(replace(settings, blobs_url=beside_a_file), taken.folder)
    assert list(database.parent.iterdir()) == [] == [*home.glob("[!.]*")]
    database.with_name("visearch.db.restoring").touch()
    free = replace(settings, blobs_url=f"file://{tmp_path / 'blobs'}")
    with pytest.raises(Conflict, match="restoring exists"):
        restore(free, taken.folder)
    database.with_name("visearch.db.restoring").unlink()
    restore(free, taken.folder)
    assert [path.name for path in database.parent.iterdir()] == ["visearch.db"]


def finds(system: System, catalog: str, id: str) -> bool:
    found = system.search(picture(int(id), side=96), catalog, limit=5)
    return id in {hit["product_id"] for hit in found["results"]}


def test_what_is_missing_or_damaged_is_named(system: System, taken: Taken, tmp_path: Path) -> None:
    pictures, folder = sorted((system.home / "blobs" / "pictures").iterdir()), tmp_path / "b"
    named = {path.name for path in (taken.folder / "pictures").iterdir()}
    gone, bad = [path for path in pictures if path.name in named][:2]
    sound = gone.read_bytes(), bad.read_bytes()
    gone.unlink()
    bad.write_bytes(b"something else")
    try:
        done = system.cli("backup", str(folder))
    finally:
        gone.write_bytes(sound[0])
        bad.write_bytes(sound[1])
    assert done.returncode == 1 and ": incomplete, " in done.stdout
    assert f"missing pictures/{gone.name}: The blob store has no" in done.stdout
    assert f"missing pictures/{bad.name}: it is not what its name says" in done.stdout
    checked = verify(system, folder)
    assert checked.returncode == 1 and gone.name in checked.stdout


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"database_url": "postgresql://nobody@127.0.0.1:1/x"}, "Use pg_dump"),
        ({"blobs_url": "s3://nowhere"}, "in an object store"),
        ({}, "There is no database"),
    ],
)
def test_what_cannot_be_backed_up_is_refused(
    tmp_path: Path, settings: dict[str, str], said: str
) -> None:
    system = System(tmp_path / "home", **settings)
    system.http.close()
    done = system.cli("backup", str(tmp_path / "b"))
    assert done.returncode == 1 and said in done.stderr, done.stderr
    assert not (tmp_path / "b").exists()
