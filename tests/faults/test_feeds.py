"""Feeds whose workers die, race each other and other writes, or find no room."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from fed import ADDRESS, Fed
from picture_server import Host, Town, drawn

from visearch.errors import DependencyUnavailable
from visearch.importing import feed_files, progress
from visearch.importing import feeds as feeding
from visearch.importing.feed_files import fetch_next
from visearch.importing.retrying import retry
from visearch.records import Import
from visearch.store import catalogs, feed_runs, feed_turns, feeds, imports, ledger, products
from visearch.store.feed_runs import FeedRun
from visearch.store.schema_feeds import feed_rows
from visearch.store.schema_feeds import feed_runs as run_rows
from visearch.store.schema_feeds import feeds as feed_table


@pytest.fixture(scope="module")
def shop() -> Iterator[Host]:
    town = Town()
    yield town.host(ADDRESS)
    town.close()


@pytest.fixture
def fed(tmp_path: Path, shop: Host) -> Iterator[Fed]:
    made = Fed(tmp_path / "home", shop)
    yield made
    made.backend.close_fetcher()


def shown(run: FeedRun) -> tuple[Any, ...]:
    return (run.status, *run.difference)


def test_the_run_of_a_dead_worker_is_taken_by_another(fed: Fed) -> None:
    fed.begin()
    assert fed.take() is not None and fed.take() is None and not feeding.look(fed.backend)
    fed.run_out()
    fed.go_on()
    assert shown(fed.last()) == ("succeeded", 2, 0, 0, 0, 0)


def test_slow_hosts_of_a_catalog_keep_no_other_waiting(fed: Fed) -> None:
    fed.catalog("other")
    with fed.database.write() as connection:
        for name in ("c", "other"):
            catalog = catalogs.get(connection, name)
            for n in range(4):
                said: Any = {"schedule": None, "mode": "upsert", "guard": None, "paused": False}
                url = fed.shop.url("/hang")
                feed, _ = feeds.put(connection, catalog, f"slow-{n}", url=url, **said)
                feed_runs.create(connection, feed, "request")
    taken = [turn for turn in iter(fed.take, None) if turn is not None]
    assert [turn.feed.catalog for turn in taken] == ["c", "c", "other", "other"]


def test_a_worker_that_is_late_imports_nothing(fed: Fed) -> None:
    fed.begin()
    late = fed.take()
    assert late is not None
    fed.run_out()
    fed.go_on()
    with pytest.raises(feed_files._Lost):
        feed_files._fetch(fed.backend, late)
    assert fed.queue == [] and list(fed.blobs.list("uploads")) != []
    with fed.database.read() as connection:
        catalog = catalogs.get(connection, "c")
        assert len(imports.page(connection, catalog, "file", "", 10)) == 1
    assert len(list(fed.blobs.list("uploads"))) == 1


def test_a_run_that_finds_no_room_waits(fed: Fed) -> None:
    fed.begin()
    limit, fed.settings.__dict__["import_queue_limit"] = fed.settings.import_queue_limit, 0
    assert fetch_next(fed.backend, "w")
    run = fed.last()
    assert (run.status, run.error_code, run.tries) == ("waiting", "overloaded", 0)
    assert run.next_try_at is not None and not feeding.look(fed.backend)
    fed.settings.__dict__["import_queue_limit"] = limit
    with fed.database.write() as connection:
        connection.execute(sa.update(run_rows).values(not_before=1.0))
    fed.go_on()
    assert fed.last().status == "succeeded"


def test_a_due_feed_is_begun_once_and_skipped_while_it_runs(fed: Fed) -> None:
    fed.feed(schedule={"every": 60})
    with fed.database.write() as connection:
        connection.execute(sa.text("UPDATE feeds SET next_run_at = 1.0"))
    feeding.look(fed.backend)
    first = fed.last()
    with fed.database.write() as connection:
        connection.execute(sa.text("UPDATE feeds SET next_run_at = 1.0"))
    feeding.look(fed.backend)
    assert fed.last().id == first.id and first.cause == "schedule"
    with fed.database.read() as connection:
        assert feeds.due(connection, time.time()) == []


def test_a_run_wins_over_an_earlier_write_that_is_not_finished(fed: Fed) -> None:
    assert shown(fed.full_run()) == ("succeeded", 2, 0, 0, 0, 0)
    earlier = fed.put("c", "p0", drawn(9), title="Earlier")
    held = fed.queue[:]
    fed.queue.clear()
    run = fed.full_run()
    assert shown(run) == ("succeeded", 0, 2, 0, 0, 0), "nothing is taken for granted"
    fed.queue.extend(held)
    fed.drain()
    product = fed.product("c", "p0")
    assert product is not None and product.title == "A"
    assert fed.codes(earlier) == ["superseded"]


def test_what_a_cancelled_run_has_not_written_is_written_by_the_next(fed: Fed) -> None:
    fed.full_run()
    fed.write("Other", "B", "C")
    fed.begin()
    while feeding.look(fed.backend):
        fetch_next(fed.backend, "w")
    fed.run(fed.queue.pop(0))
    run = fed.last()
    assert run.import_id is not None and shown(run) == ("importing", 1, 1, 1, 0, 0)
    with fed.database.write() as connection:
        progress.cancel(connection, imports.by_id(connection, run.import_id))
    fed.queue.clear()
    feeding.look(fed.backend)
    assert shown(fed.last()) == ("cancelled", 1, 1, 1, 0, 2)
    assert shown(fed.full_run()) == ("succeeded", 1, 1, 1, 0, 0)


def test_an_import_that_is_retried_at_its_end_keeps_its_run_open(fed: Fed) -> None:
    fed.shop.files["late.png"] = b"no picture"
    fed.write("A")
    fed.shop.files["feed.csv"] += f"late,{fed.shop.url('/file/late.png')},L\n".encode()
    fed.begin()
    while feeding.look(fed.backend):
        fetch_next(fed.backend, "w")
    fed.drain()
    fed.shop.files["late.png"] = drawn(77)
    run = fed.last()
    assert run.import_id is not None
    with fed.database.read() as connection:
        record = imports.by_id(connection, run.import_id)
    retry(fed.backend, record)
    feeding.look(fed.backend)
    assert fed.last().status == "importing"
    fed.go_on()
    assert shown(fed.last()) == ("succeeded", 2, 0, 0, 0, 0)


def test_digests_of_products_that_are_gone_are_forgotten(fed: Fed) -> None:
    fed.full_run()
    fed.write("A")
    fed.full_run()
    with fed.database.read() as connection:
        known = list(connection.execute(sa.select(feed_rows.c.product_id)).scalars())
    assert known == ["p0"]


def test_a_feed_that_is_deleted_while_it_runs_imports_nothing(fed: Fed) -> None:
    fed.begin()
    turn = fed.take()
    assert turn is not None
    with fed.database.write() as connection:
        feeds.delete(connection, turn.feed)
    with pytest.raises(feed_files._Lost):
        feed_files._fetch(fed.backend, turn)
    assert not feeding.look(fed.backend)
    assert list(fed.blobs.list("uploads")) == []


def test_only_the_last_runs_are_kept(fed: Fed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_runs, "KEPT", 2)
    ids = [fed.full_run().id for _ in range(4)]
    with fed.database.read() as connection:
        feed = feeds.get(connection, catalogs.get(connection, "c"), "main")
        assert [run.id for run in feed_runs.page(connection, feed, "", 9)] == ids[:-3:-1]


def test_a_run_whose_workers_all_die_fails(fed: Fed) -> None:
    fed.begin()
    for _ in range(feed_files.MOST_TAKEN):
        assert fed.take() is not None
        fed.run_out()
    fed.go_on()
    run = fed.last()
    assert (run.status, run.error_code) == ("failed", "worker_lost")


def test_a_run_waits_no_longer_than_a_picture_does(
    fed: Fed, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **__: object) -> None:
        raise DependencyUnavailable("The blob store does not answer.", "blob store")

    monkeypatch.setattr(feed_files, "store_file", away)
    fed.begin()
    fed.go_on()
    assert (fed.last().status, fed.last().error_code) == ("waiting", "dependency_unavailable")
    with fed.database.write() as connection:
        connection.execute(sa.update(run_rows).values(not_before=1.0, created_at=1.0))
    fed.go_on()
    assert (fed.last().status, fed.last().error_code) == ("failed", "dependency_unavailable")


def test_a_fault_of_ours_ends_the_run(fed: Fed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_files, "_came", lambda *_: 1 / 0)
    fed.begin()
    fed.go_on()
    assert (fed.last().status, fed.last().error_code) == ("failed", "internal_error")


def test_a_feed_that_is_stated_anew_while_it_is_fetched_is_fetched_again(fed: Fed) -> None:
    fed.full_run()
    fed.begin()
    turn = fed.take()
    assert turn is not None
    fed.feed(mode="replace", guard=1.0)
    fed.put("c", "other", drawn(50))
    fed.drain()
    fed.write("A")
    with pytest.raises(feed_files._Restated):
        feed_files._fetch(fed.backend, turn)
    with fed.database.write() as connection:
        feed_turns.release(connection, turn)
    fed.go_on()
    assert shown(fed.last()) == ("succeeded", 0, 0, 1, 2, 0)


def test_what_failed_is_taken_up_by_schedule_after_a_time(fed: Fed) -> None:
    fed.shop.files["late.png"] = b"no picture"
    fed.shop.files["feed.csv"] += f"late,{fed.shop.url('/file/late.png')},L\n".encode()
    assert shown(fed.full_run("schedule")) == ("partial", 3, 0, 0, 0, 1)
    fed.shop.files["late.png"] = drawn(78)
    assert fed.full_run("schedule").status == "unchanged"
    with fed.database.write() as connection:
        connection.execute(sa.update(feed_table).values(look_again_at=1.0))
    assert shown(fed.full_run("schedule")) == ("succeeded", 1, 0, 2, 0, 0)
    assert fed.full_run("schedule").status == "unchanged"


def test_a_retried_import_of_before_is_set_right_by_the_next_run(fed: Fed) -> None:
    fed.full_run()
    fed.shop.files["earlier.png"] = b"no picture"
    earlier = fed.put("c", "p0", fed.shop.url("/file/earlier.png"), title="Earlier")
    fed.drain()
    assert fed.codes(earlier) == ["url_not_a_picture"]
    fed.full_run()
    fed.shop.files["earlier.png"] = drawn(79)
    retry(fed.backend, fed.read(earlier))
    fed.drain()
    assert shown(fed.full_run()) == ("succeeded", 0, 1, 1, 0, 0)
    product = fed.product("c", "p0")
    assert product is not None and product.title == "A"


def test_a_product_is_left_alone_as_a_whole_or_not_at_all(
    fed: Fed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its pictures are listed in two batches, and it is changed by hand between the two."""
    urls = "|".join(fed.shop.url(f"/drawn/{n}") for n in range(20, 26))
    fed.shop.files["feed.csv"] = f"id,image,title\np0,{urls},A\n".encode()
    fed.settings.__dict__["chunk_items"] = 3
    monkeypatch.setattr("visearch.importing.planning.LEDGER_BATCH", 3)
    fed.full_run()
    add, patched = ledger.add_items, list[int]()

    def patch_between(connection: Any, import_pk: int, first: int, items: Any) -> None:
        add(connection, import_pk, first, items)
        if first == 0:
            patched.append(import_pk)
            changes = {"title": "By hand"}
            catalog = catalogs.get(connection, "c")
            products.describe(connection, catalog, "p0", changes)

    monkeypatch.setattr(ledger, "add_items", patch_between)
    fed.shop.files["feed.csv"] += f"p1,{fed.shop.url('/drawn/1')},B\n".encode()
    run = fed.full_run()
    assert patched and shown(run) == ("succeeded", 1, 0, 1, 0, 0)
    product = fed.product("c", "p0")
    assert product is not None and len(product.images) == 6 and product.title == "By hand"
    assert shown(fed.full_run()) == ("succeeded", 0, 1, 1, 0, 0)


