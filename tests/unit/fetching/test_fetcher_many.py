"""Many URLs at a time: in any order, in bounded memory, and none waits for somebody else's host."""

from __future__ import annotations

import gc
import threading
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest
from picture_server import LIMITS, MIB, PNG, Host, Town, failed, memory_below

from visearch.fetching import Failed, Fetched, Fetcher, Wanted
from visearch.settings import Settings

SETTINGS = Settings(fetch_allow="127.0.0.0/8", fetch_ports="all")
PATIENT = replace(LIMITS, connect_s=10.0, answer_s=5.0, whole_s=20.0)
"""Client and hosts share one busy machine, and many requests at a time make it slow."""


@pytest.fixture
def fetcher() -> Iterator[Fetcher]:
    """One that may reach every host of these tests."""
    with Fetcher(SETTINGS, limits=PATIENT) as made:
        yield made


@pytest.fixture(scope="module")
def hosts(town: Town) -> list[Host]:
    """Ten hosts."""
    return [town.host(f"127.0.0.{n}") for n in range(11, 21)]


def test_every_url_has_one_outcome(fetcher: Fetcher, hosts: list[Host]) -> None:
    paths = ("/picture", "/status/404", "/page", "/to//picture")
    wanted = [
        Wanted(host.url(path), key=n)
        for n, (host, path) in enumerate((h, p) for _ in range(8) for h in hosts for p in paths)
    ]
    outcomes = list(fetcher.fetch_many(wanted))
    assert {outcome.wanted.key for outcome in outcomes} == set(range(320))
    assert len(outcomes) == 320
    fates = Counter(o.error.code if isinstance(o, Failed) else "fetched" for o in outcomes)
    assert fates == {"fetched": 160, "url_not_found": 80, "url_not_a_picture": 80}


def test_a_host_is_asked_for_a_few_at_a_time(fetcher: Fetcher, hosts: list[Host]) -> None:
    host = hosts[0]
    host.most = 0
    outcomes = list(fetcher.fetch_many(Wanted(host.url("/brief")) for _ in range(40)))
    assert all(isinstance(outcome, Fetched) for outcome in outcomes)
    assert host.most == PATIENT.per_host


def test_one_host_of_ten_that_hangs_does_not_slow_the_others(
    fetcher: Fetcher, hosts: list[Host]
) -> None:
    """Its URLs come first, and more of them than are fetched at a time."""
    dead, *alive = hosts
    dead.most = 0
    wanted = [Wanted(dead.url("/hang")) for _ in range(100)]
    wanted += [Wanted(host.url("/brief")) for _ in range(12) for host in alive]
    begun = time.monotonic()
    outcomes = list(fetcher.fetch_many(wanted))
    assert time.monotonic() - begun < PATIENT.answer_s + 4
    good, bad = outcomes[:108], [failed(outcome) for outcome in outcomes[108:]]
    assert all(isinstance(outcome, Fetched) for outcome in good)
    assert len(bad) == 100 and {outcome.error.code for outcome in bad} == {"url_timeout"}
    assert sum(outcome.tried for outcome in bad) == dead.most == PATIENT.per_host
    assert all(outcome.retry_after_s and outcome.retry_after_s > 5 for outcome in bad)
    begun = time.monotonic()  # the host is known now, and costs the next call nothing
    assert not failed(fetcher.fetch(Wanted(dead.url("/hang")))).tried
    assert time.monotonic() - begun < 2


def test_pictures_that_wait_to_be_taken_are_bounded(hosts: list[Host]) -> None:
    with Fetcher(SETTINGS, limits=replace(PATIENT, at_once=4)) as fetcher:
        size = MIB - 1
        before = sum(len(host.asked) for host in hosts)
        wanted = (Wanted(hosts[n % 10].url(f"/large/{size}")) for n in range(24))
        with memory_below(12 * MIB):
            taken = fetcher.fetch_many(wanted)
            first = next(taken)
            time.sleep(0.5)
            ahead = sum(len(host.asked) for host in hosts) - before
            rest = list(map(_size, taken))
    assert isinstance(first, Fetched) and rest == [size] * 23
    assert ahead <= 5


