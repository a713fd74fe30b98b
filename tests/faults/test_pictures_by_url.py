"""Pictures by URL, whatever their hosts do: put off within bounds, and the books stay right."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from manual_system import ManualSystem
from picture_server import Host, Town, drawn

from visearch.contract import DECODE_CHUNK, EMBED_CHUNK, PLAN_IMPORT
from visearch.importing import remote
from visearch.importing.progress import cancel
from visearch.importing.reconcile import Reconciler
from visearch.importing.retrying import retry
from visearch.records import Import, ImportItem
from visearch.store import chunks, ledger

SOONEST_S, LATEST_S = 800.0, 1200.0
"""When the second try of 1,000 s may come: waits vary by a fifth."""

SHOP, OTHER = "127.0.0.2", "127.0.0.4"


@pytest.fixture(scope="module")
def town() -> Iterator[Town]:
    running = Town()
    yield running
    running.close()


@pytest.fixture
def shop(town: Town) -> Host:
    return town.host(SHOP)


@pytest.fixture
def manual(tmp_path: Path) -> Iterator[ManualSystem]:
    yield from system_at(tmp_path)


def system_at(path: Path, **settings: Any) -> Iterator[ManualSystem]:
    ours: dict[str, Any] = {
        "fetch_allow": f"{SHOP},{OTHER}",
        "fetch_ports": "all",
        "fetch_retry_s": 1000.0,
        "fetch_tries": 3,
    }
    made = ManualSystem(path / "home", **(ours | settings))
    made.catalog("c")
    yield made
    made.backend.close_fetcher()
    made.database.close()


def table(*urls: str) -> bytes:
    return b"id,image\n" + "".join(f"p{i},{url}\n" for i, url in enumerate(urls)).encode()


def items(manual: ManualSystem, record: Import) -> list[ImportItem]:
    with manual.database.read() as connection:
        return ledger.items(connection, manual.read(record), limit=1000)


def make_due(manual: ManualSystem) -> None:
    """Let the time come for all that is put off, and look."""
    with manual.database.write() as connection:
        connection.exec_driver_sql("UPDATE chunks SET not_before = 1 WHERE not_before > 0")
    Reconciler().look(manual.backend, {}, lambda _queue: 0)


def rest(manual: ManualSystem) -> None:
    """Forget which hosts are slow: as another process."""
    manual.backend.close_fetcher()


def test_what_may_pass_is_put_off_alone_and_fails_in_the_end(
    manual: ManualSystem, shop: Host
) -> None:
    begun = time.time()
    record = manual.accept("c", table(*map(shop.url, ("/drawn/1", "/status/503", "/drawn/2"))))
    manual.drain()
    first, late, last = items(manual, record)
    assert (first.status, last.status) == ("searchable", "searchable")
    assert (late.status, late.stage, late.code, late.attempts) == (
        "pending",
        "fetch",
        "url_error",
        1,
    )
    assert late.detail and "503" in late.detail and late.next_try_at
    assert begun + SOONEST_S <= late.next_try_at.timestamp() <= time.time() + LATEST_S
    assert manual.read(record).status == "running" and manual.read(record).counts.failed == 0
    Reconciler().look(manual.backend, {}, lambda _queue: 0)
    assert manual.queue == [], "it is not sent before its time"
    for attempts, factor in ((2, 3.6), (3, 0)):  # an hour at most
        rest(manual)
        make_due(manual)
        sent = items(manual, record)[1]
        assert sent.next_try_at is None and len(manual.queue) == 1
        begun = time.time()
        manual.drain()
        late = items(manual, record)[1]
        assert late.attempts == attempts
        if factor:
            assert late.next_try_at
            due = late.next_try_at.timestamp()
            assert begun + SOONEST_S * factor <= due <= time.time() + LATEST_S * factor
    assert (late.status, late.next_try_at) == ("failed", None)
    assert late.detail and late.detail.endswith("It was tried 3 times.")
    done = manual.read(record)
    assert (done.status, done.counts.searchable, done.counts.failed) == ("partial", 2, 1)
    assert shop.counts["/status/503"] == 3


def test_what_comes_back_is_searchable_and_no_failure_is_left(
    manual: ManualSystem, shop: Host
) -> None:
    record = manual.accept("c", table(shop.url("/down-once"), shop.url("/drawn/3")))
    manual.drain()
    make_due(manual)
    manual.drain()
    done = manual.read(record)
    assert (done.status, done.counts.fetched, done.counts.embedded) == ("succeeded", 2, 2)
    assert [(i.code, i.detail, i.attempts) for i in items(manual, record)] == [
        (None, None, 2),
        (None, None, 1),
    ]


def test_a_host_that_hangs_costs_its_chunk_a_bounded_time(
    tmp_path: Path, shop: Host, town: Town
) -> None:
    manual = next(made := system_at(tmp_path, fetch_timeout_s=0.8, fetch_chunk_s=2.0))
    slow, fine = [shop.url(f"/hang/{i}") for i in range(30)], town.host(OTHER).url("/drawn/4")
    record = manual.accept("c", table(*slow[:15], fine, *slow[15:]))
    for _ in range(3):
        begun = time.monotonic()
        manual.drain()
        assert time.monotonic() - begun < 5  # four at a time would take six
        assert manual.read(record).counts.searchable == 1
        rest(manual)
        make_due(manual)
    done = manual.read(record)
    assert (done.status, done.counts.failed) == ("partial", 30)
    assert set(manual.codes(record)) == {None, "url_timeout"}
    assert shop.connections < 3 * 8, "most are never tried by themselves"
    next(made, None)


def test_a_host_that_asks_to_be_left_alone_gets_the_time_it_asks_for(
    tmp_path: Path, shop: Host
) -> None:
    """Pictures that it had no turn for do not count as tried, but not for ever."""
    manual = next(made := system_at(tmp_path, fetch_retry_s=1.0, fetch_per_host=1))
    record = manual.accept("c", table(shop.url("/status/429/5000"), shop.url("/drawn/5")))
    manual.drain()
    asked, waits = items(manual, record)
    assert (asked.attempts, asked.code, waits.attempts, waits.code) == (
        1, "url_rate_limited", 0, "url_rate_limited",
    )  # fmt: skip
    assert waits.next_try_at and waits.next_try_at.timestamp() - time.time() > 4900
    for _ in range(4):
        make_due(manual)
        manual.drain()
    assert [i.attempts for i in items(manual, record)] == [1, 0], "its host still rests"
    with manual.database.write() as connection:
        connection.exec_driver_sql("UPDATE chunks SET late_since = 1 WHERE late_since > 0")
    make_due(manual)
    manual.drain()
    assert manual.read(record).status == "failed"
    assert manual.codes(record) == ["url_rate_limited"] * 2
    next(made, None)


def test_a_dead_host_does_not_hold_its_pictures_for_ever(manual: ManualSystem) -> None:
    """Most of them are never tried by themselves: those that were tell."""
    urls = [f"http://{OTHER}:9/{i}.jpg" for i in range(60)]
    record = manual.accept("c", table(*urls))
    manual.drain()
    for _ in range(2):
        make_due(manual)
        manual.drain()
    assert manual.read(record).status == "failed"
    assert set(manual.codes(record)) == {"url_unreachable"}


def test_no_process_is_needed_to_remember_what_was_put_off(tmp_path: Path, shop: Host) -> None:
    manual = next(made := system_at(tmp_path))
    record = manual.accept("c", table(shop.url("/down-once"), shop.url("/drawn/6")))
    manual.drain()
    next(made, None)
    same = {"database_url": manual.settings.database}
    again = ManualSystem(tmp_path / "home", fetch_allow=SHOP, fetch_ports="all", **same)
    make_due(again)
    again.drain()
    assert again.read(record).status == "succeeded"
    again.backend.close_fetcher()
    again.database.close()


def test_what_was_put_off_ends_with_its_import_and_can_be_retried(
    manual: ManualSystem, shop: Host
) -> None:
    urls = [shop.url(path) for path in ("/down-once", "/drawn/7", "/status/404")]
    record = manual.accept("c", table(*urls))
    manual.drain()
    with manual.database.write() as connection:
        cancel(connection, manual.read(record))
    make_due(manual)
    assert manual.queue == []
    assert [(i.status, i.code, i.next_try_at) for i in items(manual, record)] == [
        ("failed", "cancelled", None),
        ("searchable", None, None),
        ("failed", "url_not_found", None),
    ]
    retry(manual.backend, manual.read(record))
    manual.drain()
    done = manual.read(record)
    assert (done.status, done.counts.searchable, done.counts.failed) == ("partial", 2, 1)
    assert shop.counts["/status/404"] == 2 and shop.counts["/drawn/7"] == 1


def test_a_replace_waits_for_what_was_put_off(manual: ManualSystem, shop: Host) -> None:
    manual.put("c", "old", drawn(8))
    manual.put("c", "p0", drawn(8))
    manual.drain()
    manual.accept("c", table(shop.url("/status/503"), shop.url("/drawn/9")), mode="replace")
    manual.drain()
    assert manual.product("c", "old") is not None
    for _ in range(2):
        rest(manual)
        make_due(manual)
        manual.drain()
    assert manual.product("c", "old") is None
    assert manual.product("c", "p0") is not None, "the file names it"


def test_a_crash_while_fetching_is_charged_apart(manual: ManualSystem, shop: Host) -> None:
    record = manual.accept("c", table(shop.url("/status/503"), shop.url("/status/503/1")))
    manual.drain()
    make_due(manual)
    for tries in (1, 2):
        claim = manual.claim(manual.take(DECODE_CHUNK)[0])
        assert claim is not None and (claim.fetches, claim.tries) == (1, tries)
        with manual.database.write() as connection:
            claim.give_back(connection, max_attempts=9, code="x", detail="x")
            chunks.top_up(connection, record.pk, 9)
        manual.backend.flush()
    assert {i.attempts for i in items(manual, record)} == {3}


def test_a_second_import_downloads_and_encodes_nothing(
    manual: ManualSystem, shop: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = table(*(shop.url(f"/drawn/{i}") for i in range(10, 15)), shop.url("/picture"))
    record = manual.accept("c", data)
    manual.drain()
    assert manual.read(record).counts.searchable == 6
    before = len(shop.asked)
    monkeypatch.setattr(manual.encoder, "embed_pixels", None)
    again = manual.accept("c", data)
    manual.drain()
    done = manual.read(again)
    assert (done.status, done.counts) == ("succeeded", manual.read(record).counts)
    asked = shop.asked[before:]
    assert len(asked) == 6
    assert [path for path, headers in asked if "if-none-match" not in headers] == ["/picture"]


def test_what_is_stored_no_more_comes_again(manual: ManualSystem, shop: Host) -> None:
    data = table(shop.url("/drawn/15"))
    manual.accept("c", data)
    manual.drain()
    monkey = manual.accept("c", table("http://127.0.0.3/x.jpg"), mode="replace")
    manual.drain()
    assert manual.codes(monkey) == ["url_refused_address"]
    with manual.database.write() as connection:
        connection.exec_driver_sql("UPDATE images SET removed = 1")
    for name in list(manual.blobs.list("pictures")):
        manual.blobs.delete(name)
    again = manual.accept("c", data)
    manual.drain()
    assert manual.read(again).status == "succeeded"
    assert [("if-none-match" in headers) for path, headers in shop.asked] == [False, True, False]


def test_an_embedding_that_went_meanwhile_is_made_again(manual: ManualSystem, shop: Host) -> None:
    data = table(shop.url("/drawn/16"), shop.url("/drawn/17"))
    manual.accept("c", data)
    manual.drain()
    again = manual.accept("c", data)
    for task in (PLAN_IMPORT, DECODE_CHUNK):
        manual.run(manual.take(task)[0])
    assert manual.read(again).counts.embedded == 2
    with manual.database.write() as connection:
        connection.exec_driver_sql("DELETE FROM embeddings")
    manual.run(manual.take(EMBED_CHUNK)[0])
    assert manual.read(again).counts.embedded == 0
    manual.drain()
    done = manual.read(again)
    assert (done.status, done.counts.embedded, done.counts.searchable) == ("succeeded", 2, 2)


def test_items_are_put_off_together_where_their_times_are_near(manual: ManualSystem) -> None:
    record = manual.accept("c", table(f"http://{OTHER}/a"))
    manual.run(manual.take(PLAN_IMPORT)[0])
    claim = manual.claim(manual.take(DECODE_CHUNK)[0])
    assert claim is not None and claim.record.id == record.id
    error = remote.UrlTimeout("It hangs.", passes=True)
    late = {
        i: remote.Later(error, wait_s, fetches)
        for i, (wait_s, fetches) in enumerate([(8, 1), (12, 1), (0, 0), (17, 1), (3600, 1), (9, 1)])
    }
    begun = time.time()
    groups = remote.grouped(claim, late)
    assert [sorted(group.items) for group in groups] == [[2], [0, 1, 3, 5], [4]]
    assert [group.delay.fetches for group in groups] == [0, 1, 1]
    assert begun + 16 < groups[1].delay.not_before < time.time() + 18