def test_older_runs_keep_only_what_they_have_changed(fed: Fed) -> None:
    runs = []
    for n in range(6):
        fed.write("A", f"B{n}")
        runs.append(fed.full_run())
    assert [shown(run)[3] for run in runs] == [0, 1, 1, 1, 1, 1]
    with fed.database.read() as connection:
        items = [ledger.planned_items(connection, run.import_pk or 0) for run in runs]
        catalog = catalogs.get(connection, "c")
        kept = [each.source for each in imports.page(connection, catalog, "file", "", 10)]
    assert items == [2, 1, 1, 2, 2, 2]
    assert [bool(source) for source in kept] == [True, True, True, False, False, False]
    assert len(list(fed.blobs.list("uploads"))) == 3


def test_an_older_run_that_is_retried_just_now_still_names_what_was_unchanged(
    fed: Fed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ``replace`` that ends again removes what its ledger does not name."""
    fed.feed(mode="replace")
    fed.shop.files["late.png"] = b"no picture"
    runs = []
    for n in range(4):
        fed.write("A", f"B{n}")
        fed.shop.files["feed.csv"] += f"late,{fed.shop.url('/file/late.png')},L{n}\n".encode()
        runs.append(fed.full_run())
    assert [run.status for run in runs] == ["partial"] * 4
    fed.shop.files["late.png"] = drawn(80)
    read, retried = imports.by_pk, list[int]()

    def retry_after(connection: Any, import_pk: int) -> Import:
        record = read(connection, import_pk)
        if import_pk == runs[1].import_pk and not retried:
            retried.append(import_pk)
            retry(fed.backend, record)
        return record

    monkeypatch.setattr(imports, "by_pk", retry_after)
    fed.write("A", "B4")
    fed.full_run()
    fed.drain()
    assert retried and fed.product("c", "p0") is not None


def test_a_paused_feed_gives_up_its_wait(fed: Fed) -> None:
    fed.begin()
    turn = fed.take()
    assert turn is not None
    with fed.database.write() as connection:
        feed_runs.cancel(connection, turn.feed)
    with pytest.raises(feed_files._Lost):
        feed_files._fetch(fed.backend, turn)
    assert fed.last().status == "cancelled" and fed.queue == []
