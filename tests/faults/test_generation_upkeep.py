"""A published generation: refused and built anew, left by a rollback, its copies forgotten."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from manual_system import ManualSystem
from stock import add, points
from system import eventually

from visearch.errors import Conflict
from visearch.index import Generation
from visearch.records import Catalog
from visearch.searching.indexes import Indexes, Snapshot, _open
from visearch.store import catalogs, generations, schema
from visearch.store.blobs import Blobs
from visearch.upkeep.compaction import compact_all
from visearch.upkeep.purge import purge

N = 60


@pytest.fixture
def manual(tmp_path: Path) -> ManualSystem:
    """A catalog of which every change makes a generation due."""
    manual = ManualSystem(tmp_path / "home", compact_min=1, compact_ratio=1e-6)
    manual.catalog("c")
    grow(manual, 0)
    assert compact_all(manual.backend) == ["c"]
    return manual


def grow(manual: ManualSystem, step: int) -> None:
    vectors = points(N, catalog(manual).dimension, seed=step)
    add(manual.database, manual.blobs, "c", {f"{step}-{i}": v for i, v in enumerate(vectors)})


def catalog(manual: ManualSystem) -> Catalog:
    with manual.database.read() as connection:
        return catalogs.get(connection, "c")


def roll_back(manual: ManualSystem) -> None:
    with manual.database.write() as connection:
        now = catalogs.get(connection, "c")
        catalogs.swap_generation(connection, now, generations.former(connection, now))


def served(manual: ManualSystem) -> Snapshot:
    """Return what a search worker serves that has just started."""
    return Indexes(manual.database, manual.blobs).get("c")


def file_of(manual: ManualSystem, name: str | None) -> Path:
    return manual.blobs.local_folder(f"generations/{name}") / "keys.npy"


def test_a_damaged_generation_is_built_anew(manual: ManualSystem) -> None:
    old = catalog(manual).generation
    assert served(manual).generation == old
    assert compact_all(manual.backend) == []
    file_of(manual, old).write_bytes(b"damaged")
    assert compact_all(manual.backend) == [], "nobody has met the damage"
    assert (served(manual).generation, served(manual).parts[0].size) == (None, N)
    assert compact_all(manual.backend) == ["c"]
    assert served(manual).generation == catalog(manual).generation != old
    assert compact_all(manual.backend) == []


def test_one_damaged_shard_is_enough(tmp_path: Path) -> None:
    manual = ManualSystem(tmp_path / "home", compact_min=1, compact_ratio=1e-6)
    manual.catalog("c")
    with manual.database.write() as connection:
        connection.execute(sa.update(schema.catalogs).values(shards=2))
    grow(manual, 0)
    assert compact_all(manual.backend) == ["c"]
    old = catalog(manual).generation
    whole = manual.blobs.local_folder(f"generations/{old}/1") / "keys.npy"
    keys = whole.read_bytes()
    for content, rebuilt in ((keys, []), (b"damaged", ["c"])):
        whole.write_bytes(b"damaged")
        seen = served(manual)
        assert seen.parts[0].base.manifest.id == old and seen.parts[1].base is None
        assert (seen.generation, sum(part.size for part in seen.parts.values())) == (None, N)
        whole.write_bytes(content)
        assert compact_all(manual.backend) == rebuilt
    assert served(manual).generation == catalog(manual).generation != old


def test_a_sound_generation_is_not_built_again_for_one_broken_machine(manual: ManualSystem) -> None:
    old = catalog(manual).generation
    whole = file_of(manual, old).read_bytes()
    file_of(manual, old).write_bytes(b"as that machine reads it")
    assert served(manual).generation is None
    file_of(manual, old).write_bytes(whole)
    assert compact_all(manual.backend) == []
    with manual.database.read() as connection:
        assert generations.suspects(connection) == []
    assert served(manual).generation == old == catalog(manual).generation


def test_a_rollback_lasts_until_there_is_more_to_build(manual: ManualSystem) -> None:
    old = catalog(manual).generation
    grow(manual, 1)
    assert compact_all(manual.backend) == ["c"]
    indexes = Indexes(manual.database, manual.blobs)
    indexes.refresh()
    roll_back(manual)
    indexes.refresh()
    for snapshot in (indexes.get("c"), served(manual)):
        assert (snapshot.generation, snapshot.parts[0].size) == (old, 2 * N)
    assert compact_all(manual.backend) == []
    purge(manual.backend)
    assert served(manual).generation == old
    grow(manual, 2)
    assert compact_all(manual.backend) == ["c"]
    assert served(manual).parts[0].base.manifest.count == 3 * N


def test_a_rollback_never_leads_to_what_was_refused(manual: ManualSystem) -> None:
    with pytest.raises(Conflict, match="no former index generation"):
        roll_back(manual)
    first = catalog(manual).generation
    grow(manual, 1)
    compact_all(manual.backend)
    damaged = catalog(manual).generation
    file_of(manual, damaged).write_bytes(b"damaged")
    assert served(manual).generation is None
    assert compact_all(manual.backend) == ["c"]
    purge(manual.backend)
    assert manual.blobs.folders("generations") == {first, catalog(manual).generation}
    roll_back(manual)
    assert served(manual).generation == first
    with pytest.raises(Conflict):
        roll_back(manual)


def test_a_pointer_to_nothing_is_repaired(manual: ManualSystem) -> None:
    """A rollback may meet the purge of the very generation it goes back to."""
    with manual.database.write() as connection:
        catalogs.swap_generation(connection, catalogs.get(connection, "c"), "purged")
    assert (served(manual).generation, served(manual).parts[0].size) == (None, N)
    assert compact_all(manual.backend) == ["c"]
    assert served(manual).generation == catalog(manual).generation


@pytest.fixture
def remote(tmp_path: Path) -> ManualSystem:
    """The same over a store that is no folder: generations are copied to be searched."""
    manual = ManualSystem(tmp_path / "home", compact_min=1, compact_ratio=1e-6)
    manual.backend.blobs = Blobs("memory:///", tmp_path / "cache")
    manual.catalog("c")
    grow(manual, 0)
    assert compact_all(manual.backend) == ["c"]
    return manual


def test_only_copies_of_what_is_served_are_kept(remote: ManualSystem, tmp_path: Path) -> None:
    indexes, copies = Indexes(remote.database, remote.blobs), tmp_path / "cache" / "generations"
    before = indexes.get("c")
    assert [copy.name for copy in copies.iterdir()] == [before.generation]
    grow(remote, 1)
    assert compact_all(remote.backend) == ["c"]
    indexes.refresh()
    after = indexes.get("c")
    assert [copy.name for copy in copies.iterdir()] == [after.generation] != [before.generation]
    (query,) = points(1, catalog(remote).dimension, seed=0)
    assert len(before.parts[0].search(query, 3)) == 3, "a search under way reads what it has open"


def test_a_damaged_copy_is_fetched_again_and_accuses_nobody(remote: ManualSystem) -> None:
    name = catalog(remote).generation
    file_of(remote, name).write_bytes(b"damaged")
    assert served(remote).generation == name
    remote.blobs.put(f"generations/{name}/keys.npy", b"damaged in the store")
    assert served(remote).generation == name, "from its copy"
    remote.blobs.forget_copy(f"generations/{name}")
    assert served(remote).generation is None
    assert compact_all(remote.backend) == ["c"]
    assert served(remote).generation == catalog(remote).generation != name


def test_a_generation_that_opens_slowly_holds_nobody_up(
    manual: ManualSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one before follows the changes meanwhile, and the new one is taken when it is open."""
    indexes = Indexes(manual.database, manual.blobs)
    first, gate = indexes.get("c").generation, threading.Event()

    def slowly(*arguments: Any) -> Generation:
        assert gate.wait(60)
        return _open(*arguments)

    monkeypatch.setattr("visearch.searching.indexes._open", slowly)
    grow(manual, 1)
    assert compact_all(manual.backend) == ["c"]
    for step in (2, 3):
        grow(manual, step)
        indexes.refresh()
        assert indexes.get("c").parts[0].size == (step + 1) * N
        assert indexes.get("c").generation == first
    gate.set()

    def renewed() -> bool:
        indexes.refresh()
        return indexes.get("c").generation == catalog(manual).generation != first

    eventually(renewed, what="the new generation")
    assert indexes.get("c").parts[0].size == 4 * N
    assert indexes.get("c").parts[0].delta_size == 2 * N
