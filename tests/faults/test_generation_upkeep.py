"""A published generation: refused and built anew, left by a rollback, its copies forgotten."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from bench_pipeline import Bench
from stock import add, points
from system import eventually

from visearch.errors import Conflict
from visearch.index import Generation
from visearch.indexing.compaction import compact_all
from visearch.indexing.purge import purge
from visearch.records import Catalog
from visearch.searching.indexes import Indexes, Snapshot, _open
from visearch.store import catalogs, generations, schema
from visearch.store.blobs import Blobs

N = 60


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A catalog of which every change makes a generation due."""
    bench = Bench(tmp_path / "home", compact_min=1, compact_ratio=1e-6)
    bench.catalog("c")
    grow(bench, 0)
    assert compact_all(bench.pipeline) == ["c"]
    return bench


def grow(bench: Bench, step: int) -> None:
    vectors = points(N, catalog(bench).dimension, seed=step)
    add(bench.database, bench.blobs, "c", {f"{step}-{i}": v for i, v in enumerate(vectors)})


def catalog(bench: Bench) -> Catalog:
    with bench.database.read() as connection:
        return catalogs.get(connection, "c")


def roll_back(bench: Bench) -> None:
    with bench.database.write() as connection:
        now = catalogs.get(connection, "c")
        catalogs.swap_generation(connection, now, generations.former(connection, now))


def served(bench: Bench) -> Snapshot:
    """Return what a search worker serves that has just started."""
    return Indexes(bench.database, bench.blobs).get("c")


def file_of(bench: Bench, name: str | None) -> Path:
    return bench.blobs.local_folder(f"generations/{name}") / "keys.npy"


def test_a_damaged_generation_is_built_anew(bench: Bench) -> None:
    old = catalog(bench).generation
    assert served(bench).generation == old
    assert compact_all(bench.pipeline) == []
    file_of(bench, old).write_bytes(b"damaged")
    assert compact_all(bench.pipeline) == [], "nobody has met the damage"
    assert (served(bench).generation, served(bench).parts[0].size) == (None, N)
    assert compact_all(bench.pipeline) == ["c"]
    assert served(bench).generation == catalog(bench).generation != old
    assert compact_all(bench.pipeline) == []


def test_one_damaged_shard_is_enough(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "home", compact_min=1, compact_ratio=1e-6)
    bench.catalog("c")
    with bench.database.write() as connection:
        connection.execute(sa.update(schema.catalogs).values(shards=2))
    grow(bench, 0)
    assert compact_all(bench.pipeline) == ["c"]
    old = catalog(bench).generation
    whole = bench.blobs.local_folder(f"generations/{old}/1") / "keys.npy"
    keys = whole.read_bytes()
    for content, rebuilt in ((keys, []), (b"damaged", ["c"])):
        whole.write_bytes(b"damaged")
        seen = served(bench)
        assert seen.parts[0].base.manifest.id == old and seen.parts[1].base is None
        assert (seen.generation, sum(part.size for part in seen.parts.values())) == (None, N)
        whole.write_bytes(content)
        assert compact_all(bench.pipeline) == rebuilt
    assert served(bench).generation == catalog(bench).generation != old


def test_a_sound_generation_is_not_built_again_for_one_broken_machine(bench: Bench) -> None:
    old = catalog(bench).generation
    whole = file_of(bench, old).read_bytes()
    file_of(bench, old).write_bytes(b"as that machine reads it")
    assert served(bench).generation is None
    file_of(bench, old).write_bytes(whole)
    assert compact_all(bench.pipeline) == []
    with bench.database.read() as connection:
        assert generations.suspects(connection) == []
    assert served(bench).generation == old == catalog(bench).generation


def test_a_rollback_lasts_until_there_is_more_to_build(bench: Bench) -> None:
    old = catalog(bench).generation
    grow(bench, 1)
    assert compact_all(bench.pipeline) == ["c"]
    indexes = Indexes(bench.database, bench.blobs)
    indexes.refresh()
    roll_back(bench)
    indexes.refresh()
    for snapshot in (indexes.get("c"), served(bench)):
        assert (snapshot.generation, snapshot.parts[0].size) == (old, 2 * N)
    assert compact_all(bench.pipeline) == []
    purge(bench.pipeline)
    assert served(bench).generation == old
    grow(bench, 2)
    assert compact_all(bench.pipeline) == ["c"]
    assert served(bench).parts[0].base.manifest.count == 3 * N


