"""Reconciling: who is charged for what, and what waits, by what the workers say of themselves."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from manual_system import ManualSystem
from system import archive, picture

from visearch.contract import (
    DECODE_CHUNK,
    EMBED,
    EMBED_CHUNK,
    INGEST,
    PLAN,
    PLAN_IMPORT,
    QUEUE_OF,
)
from visearch.errors import BlobDamaged, DependencyUnavailable, Overloaded
from visearch.importing import embed, planning, progress, reconcile
from visearch.importing.reconcile import Reconciler
from visearch.records import TERMINAL_IMPORT, Import
from visearch.store import catalogs, claims, imports, schema
from visearch.store.claims import Claim


@pytest.fixture(autouse=True)
def _no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconcile, "DROPPED_AFTER_S", 0.0)
    monkeypatch.setattr(reconcile, "LOST_AFTER_S", 0.0)


@pytest.fixture
def manual(tmp_path: Path) -> ManualSystem:
    made = ManualSystem(tmp_path / "home", chunk_items=3)
    made.catalog("c")
    return made


def files(n: int) -> bytes:
    return archive((f"p{i}.jpg", picture(i, side=64)) for i in range(n))


def look(manual: ManualSystem, times: int = 1, **workers: dict[str, Any]) -> None:
    reconciler = Reconciler()
    for _ in range(times):
        reconciler.look(manual.backend, workers, lambda _queue: 0)


def test_a_worker_that_stops_is_not_charged(manual: ManualSystem) -> None:
    """Twenty restarts in the middle of a chunk cost it no try."""
    record = manual.accept("c", files(3))
    manual.run(manual.take(PLAN_IMPORT)[0])
    for _ in range(20):
        claim = manual.claim(manual.take(DECODE_CHUNK)[0])
        assert claim is not None and claim.tries == 1
        look(manual, w={"gone": True, "leaving": True})
        look(manual)  # its message is missing
    manual.drain()
    assert manual.read(record).status == "succeeded"


def hold(manual: ManualSystem, task: str) -> Claim:
    """Claim the chunk that the next message of a task names."""
    claim = manual.claim(manual.take(task)[0])
    assert claim is not None
    return claim


def holds(manual: ManualSystem, claim: Claim) -> bool:
    """Tell whether a claim was left to the one that has it."""
    with manual.database.read() as connection:
        return claim.attempt in {each.attempt for each in claims.running(connection)}


def test_an_outage_charges_no_chunk_however_long(manual: ManualSystem) -> None:
    """Hundreds of looks at a store that is away are no reason to take a chunk from its worker."""
    manual.accept("c", files(3))
    manual.run(manual.take(PLAN_IMPORT)[0])
    for _ in range(reconcile.MAX_RETURNS + 1):
        progress.postpone(manual.backend, hold(manual, DECODE_CHUNK), "blob store")
        look(manual)  # its message is missing
    claim = hold(manual, DECODE_CHUNK)
    look(manual, w={"holding": [claim.name]})
    assert holds(manual, claim) and (claim.tries, claim.returned) == (1, 0)
    look(manual, w={"gone": True, "leaving": True})
    look(manual)
    assert hold(manual, DECODE_CHUNK).tries == 1


def test_workers_that_leave_without_end_are_charged(
    manual: ManualSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But a worker that lives and holds the chunk is left alone."""
    monkeypatch.setattr(reconcile, "MAX_RETURNS", 5)
    record = manual.accept("c", files(1))
    manual.run(manual.take(PLAN_IMPORT)[0])
    for tries in (*[1] * 6, 2, 3):
        claim = hold(manual, DECODE_CHUNK)
        look(manual, w={"holding": [claim.name]})
        assert holds(manual, claim) and claim.tries == tries
        look(manual, w={"gone": True, "leaving": True})
        look(manual)
    assert manual.codes(record) == ["worker_lost"]


def test_pixels_lost_after_an_outage_are_decoded_again(manual: ManualSystem) -> None:
    """As in a restored backup, which has none."""
    record = manual.accept("c", files(3))
    for task in (PLAN_IMPORT, DECODE_CHUNK):
        manual.run(manual.take(task)[0])
    for _ in range(embed.MOST_RESTARTS + 1):
        progress.postpone(manual.backend, hold(manual, EMBED_CHUNK), "blob store")
        look(manual)
    for name in list(manual.blobs.list("pixels")):
        manual.blobs.delete(name)
    manual.drain()
    assert manual.read(record).status == "succeeded"


def test_pixels_that_are_lost_every_time_have_an_end(manual: ManualSystem) -> None:
    manual.accept("c", files(3))
    manual.run(manual.take(PLAN_IMPORT)[0])
    for restarted in range(embed.MOST_RESTARTS + 1):
        manual.run(manual.take(DECODE_CHUNK)[0])
        for name in list(manual.blobs.list("pixels")):
            manual.blobs.delete(name)
        with pytest.raises(BlobDamaged) if restarted == embed.MOST_RESTARTS else nullcontext():
            manual.run(manual.take(EMBED_CHUNK)[0])


