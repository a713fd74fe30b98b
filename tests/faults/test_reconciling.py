"""Reconciling: who is charged for what, and what waits, by what the workers say of themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from manual_system import ManualSystem
from system import archive, picture

from visearch.contract import DECODE_CHUNK, PLAN_IMPORT
from visearch.errors import DependencyUnavailable
from visearch.importing import planning, progress, reconcile
from visearch.importing.reconcile import Reconciler
from visearch.records import Import
from visearch.store import imports


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
