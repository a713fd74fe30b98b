"""A retry does what failed, and only that; work that was given up can be found and sent again."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from manual_system import ManualSystem
from system import archive, picture

from visearch.contract import DECODE_CHUNK, EMBED_CHUNK, PLAN_IMPORT
from visearch.errors import Conflict, Gone, NotFound
from visearch.importing import planning, progress
from visearch.importing.retrying import retry
from visearch.records import Import
from visearch.store import claims, imports, retention


@pytest.fixture
def manual(tmp_path: Path) -> ManualSystem:
    made = ManualSystem(tmp_path / "home", chunk_items=3, max_attempts=1)
    made.catalog("c")
    return made


def files(n: int) -> bytes:
    return archive((f"p{i}.jpg", picture(i, side=64)) for i in range(n))


def lose(manual: ManualSystem, task: str) -> None:
    """Let the next chunk at this stage fail for good."""
    message, *others = manual.take(task)
    manual.queue += others
    assert manual.claim(message) is not None
    with manual.database.read() as connection:
        claim = claims.held(connection, message[1])
    assert claim is not None
    progress.give_back(manual.backend, claim, code="worker_lost", detail="for the test")


def dead(manual: ManualSystem) -> list[str]:
    with manual.database.read() as connection:
        return [record.id for record in imports.given_up(connection, "", 9)]


def assert_whole(manual: ManualSystem, record: Import, n: int) -> None:
    done = manual.read(record)
    counts = done.counts
    assert (done.status, counts.searchable, counts.failed) == ("succeeded", n, 0)
    assert (counts.fetched, counts.decoded, counts.embedded) == (n, n, n)
    assert all(manual.product("c", f"p{i}") for i in range(n))
    assert dead(manual) == []


@pytest.mark.parametrize("task", [DECODE_CHUNK, EMBED_CHUNK])
def test_only_what_failed_is_done_again(manual: ManualSystem, task: str) -> None:
    record = manual.accept("c", files(9))
    manual.run(manual.take(PLAN_IMPORT)[0])
    if task == EMBED_CHUNK:
        manual.run(manual.queue.pop(0))
    lose(manual, task)
    manual.drain()
    done = manual.read(record)
    assert (done.status, done.counts.searchable, done.counts.failed) == ("partial", 6, 3)
    assert (done.given_up, dead(manual)) == (3, [record.id])
    retry(manual.backend, done)
    assert manual.read(record).status == "running"
    assert len(manual.queue) == 1
    manual.drain()
    assert_whole(manual, record, 9)


def test_a_cancelled_import_goes_on_where_it_was(
    manual: ManualSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "LEDGER_BATCH", 3)
    monkeypatch.setattr(planning, "LONGEST_TURN_S", 0.0)
    record = manual.accept("c", files(9))
    manual.run(manual.take(PLAN_IMPORT)[0])  # a third of the list
    with manual.database.write() as connection:
        progress.cancel(connection, record)
    manual.drain()
    done = manual.read(record)
    assert (done.status, done.counts.items, done.counts.failed) == ("cancelled", 3, 3)
    retry(manual.backend, done)
    manual.drain()
    assert_whole(manual, record, 9)


def test_planning_that_was_given_up_is_begun_again(manual: ManualSystem) -> None:
    record = manual.accept("c", files(3))
    ((_, payload),) = manual.take(PLAN_IMPORT)
    with manual.database.write() as connection:
        imports.take_plan(connection, record.id, 1, "w")
    planning.give_back(manual.backend, payload, "plan_failed", "for the test")
    assert manual.read(record).status == "failed" and dead(manual) == [record.id]
    retry(manual.backend, manual.read(record))
    manual.drain()
    assert_whole(manual, record, 3)


def test_a_retry_does_not_undo_later_writes(manual: ManualSystem) -> None:
    record = manual.accept("c", files(3))
    manual.run(manual.take(PLAN_IMPORT)[0])
    lose(manual, DECODE_CHUNK)
    manual.put("c", "p1", picture(50, side=64), title="later")
    manual.drain()
    retry(manual.backend, manual.read(record))
    manual.drain()
    assert manual.codes(record) == [None, "superseded", None]
    found = manual.product("c", "p1")
    assert found is not None and found.title == "later"
    with pytest.raises(Conflict, match="None of the failures"):
        retry(manual.backend, manual.read(record))


def test_what_cannot_be_retried_says_why(manual: ManualSystem) -> None:
    running = manual.accept("c", files(3))
    with pytest.raises(Conflict, match="still under way"):
        retry(manual.backend, running)
    rows = b"id,image\na,gone.jpg\n"
    hopeless = manual.accept("c", archive([("manifest.csv", rows), ("1.jpg", b"x")]))
    manual.drain()
    with pytest.raises(Conflict, match="Correct the file"):
        retry(manual.backend, manual.read(hopeless))
    with manual.database.write() as connection:
        assert retention.forget_upload(connection, hopeless.pk, time.time())
    with pytest.raises(Gone, match="Upload it again"):
        retry(manual.backend, manual.read(hopeless))


def test_a_retry_into_a_deleted_catalog_is_refused(manual: ManualSystem) -> None:
    """Also one whose request has found the catalog before it was deleted."""
    record = manual.accept("c", files(6), mode="replace")
    manual.run(manual.take(PLAN_IMPORT)[0])
    lose(manual, DECODE_CHUNK)
    manual.drain()
    found = manual.read(record)
    assert found.status == "partial"
    progress.remove_catalog(manual.backend, "c")
    with pytest.raises(NotFound, match="was deleted"):
        retry(manual.backend, found)
    assert manual.read(record).status == "partial" and manual.queue == []


def test_a_single_product_can_be_retried(manual: ManualSystem) -> None:
    record = manual.put("c", "p0", picture(0, side=64), title="T")
    lose(manual, DECODE_CHUNK)
    assert manual.read(record).status == "failed"
    retry(manual.backend, manual.read(record))
    manual.drain()
    assert_whole(manual, record, 1)
    found = manual.product("c", "p0")
    assert found is not None and found.title == "T"