def test_a_rollback_never_leads_to_what_was_refused(bench: Bench) -> None:
    with pytest.raises(Conflict, match="no former index generation"):
        roll_back(bench)
    first = catalog(bench).generation
    grow(bench, 1)
    compact_all(bench.pipeline)
    damaged = catalog(bench).generation
    file_of(bench, damaged).write_bytes(b"damaged")
    assert served(bench).generation is None
    assert compact_all(bench.pipeline) == ["c"]
    purge(bench.pipeline)
    assert bench.blobs.folders("generations") == {first, catalog(bench).generation}
    roll_back(bench)
    assert served(bench).generation == first
    with pytest.raises(Conflict):
        roll_back(bench)


def test_a_pointer_to_nothing_is_repaired(bench: Bench) -> None:
    """A rollback may meet the purge of the very generation it goes back to."""
    with bench.database.write() as connection:
        catalogs.swap_generation(connection, catalogs.get(connection, "c"), "purged")
    assert (served(bench).generation, served(bench).parts[0].size) == (None, N)
    assert compact_all(bench.pipeline) == ["c"]
    assert served(bench).generation == catalog(bench).generation


@pytest.fixture
def remote(tmp_path: Path) -> Bench:
    """The same over a store that is no folder: generations are copied to be searched."""
    bench = Bench(tmp_path / "home", compact_min=1, compact_ratio=1e-6)
    bench.blobs = Blobs("memory:///", tmp_path / "cache")
    bench.pipeline = replace(bench.pipeline, blobs=bench.blobs)
    bench.catalog("c")
    grow(bench, 0)
    assert compact_all(bench.pipeline) == ["c"]
    return bench


def test_only_copies_of_what_is_served_are_kept(remote: Bench, tmp_path: Path) -> None:
    indexes, copies = Indexes(remote.database, remote.blobs), tmp_path / "cache" / "generations"
    before = indexes.get("c")
    assert [copy.name for copy in copies.iterdir()] == [before.generation]
    grow(remote, 1)
    assert compact_all(remote.pipeline) == ["c"]
    indexes.refresh()
    after = indexes.get("c")
    assert [copy.name for copy in copies.iterdir()] == [after.generation] != [before.generation]
    (query,) = points(1, catalog(remote).dimension, seed=0)
    assert len(before.parts[0].search(query, 3)) == 3, "a search under way reads what it has open"


def test_a_damaged_copy_is_fetched_again_and_accuses_nobody(remote: Bench) -> None:
    name = catalog(remote).generation
    file_of(remote, name).write_bytes(b"damaged")
    assert served(remote).generation == name
    remote.blobs.put(f"generations/{name}/keys.npy", b"damaged in the store")
    assert served(remote).generation == name, "from its copy"
    remote.blobs.forget_copy(f"generations/{name}")
    assert served(remote).generation is None
    assert compact_all(remote.pipeline) == ["c"]
    assert served(remote).generation == catalog(remote).generation != name


def test_a_generation_that_opens_slowly_holds_nobody_up(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one before follows the changes meanwhile, and the new one is taken when it is open."""
    indexes = Indexes(bench.database, bench.blobs)
    first, gate = indexes.get("c").generation, threading.Event()

    def slowly(*arguments: Any) -> Generation:
        assert gate.wait(60)
        return _open(*arguments)

    monkeypatch.setattr("visearch.searching.indexes._open", slowly)
    grow(bench, 1)
    assert compact_all(bench.pipeline) == ["c"]
    for step in (2, 3):
        grow(bench, step)
        indexes.refresh()
        assert indexes.get("c").parts[0].size == (step + 1) * N
        assert indexes.get("c").generation == first
    gate.set()

    def renewed() -> bool:
        indexes.refresh()
        return indexes.get("c").generation == catalog(bench).generation != first

    eventually(renewed, what="the new generation")
    assert indexes.get("c").parts[0].size == 4 * N
    assert indexes.get("c").parts[0].delta_size == 2 * N
