"""Two workers do the same thing at once, or one of them late: each interleaving by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench_pipeline import Bench
from system import archive, picture

from visearch.contract import DECODE_CHUNK, EMBED_CHUNK, PLAN_IMPORT
from visearch.errors import DependencyUnavailable
from visearch.ids import new_id
from visearch.indexing import plan as planning
from visearch.indexing import progress
from visearch.indexing import purge as purging
from visearch.indexing.compaction import compact
from visearch.indexing.purge import purge
from visearch.store import catalogs, chunks, presence
from visearch.store.redis import connect


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "home", chunk_items=3, import_window=4)


def files(n: int) -> bytes:
    return archive((f"p{i}.jpg", picture(i, side=64)) for i in range(n))


def test_a_second_planner_cannot_end_the_import_early(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "LEDGER_BATCH", 3)
    record = bench.accept(bench.catalog("c"), files(12))
    (message,) = bench.take(PLAN_IMPORT)
    append, again = planning._append, [message]

    def interrupted(*arguments: object) -> bool:
        if len(again) and arguments[2] == 3:  # the second batch: the duplicate overtakes
            bench.run(again.pop())
        return append(*arguments)

    monkeypatch.setattr(planning, "_append", interrupted)
    bench.run(message)
    assert bench.read(record).counts.items == 12
    bench.drain()
    done = bench.read(record)
    assert (done.status, done.counts.searchable) == ("succeeded", 12)


def test_a_planner_that_lost_its_attempt_stops(bench: Bench) -> None:
    record = bench.accept(bench.catalog("c"), files(6))
    (task, payload), *_ = bench.take(PLAN_IMPORT)
    bench.run((task, {**payload, "attempt": 7}))
    assert bench.read(record).status == "received"


def test_equal_pictures_in_two_imports_do_not_share_scratch(bench: Bench) -> None:
    records = [bench.accept(bench.catalog(name), files(3)) for name in ("a", "b")]
    for task in (PLAN_IMPORT, DECODE_CHUNK):
        for message in bench.take(task):
            bench.run(message)
    bench.drain()
    assert [bench.read(r).status for r in records] == ["succeeded", "succeeded"]
    assert not list(bench.blobs.list("pixels"))


def test_a_late_embedder_does_not_spoil_the_next_attempt(bench: Bench) -> None:
    record = bench.accept(bench.catalog("c"), files(3))
    for task in (PLAN_IMPORT, DECODE_CHUNK):
        bench.run(bench.take(task)[0])
    (late,) = bench.take(EMBED_CHUNK)
    embed = bench.encoder.embed_pixels

    def lose_the_claim(pixels: object) -> object:
        bench.encoder.embed_pixels = embed
        release(bench, record.pk, chunks.EMBED, attempt=1)
        return embed(pixels)

    bench.encoder.embed_pixels = lose_the_claim
    bench.run(late)
    assert bench.read(record).counts.searchable == 0
    bench.drain()
    done = bench.read(record)
    assert (done.status, done.counts.searchable, done.counts.failed) == ("succeeded", 3, 0)


def test_a_late_decoder_leaves_no_scratch(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    record = bench.accept(bench.catalog("c"), files(3))
    bench.run(bench.take(PLAN_IMPORT)[0])
    (late,) = bench.take(DECODE_CHUNK)
    finish = chunks.finish

    def lose_the_claim(*arguments: object, **values: object) -> bool:
        monkeypatch.setattr(chunks, "finish", finish)
        finish(*arguments, state="waiting")
        chunks.retry(arguments[0], record.pk, 0, 2)
        return finish(*arguments, **values)

    monkeypatch.setattr(chunks, "finish", lose_the_claim)
    bench.run(late)
    assert not list(bench.blobs.list("pixels"))


def test_a_message_delivered_twice_counts_once(bench: Bench) -> None:
    record = bench.accept(bench.catalog("c"), files(10))
    while bench.queue:
        message = bench.queue.pop(0)
        bench.run(message)
        bench.run(message)
    done = bench.read(record)
    assert (done.status, done.counts.searchable, done.counts.failed) == ("succeeded", 10, 0)


def release(bench: Bench, import_pk: int, stage: str, attempt: int) -> None:
    progress.release(
        bench.pipeline, import_pk, 0, stage, attempt, code="worker_lost", detail="for the test"
    )


def test_a_queue_that_is_away_fails_nobody(bench: Bench) -> None:
    """What was committed is accepted; its message follows."""
    send = bench._send

    def away(task: str, payload: object) -> None:
        raise DependencyUnavailable("for the test")

    bench.sender = away
    record = bench.accept(bench.catalog("c"), files(3))
    bench.sender = send
    assert bench.pipeline.flush() == 1
    bench.drain()
    assert bench.read(record).status == "succeeded"


def test_a_purge_removes_what_killed_processes_left(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = bench.accept(bench.catalog("c"), files(3))
    for task in (PLAN_IMPORT, DECODE_CHUNK):
        bench.run(bench.take(task)[0])
    abandoned, upload = f"pixels/{new_id()}-0-1", f"uploads/{new_id()}"
    for name in (abandoned, upload):
        bench.blobs.put(name, b"left behind")
    purge(bench.pipeline)
    assert not bench.blobs.exists(abandoned)
    assert bench.blobs.exists(upload), "it may still be streaming"
    monkeypatch.setattr(purging, "UPLOADING_S", -1)
    purge(bench.pipeline)
    assert not bench.blobs.exists(upload)
    bench.drain()
    assert bench.read(record).status == "succeeded"


def test_a_purge_removes_generations_that_nobody_published(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.accept(bench.catalog("c"), files(3))
    bench.drain()
    with bench.database.read() as connection:
        assert compact(bench.pipeline, catalogs.get(connection, "c"))
    orphan = f"generations/{new_id()}"
    bench.blobs.put(f"{orphan}/vectors.npy", b"its builder was killed here")
    purge(bench.pipeline)
    assert bench.blobs.exists(f"{orphan}/vectors.npy"), "it may still be uploaded"
    monkeypatch.setattr(purging, "BUILDING_S", -1)
    purge(bench.pipeline)
    with bench.database.read() as connection:
        live = catalogs.get(connection, "c").generation
    assert bench.blobs.folders("generations") == {live}


def test_a_worker_missed_once_is_not_dead_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Redis that was emptied knows nobody until their next beat."""
    looks = iter([{"a", "b"}, set(), {"a"}, set()])
    monkeypatch.setattr(presence, "alive", lambda _client: {name: {} for name in next(looks)})
    watch, client = presence.Watch(), connect("redis://never.connected.invalid")
    assert watch.look(client) == {"a", "b"}
    assert watch.look(client) == {"a", "b"}
    assert watch.look(client) == {"a"}
    assert watch.look(client) == {"a"}


def test_deleting_a_catalog_ends_its_imports(bench: Bench) -> None:
    record = bench.accept(bench.catalog("c"), files(6))
    (message,) = bench.take(PLAN_IMPORT)
    bench.run(message)
    decode, *_ = bench.take(DECODE_CHUNK)
    progress.remove_catalog(bench.pipeline, "c")
    bench.run(decode)  # a message that was on its way
    done = bench.read(record)
    assert done.status == "cancelled"
    assert done.counts.items == done.counts.searchable + done.counts.failed == 6
    assert bench.queue == []
