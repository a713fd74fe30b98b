"""A replace changes nothing before its guard has seen the whole file, whoever dies meanwhile."""

from __future__ import annotations

from pathlib import Path

import pytest
from manual_system import ManualSystem
from system import archive, picture

from visearch.contract import DECODE_CHUNK, PLAN_IMPORT
from visearch.importing import planning
from visearch.importing.retrying import retry
from visearch.store import catalogs, products


@pytest.fixture
def manual(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ManualSystem:
    """A catalog of 16 products; a file is listed three items at a time."""
    made = ManualSystem(tmp_path / "home", chunk_items=2)
    made.catalog("c")
    made.accept("c", files(16))
    made.drain()
    monkeypatch.setattr(planning, "LEDGER_BATCH", 3)
    monkeypatch.setattr(planning, "TURN_S", 0.0)
    monkeypatch.setattr(made.backend, "waits", lambda queue: True)
    return made


def files(count: int, first: int = 0) -> bytes:
    return archive((f"p{i}.jpg", picture(i, side=48)) for i in range(first, first + count))


def count(manual: ManualSystem) -> int:
    with manual.database.read() as connection:
        return products.count(connection, catalogs.get(connection, "c").pk)[0]


def plan(manual: ManualSystem) -> None:
    """Read a file to its end, in as many turns as that takes."""
    while plans := manual.take(PLAN_IMPORT):
        assert manual.queue == [], "nothing is sent before the end"
        manual.run(plans[0])


def test_no_chunk_is_sent_before_the_file_was_read(manual: ManualSystem) -> None:
    record = manual.accept("c", files(14), "replace")
    plan(manual)
    assert manual.read(record).planned and {task for task, _ in manual.queue} == {DECODE_CHUNK}
    manual.drain()
    assert (manual.read(record).status, count(manual)) == ("succeeded", 14)


def test_a_guarded_replace_changes_nothing(manual: ManualSystem) -> None:
    record = manual.accept("c", files(4), "replace")
    plan(manual)
    assert manual.queue == []
    done = manual.read(record)
    assert (done.status, done.error_code, done.planned) == ("failed", "replace_guarded", False)
    assert (done.counts.items, done.counts.failed, count(manual)) == (4, 4, 16)


def test_a_retry_asks_the_guard_again(manual: ManualSystem) -> None:
    record = manual.accept("c", files(4), "replace")
    plan(manual)
    revived = retry(manual.backend, manual.read(record))
    assert revived.status == "received"
    plan(manual)
    assert (manual.read(record).error_code, manual.queue) == ("replace_guarded", [])
    for number in range(4, 15):
        with manual.database.write() as connection:
            products.delete(connection, catalogs.get(connection, "c"), f"p{number}")
    retry(manual.backend, manual.read(record))
    plan(manual)
    manual.drain()
    assert (manual.read(record).status, count(manual)) == ("succeeded", 4)


def test_a_share_that_is_stated_is_exact(manual: ManualSystem) -> None:
    strict = manual.accept("c", files(14), "replace", guard=0.1)
    plan(manual)
    assert manual.read(strict).error_code == "replace_guarded"
    exact = manual.accept("c", files(14), "replace", guard=0.125)
    plan(manual)
    manual.drain()
    assert (manual.read(exact).status, count(manual)) == ("succeeded", 14)


def test_a_file_of_nothing_but_failures_is_not_guarded(manual: ManualSystem) -> None:
    data = archive([("l.csv", b"id,image\n1,none.jpg\n")])
    record = manual.accept("c", data, "replace", guard=0)
    plan(manual)
    done = manual.read(record)
    assert (done.status, done.error_code, count(manual)) == ("failed", None, 16)
