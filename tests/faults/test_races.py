"""Two workers do the same thing at once, or one of them late: each interleaving by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from manual_system import ManualSystem, Message
from system import archive, picture

from visearch.contract import DECODE_CHUNK, EMBED_CHUNK, PLAN_IMPORT
from visearch.errors import Conflict, DependencyUnavailable
from visearch.ids import new_id
from visearch.importing import planning, progress
from visearch.importing.accept import accept_file
from visearch.importing.decode import decode_chunk
from visearch.records import Import
from visearch.store import (
    catalogs,
    chunks,
    claims,
    embeddings,
    ledger,
    outbox,
    reindexes,
    schema,
)
from visearch.store.claims import Claim
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

    def interrupted(*arguments: Any, **options: Any) -> bool:
        if len(again) and arguments[2] == 3:  # the second batch: the duplicate overtakes
            manual.run(again.pop())
        return append(*arguments, **options)

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
        give_back(manual, late)
        return embed(pixels)

    manual.encoder.embed_pixels = lose_the_claim
    manual.run(late)
    assert manual.read(record).counts.searchable == 0
    manual.drain()
    done = manual.read(record)
    assert (done.status, done.counts.searchable, done.counts.failed) == ("succeeded", 3, 0)


def test_a_late_decoder_leaves_no_scratch(manual: ManualSystem) -> None:
    manual.accept(manual.catalog("c"), files(3))
    manual.run(manual.take(PLAN_IMPORT)[0])
    (message,) = manual.take(DECODE_CHUNK)
    late = manual.claim(message)
    give_back(manual, message)
    decode_chunk(manual.backend, late)
    assert not list(manual.blobs.list("pixels"))


def start_over(manual: ManualSystem) -> tuple[Import, Message, Claim]:
    """Let a chunk's catalog get another encoder between decoding and embedding, and back.

    Returns the import, the first message of its chunk, and the claim taken by it, which a slow
    worker still believes to have. The chunk is sent to be decoded again.
    """
    record = manual.accept(manual.catalog("c"), files(3))
    manual.run(manual.take(PLAN_IMPORT)[0])
    (first,) = manual.take(DECODE_CHUNK)
    slow = manual.claim(first)
    assert slow is not None
    give_back(manual, first)
    manual.run(manual.take(DECODE_CHUNK)[0])
    with manual.database.write() as connection:
        connection.execute(sa.update(schema.catalogs).values(fingerprint="another"))
    manual.run(manual.take(EMBED_CHUNK)[0])
    with manual.database.write() as connection:
        own = manual.encoder.fingerprint
        connection.execute(sa.update(schema.catalogs).values(fingerprint=own))
    return record, first, slow


def test_an_overtaken_message_claims_nothing_after_a_start_over(manual: ManualSystem) -> None:
    """Attempt 1 is over for good, although the chunk is decoded a first time again."""
    record, first, _ = start_over(manual)
    assert manual.claim(first) is None
    manual.drain()
    done = manual.read(record)
    assert (done.status, done.counts.searchable) == ("succeeded", 3)
    assert (done.counts.fetched, done.counts.decoded) == (3, 3)


def test_a_lost_claim_commits_nothing_after_a_start_over(manual: ManualSystem) -> None:
    record, _, slow = start_over(manual)
    (message,) = manual.take(DECODE_CHUNK)
    owner = manual.claim(message)
    assert owner is not None and owner.attempt > slow.attempt
    decode_chunk(manual.backend, slow)
    assert manual.take(EMBED_CHUNK) == [] and manual.read(record).counts.decoded == 0
    assert not list(manual.blobs.list("pixels"))
    decode_chunk(manual.backend, owner)
    manual.drain()
    done = manual.read(record)
    assert (done.status, done.counts.searchable) == ("succeeded", 3)
    with manual.database.read() as connection:
        assert [i.attempts for i in ledger.items(connection, manual.read(record), limit=9)] == [
            1,
            1,
            1,
        ]


def test_every_stage_has_all_its_tries(manual: ManualSystem) -> None:
    """``max_attempts`` counts the tries of one stage; the ledger shows them."""
    record = manual.accept(manual.catalog("c"), files(1))
    manual.run(manual.take(PLAN_IMPORT)[0])
    give_up_on: Message | None = None
    for task, last in ((DECODE_CHUNK, 2), (EMBED_CHUNK, 3)):
        for tries in range(1, last + 1):
            (give_up_on,) = manual.take(task)
            claim = manual.claim(give_up_on)
            assert claim is not None and claim.tries == tries
            give_back(manual, give_up_on)
        if task == DECODE_CHUNK:
            manual.run(manual.take(task)[0])
    done = manual.read(record)
    assert (done.status, done.counts.failed) == ("failed", 1)
    with manual.database.read() as connection:
        (item,) = ledger.items(connection, manual.read(record), limit=9)
    assert (item.attempts, item.code) == (3, "worker_lost")


def test_a_postponed_chunk_is_claimed_by_its_next_message_only(manual: ManualSystem) -> None:
    record = manual.accept(manual.catalog("c"), files(3))
    manual.run(manual.take(PLAN_IMPORT)[0])
    (message,) = manual.take(DECODE_CHUNK)
    claim = manual.claim(message)
    assert claim is not None
    with manual.database.write() as connection:
        assert claim.postpone(connection)
        assert not claim.postpone(connection)
        assert claims.held(connection, message[1]) is None
    assert manual.claim(message) is None
    with manual.database.write() as connection:
        (lost,) = chunks.sent(connection)
        chunks.send_again(connection, lost)
    manual.backend.flush()
    again = manual.claim(manual.queue[0])
    assert again is not None and (again.tries, again.attempt) == (1, 2)
    decode_chunk(manual.backend, again)
    del manual.queue[0]
    manual.drain()
    assert manual.read(record).status == "succeeded"


def test_a_message_delivered_twice_counts_once(manual: ManualSystem) -> None:
    record = manual.accept(manual.catalog("c"), files(10))
    while manual.queue:
        message = manual.queue.pop(0)
        manual.run(message)
        manual.run(message)
    done = manual.read(record)
    assert (done.status, done.counts.searchable, done.counts.failed) == ("succeeded", 10, 0)


def give_back(manual: ManualSystem, message: Message) -> None:
    """Do what the reconciler does with the claim that was taken by a message."""
    with manual.database.read() as connection:
        claim = claims.held(connection, message[1])
    assert claim is not None
    progress.give_back(manual.backend, claim, code="worker_lost", detail="for the test")


def test_a_queue_that_is_away_fails_nobody(manual: ManualSystem) -> None:
    """What was committed is accepted; its message follows."""
    send = manual._send

    def away(task: str, payload: object, queue: str | None = None) -> None:
        raise DependencyUnavailable("for the test")

    manual.sender = away
    record = manual.accept(manual.catalog("c"), files(3))
    manual.sender = send
    assert manual.backend.flush() == 1
    manual.drain()
    assert manual.read(record).status == "succeeded"


def test_an_upload_that_is_sent_twice_keeps_what_the_first_brought(manual: ManualSystem) -> None:
    """Both requests have one idempotency key, and so one id; the second comes to nothing."""
    catalog = manual.catalog("c")

    def accept() -> Import:
        return accept_file(
            manual.backend,
            catalog,
            [files(3)],
            mode="upsert",
            request_id="test",
            import_id="0" * 36,
        )

    first = accept()
    with pytest.raises(Conflict):
        accept()
    manual.backend.flush()
    manual.drain()
    assert manual.read(first).status == "succeeded"
    (kept,) = manual.blobs.list("uploads")
    killed = f"uploads/{first.id}-{new_id()}"  # a third request, whose server was killed
    manual.blobs.put(killed, b"")
    purge(manual.backend)
    assert [*manual.blobs.list("uploads")] == [kept]


def test_a_message_of_another_version_blocks_no_other(manual: ManualSystem) -> None:
    with manual.database.write() as connection:
        outbox.add(connection, "visearch.of_the_future", {"what": "ever"})
    record = manual.accept(manual.catalog("c"), files(3))
    manual.drain()
    assert manual.read(record).status == "succeeded"
    with manual.database.read() as connection:
        assert outbox.unknown(connection) == 1


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
    unheard, gone = {"unheard": True}, {"gone": True}
    assert watch.look(client) == {"a": {}, "b": {}}
    assert watch.look(client) == {"a": unheard, "b": unheard}
    assert watch.look(client) == {"a": {}, "b": gone}
    assert watch.look(client) == {"a": unheard, "b": gone}


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


def test_an_encoder_that_is_activated_while_others_are_purged_keeps_its_embeddings(
    manual: ManualSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    manual.accept(manual.catalog("c"), files(4))
    manual.drain()
    with manual.database.write() as connection:
        catalog = catalogs.get(connection, "c")
        pictures = list(connection.execute(sa.select(schema.images.c.pk)).scalars())
        reindex = reindexes.create(
            connection,
            catalog,
            encoder="file:next",
            fingerprint="next",
            dimension=catalog.dimension,
            activate="manual",
        )
        embeddings.note(connection, "next", "0" * 64, {pk: pk for pk in pictures})
        reindexes.change(connection, reindex, status="ready")
    go_on = purging.take_steps

    def activate_first(*arguments: Any) -> None:
        with manual.database.write() as connection:
            assert reindexes.activate(connection, catalog, reindex)
        go_on(*arguments)

    monkeypatch.setattr(purging, "take_steps", activate_first)
    purge(manual.backend)
    with manual.database.read() as connection:
        query = sa.select(schema.embeddings.c.fingerprint, sa.func.count())
        found = connection.execute(query.group_by(schema.embeddings.c.fingerprint)).all()
        assert catalogs.get(connection, "c").fingerprint == "next"
    assert {tuple(row) for row in found} == {("next", 4), (catalog.fingerprint, 4)}
