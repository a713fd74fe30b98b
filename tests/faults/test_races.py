"""Two workers do the same thing at once, or one of them late: each interleaving by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
from manual_system import ManualSystem
from system import archive, picture

from visearch.contract import DECODE_CHUNK, EMBED_CHUNK, PLAN_IMPORT
from visearch.errors import DependencyUnavailable
from visearch.ids import new_id
from visearch.importing import plan as planning
from visearch.importing import progress
from visearch.store import catalogs, chunks
from visearch.store.redis import presence
from visearch.store.redis.client import connect
from visearch.upkeep import purge as purging
from visearch.upkeep.compaction import compact
from visearch.upkeep.purge import purge


@pytest.fixture
def manual(tmp_path: Path) -> ManualSystem:
    return ManualSystem(tmp_path / "home", chunk_items=3, import_window=4)


def files(n: int) -> bytes:
    return archive((f"p{i}.jpg", picture(i, side=64)) for i in range(n))


def test_a_second_planner_cannot_end_the_import_early(
    manual: ManualSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "LEDGER_BATCH", 3)
    record = manual.accept(manual.catalog("c"), files(12))
    (message,) = manual.take(PLAN_IMPORT)
    append, again = planning._append, [message]

    def interrupted(*arguments: object) -> bool:
        if len(again) and arguments[2] == 3:  # the second batch: the duplicate overtakes
            manual.run(again.pop())
        return append(*arguments)

    monkeypatch.setattr(planning, "_append", interrupted)
    manual.run(message)
    assert manual.read(record).counts.items == 12
    manual.drain()
    done = manual.read(record)
    assert (done.status, done.counts.searchable) == ("succeeded", 12)


def test_a_planner_that_lost_its_attempt_stops(manual: ManualSystem) -> None:
    record = manual.accept(manual.catalog("c"), files(6))
    (task, payload), *_ = manual.take(PLAN_IMPORT)
    manual.run((task, {**payload, "attempt": 7}))
    assert manual.read(record).status == "received"


def test_equal_pictures_in_two_imports_do_not_share_scratch(manual: ManualSystem) -> None:
    records = [manual.accept(manual.catalog(name), files(3)) for name in ("a", "b")]
    for task in (PLAN_IMPORT, DECODE_CHUNK):
        for message in manual.take(task):
            manual.run(message)
    manual.drain()
    assert [manual.read(r).status for r in records] == ["succeeded", "succeeded"]
    assert not list(manual.blobs.list("pixels"))


def test_a_late_embedder_does_not_spoil_the_next_attempt(manual: ManualSystem) -> None:
    record = manual.accept(manual.catalog("c"), files(3))
    for task in (PLAN_IMPORT, DECODE_CHUNK):
        manual.run(manual.take(task)[0])
    (late,) = manual.take(EMBED_CHUNK)
    embed = manual.encoder.embed_pixels

    def lose_the_claim(pixels: object) -> object:
        manual.encoder.embed_pixels = embed
        release(manual, record.pk, chunks.EMBED, attempt=1)
        return embed(pixels)

    manual.encoder.embed_pixels = lose_the_claim
    manual.run(late)
    assert manual.read(record).counts.searchable == 0
    manual.drain()
    done = manual.read(record)
    assert (done.status, done.counts.searchable, done.counts.failed) == ("succeeded", 3, 0)


def test_a_late_decoder_leaves_no_scratch(
    manual: ManualSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = manual.accept(manual.catalog("c"), files(3))
    manual.run(manual.take(PLAN_IMPORT)[0])
    (late,) = manual.take(DECODE_CHUNK)
    finish = chunks.finish

    def lose_the_claim(*arguments: object, **values: object) -> bool:
        monkeypatch.setattr(chunks, "finish", finish)
        finish(*arguments, state="waiting")
        chunks.retry(arguments[0], record.pk, 0, 2)
        return finish(*arguments, **values)

    monkeypatch.setattr(chunks, "finish", lose_the_claim)
    manual.run(late)
    assert not list(manual.blobs.list("pixels"))


def test_a_message_delivered_twice_counts_once(manual: ManualSystem) -> None:
    record = manual.accept(manual.catalog("c"), files(10))
    while manual.queue:
        message = manual.queue.pop(0)
        manual.run(message)
        manual.run(message)
    done = manual.read(record)
    assert (done.status, done.counts.searchable, done.counts.failed) == ("succeeded", 10, 0)


def release(manual: ManualSystem, import_pk: int, stage: str, attempt: int) -> None:
    progress.release(
        manual.backend, import_pk, 0, stage, attempt, code="worker_lost", detail="for the test"
    )


def test_a_queue_that_is_away_fails_nobody(manual: ManualSystem) -> None:
    """What was committed is accepted; its message follows."""
    send = manual._send

    def away(task: str, payload: object) -> None:
        raise DependencyUnavailable("for the test")

    manual.sender = away
    record = manual.accept(manual.catalog("c"), files(3))
    manual.sender = send
    assert manual.backend.flush() == 1
    manual.drain()
    assert manual.read(record).status == "succeeded"


def test_a_purge_removes_what_killed_processes_left(
    manual: ManualSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = manual.accept(manual.catalog("c"), files(3))
    for task in (PLAN_IMPORT, DECODE_CHUNK):
        manual.run(manual.take(task)[0])
    abandoned, upload = f"pixels/{new_id()}-0-1", f"uploads/{new_id()}"
    for name in (abandoned, upload):
        manual.blobs.put(name, b"left behind")
    purge(manual.backend)
    assert not manual.blobs.exists(abandoned)
    assert manual.blobs.exists(upload), "it may still be streaming"
    monkeypatch.setattr(purging, "UPLOADING_S", -1)
    purge(manual.backend)
    assert not manual.blobs.exists(upload)
    manual.drain()
    assert manual.read(record).status == "succeeded"


def test_a_purge_removes_generations_that_nobody_published(
    manual: ManualSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    manual.accept(manual.catalog("c"), files(3))
    manual.drain()
    with manual.database.read() as connection:
        assert compact(manual.backend, catalogs.get(connection, "c"))
    orphan = f"generations/{new_id()}"
    manual.blobs.put(f"{orphan}/vectors.npy", b"its builder was killed here")
    purge(manual.backend)
    assert manual.blobs.exists(f"{orphan}/vectors.npy"), "it may still be uploaded"
    monkeypatch.setattr(purging, "BUILDING_S", -1)
    purge(manual.backend)
    with manual.database.read() as connection:
        live = catalogs.get(connection, "c").generation
    assert manual.blobs.folders("generations") == {live}


def test_a_worker_missed_once_is_not_dead_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Redis that was emptied knows nobody until their next beat."""
    looks = iter([{"a", "b"}, set(), {"a"}, set()])
    monkeypatch.setattr(presence, "alive", lambda _client: {name: {} for name in next(looks)})
    watch, client = presence.Watch(), connect("redis://never.connected.invalid")
    assert watch.look(client) == {"a", "b"}
    assert watch.look(client) == {"a", "b"}
    assert watch.look(client) == {"a"}
    assert watch.look(client) == {"a"}


def test_deleting_a_catalog_ends_its_imports(manual: ManualSystem) -> None:
    record = manual.accept(manual.catalog("c"), files(6))
    (message,) = manual.take(PLAN_IMPORT)
    manual.run(message)
    decode, *_ = manual.take(DECODE_CHUNK)
    progress.remove_catalog(manual.backend, "c")
    manual.run(decode)  # a message that was on its way
    done = manual.read(record)
    assert done.status == "cancelled"
    assert done.counts.items == done.counts.searchable + done.counts.failed == 6
    assert manual.queue == []