def depths(manual: ManualSystem) -> Callable[[str], int]:
    """Return what tells how many messages wait in a queue."""
    return lambda queue: sum(QUEUE_OF[task] == queue for task, _ in manual.queue)


def test_a_role_that_is_away_for_long_finds_every_message_once(
    manual: ManualSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconcile, "LOST_ANYWAY_S", 0.0)
    records = [manual.accept("c", files(6)) for _ in range(3)]
    unplanned = manual.accept("c", files(3))
    for message in manual.take(PLAN_IMPORT)[:3]:
        manual.run(message)
    reconciler = Reconciler()
    for _ in range(20):
        reconciler.look(manual.backend, {}, depths(manual))
        assert depths(manual)(INGEST) <= 6 and depths(manual)(PLAN) <= 1
    manual.drain()
    assert {manual.read(each).status for each in (*records, unplanned)} == {"succeeded"}


@pytest.mark.parametrize("task", [DECODE_CHUNK, EMBED_CHUNK])
def test_a_lost_message_is_sent_again_whatever_other_queues_hold(
    manual: ManualSystem, monkeypatch: pytest.MonkeyPatch, task: str
) -> None:
    """And however many other messages its own queue holds: a place is free, and it gets it."""
    monkeypatch.setattr(reconcile, "LOST_ANYWAY_S", 0.0)
    record = manual.accept("c", files(9))
    manual.run(manual.take(PLAN_IMPORT)[0])
    if task == EMBED_CHUNK:
        for message in manual.take(DECODE_CHUNK):
            manual.run(message)
    _, lost, _ = manual.queue
    manual.queue.remove(lost)
    depth = depths(manual)
    others = dict.fromkeys((PLAN, INGEST, EMBED), 50) | {QUEUE_OF[task]: 0}
    for _ in range(9):
        Reconciler().look(manual.backend, {}, lambda queue: others[queue] + depth(queue))
        assert depth(QUEUE_OF[task]) <= 3
        if lost in manual.queue:
            break
        manual.run(manual.queue.pop(0))
    else:
        pytest.fail("it was never sent again")
    manual.drain()
    assert manual.read(record).status == "succeeded"