def _size(outcome: object) -> int:
    assert isinstance(outcome, Fetched)
    return len(outcome.data)


def test_urls_are_read_a_little_ahead_in_the_thread_that_asks(
    fetcher: Fetcher, hosts: list[Host]
) -> None:
    read = 0

    def source() -> Iterator[Wanted]:
        nonlocal read
        for n in range(400):
            assert threading.current_thread() is threading.main_thread()
            read += 1
            yield Wanted(hosts[n % 10].url("/picture"))

    taken = fetcher.fetch_many(source())
    next(taken)
    assert read <= 256
    assert sum(1 for _ in taken) == 399


def test_what_there_is_no_time_for_is_said_to_be_so(fetcher: Fetcher, hosts: list[Host]) -> None:
    begun = time.monotonic()
    wanted = [Wanted(hosts[1].url("/slow"), key=n) for n in range(300)]
    outcomes = [failed(outcome) for outcome in fetcher.fetch_many(wanted, within_s=0.5)]
    assert time.monotonic() - begun < 2.5
    assert len(outcomes) == 300
    assert {outcome.error.code for outcome in outcomes} == {"url_timeout"}
    assert sum(outcome.tried for outcome in outcomes) == PATIENT.per_host
    assert all(outcome.retry_after_s for outcome in outcomes)
    before = hosts[1].connections
    none = [failed(outcome) for outcome in fetcher.fetch_many(wanted, within_s=0)]
    assert len(none) == 300 and not any(outcome.tried for outcome in none)
    assert hosts[1].connections == before
    # Our own hurry is not the host's fault.
    assert isinstance(fetcher.fetch(Wanted(hosts[1].url("/picture"))), Fetched)


def test_whoever_stops_early_cancels_the_rest(fetcher: Fetcher, hosts: list[Host]) -> None:
    wanted = [Wanted(host.url(path)) for host in hosts for path in ("/picture", "/hang", "/slow")]
    taken = fetcher.fetch_many(wanted)
    next(taken)
    taken.close()  # type: ignore[attr-defined]
    deadline = time.monotonic() + 5
    while any(host.now for host in hosts) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not any(host.now for host in hosts)


def test_whoever_stops_early_leaves_no_file_open(hosts: list[Host]) -> None:
    with warnings.catch_warnings(record=True) as unclosed:
        warnings.simplefilter("always", ResourceWarning)
        with Fetcher(SETTINGS, limits=PATIENT) as fetcher:
            for n in range(100):
                taken = fetcher.fetch_many(Wanted(hosts[0].url("/picture")) for _ in range(64))
                for _ in range(n % 4 + 1):
                    next(taken)
                taken.close()  # type: ignore[attr-defined]
        del taken
        gc.collect()
    assert not [str(warning.message) for warning in unclosed]


def test_an_error_of_the_source_ends_the_call(fetcher: Fetcher, hosts: list[Host]) -> None:
    def source() -> Iterator[Wanted]:
        yield Wanted(hosts[0].url("/picture"))
        raise RuntimeError("The rows are gone.")

    with pytest.raises(RuntimeError, match="rows are gone"):
        list(fetcher.fetch_many(source()))


def test_threads_share_a_fetcher(fetcher: Fetcher, hosts: list[Host]) -> None:
    sizes: list[int] = []

    def work() -> None:
        wanted = (Wanted(host.url("/brief")) for host in hosts)
        sizes.extend(_size(outcome) for outcome in fetcher.fetch_many(wanted))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for host in hosts:
        host.most = 0
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sizes == [len(PNG)] * 80
    assert max(host.most for host in hosts) <= PATIENT.per_host