def test_messages_do_not_pile_up_while_none_can_be_sent(
    manual: ManualSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full Redis tells how long its queues are, and takes nothing."""
    monkeypatch.setattr(reconcile, "LOST_ANYWAY_S", 0.0)
    record = manual.accept("c", files(6))
    manual.run(manual.take(PLAN_IMPORT)[0])
    manual.queue.clear()
    send = manual.sender

    def full(task: str, payload: object, queue: str | None = None) -> None:
        raise Overloaded("for the test")

    manual.sender = full
    look(manual, times=20)
    manual.sender = send
    manual.backend.flush()
    assert len(manual.queue) == 2
    manual.drain()
    assert manual.read(record).status == "succeeded"


def test_one_import_that_cannot_be_settled_keeps_no_other_waiting(manual: ManualSystem) -> None:
    """However that came about: here, its catalog is gone in the middle of a replacement."""
    manual.put(manual.catalog("gone"), "old", picture(7, side=64))
    manual.drain()
    stuck = manual.accept("gone", files(1), mode="replace")
    record = manual.accept("c", files(3))
    for message in manual.take(PLAN_IMPORT):
        manual.run(message)
    for message in manual.take(DECODE_CHUNK):
        assert manual.claim(message) is not None
    with manual.database.write() as connection:
        catalogs.delete(connection, catalogs.get(connection, "gone"))
        mine = schema.imports.c.pk == stuck.pk
        connection.execute(sa.update(schema.imports).where(mine).values(searchable=1, items=2))
        mine = schema.chunks.c.import_pk == stuck.pk
        connection.execute(sa.update(schema.chunks).where(mine).values(tries=reconcile.MAX_DEATHS))
    look(manual, w={"gone": True})
    assert manual.read(stuck).status == "running", "this test needs an import that is stuck"
    manual.drain()
    assert manual.read(record).status == "succeeded"


def test_a_queue_that_cannot_be_asked_does_not_stop_the_rest(manual: ManualSystem) -> None:
    waits = manual.accept("c", files(3))
    object.__setattr__(manual.settings, "outage_limit_s", -1.0)
    with manual.database.write() as connection:
        imports.note_waiting(connection, waits.pk, "queue")

    def away(queue: str) -> int:
        raise DependencyUnavailable("for the test")

    Reconciler().look(manual.backend, {}, away)
    assert manual.read(waits).error_code == "waited_too_long"


def test_a_claim_whose_end_could_not_be_written_is_free_at_once(manual: ManualSystem) -> None:
    record = manual.accept("c", files(3))
    manual.run(manual.take(PLAN_IMPORT)[0])
    claim = manual.claim(manual.take(DECODE_CHUNK)[0])
    assert claim is not None
    look(manual, w={"holding": [claim.name]})
    look(manual, w={"unheard": True})
    assert manual.queue == []
    look(manual, w={"holding": []})
    look(manual)
    again = manual.claim(manual.queue[0])
    assert again is not None and again.tries == 1
    progress.postpone(manual.backend, again)
    look(manual)
    manual.drain()
    assert manual.read(record).status == "succeeded"


def test_a_worker_that_dies_again_and_again_fails_its_pictures_in_the_end(
    manual: ManualSystem,
) -> None:
    record = manual.accept("c", files(1))
    manual.run(manual.take(PLAN_IMPORT)[0])
    deaths = 0
    while manual.read(record).status == "running":
        for message in manual.take(DECODE_CHUNK):
            manual.claim(message)
        look(manual, w={"gone": True})
        deaths += 1
    assert deaths == reconcile.MAX_DEATHS
    assert manual.codes(record) == ["worker_lost"]


def outage(manual: ManualSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise DependencyUnavailable("it is away", "blob store")

    monkeypatch.setattr(manual.blobs, "open", away)


def test_an_outage_fails_no_planning_however_long(
    manual: ManualSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = manual.accept("c", files(3))
    with monkeypatch.context() as patch:
        outage(manual, patch)
        for _ in range(10):
            manual.drain()
            look(manual)
        waiting = manual.read(record)
        assert (waiting.waiting_for, waiting.tries) == ("blob store", 1)
        assert waiting.waiting_since is not None
    manual.drain()
    done = manual.read(record)
    assert (done.status, done.waiting_for, done.waiting_since) == ("succeeded", None, None)


def test_waiting_has_an_end(manual: ManualSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    record = manual.accept("c", files(3))
    outage(manual, monkeypatch)
    manual.drain()
    object.__setattr__(manual.settings, "outage_limit_s", -1.0)
    look(manual)
    done = manual.read(record)
    assert (done.status, done.error_code) == ("failed", "waited_too_long")


def test_a_planner_that_crashes_on_a_file_gives_up(manual: ManualSystem) -> None:
    record = manual.accept("c", files(3))
    for tries in range(1, 4):
        (message,) = manual.take(PLAN_IMPORT)
        taken = take_plan(manual, message[1])
        assert taken is not None and taken.tries == tries
        planning.give_back(manual.backend, message[1], "plan_failed", "for the test")
    done = manual.read(record)
    assert (done.status, done.error_code) == ("failed", "plan_failed")


def take_plan(manual: ManualSystem, payload: dict[str, Any]) -> Import | None:
    with manual.database.write() as connection:
        return imports.take_plan(connection, payload["import_id"], payload["attempt"], "w")


def test_a_planner_is_left_alone_while_it_reads(manual: ManualSystem) -> None:
    manual.accept("c", files(3))
    ((_, payload),) = manual.take(PLAN_IMPORT)
    record = take_plan(manual, payload)
    assert record is not None
    held = f"{record.id}-plan-1"
    look(manual, times=3, w={"holding": [held]})
    assert manual.queue == []
    look(manual, w={"gone": True})
    assert manual.read(record).tries == 2
    manual.drain()
    assert manual.read(record).status == "succeeded"


def test_a_long_plan_lets_others_in_between(
    manual: ManualSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "LEDGER_BATCH", 3)
    monkeypatch.setattr(planning, "TURN_S", 0.0)
    alone = manual.accept("c", files(9))
    manual.run(manual.take(PLAN_IMPORT)[0])
    assert manual.read(alone).planned, "nobody waits"
    manual.drain()
    monkeypatch.setattr(manual.backend, "waits", lambda queue: True)
    record = manual.accept("c", files(9))
    turns = 0
    while plans := manual.take(PLAN_IMPORT):
        turns += 1
        manual.run(plans[0])
    assert turns == 4
    manual.drain()
    done = manual.read(record)
    assert (done.status, done.counts.searchable) == ("succeeded", 9)


def test_an_upload_that_became_shorter_fails_its_pictures(manual: ManualSystem) -> None:
    record = manual.accept("c", files(6))
    manual.run(manual.take(PLAN_IMPORT)[0])
    path = manual.settings.home / "blobs" / record.source
    path.write_bytes(path.read_bytes()[:2000])
    manual.drain()
    done = manual.read(record)
    assert done.counts.failed and done.status in ("failed", "partial")
    assert set(manual.codes(record)) <= {"member_corrupt", None}


@pytest.mark.parametrize("task", [PLAN_IMPORT, DECODE_CHUNK])
def test_an_import_waits_where_the_store_is_not_mounted(manual: ManualSystem, task: str) -> None:
    record = manual.accept("c", files(6))
    if task == DECODE_CHUNK:
        manual.run(manual.take(PLAN_IMPORT)[0])
    blobs = manual.settings.home / "blobs"
    disk = blobs.rename(blobs.with_name("disk"))
    blobs.mkdir()
    for message in manual.take(task):
        with contextlib.suppress(DependencyUnavailable):
            manual.run(message)
    assert manual.read(record).status not in TERMINAL_IMPORT
    assert manual.read(record).counts.failed == 0
    shutil.rmtree(blobs)
    disk.rename(blobs)
    look(manual, 2, w={"gone": True, "leaving": True})
    look(manual)
    manual.drain()
    assert manual.read(record).counts.searchable == 6
