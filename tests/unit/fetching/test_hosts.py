"""Turns at hosts: a few at a time, and rests for those that fail or ask for one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest
from loops import run

from visearch.errors import FetchError, UrlNotFound, UrlRateLimited, UrlTimeout, UrlUnreachable
from visearch.fetching.hosts import FAILURES, Hosts

DEAD = UrlTimeout("It takes too long.", passes=True)


async def use(hosts: Hosts, error: FetchError | None = None, key: str = "a:80") -> str:
    """Take a turn that ends with ``error``; return its class, or that of who was sent away."""
    try:
        async with hosts.turn(key, key.partition(":")[0]):
            if error is not None:
                raise error
    except FetchError as raised:
        return ("" if raised is error else "sent away ") + type(raised).__name__
    return "answered"


async def dead(hosts: Hosts) -> None:
    """Let a host fail until it rests."""
    for _ in range(FAILURES):
        assert await use(hosts, DEAD) == "UrlTimeout"


def test_a_host_has_a_few_at_a_time_and_others_do_not_wait_for_it() -> None:
    async def scenario() -> None:
        hosts, now, most = Hosts(2), 0, 0

        async def work() -> None:
            nonlocal now, most
            async with hosts.turn("a:80", "a"):
                now, most = now + 1, max(most, now + 1)
                await asyncio.sleep(0.02)
                now -= 1

        works = [asyncio.create_task(work()) for _ in range(8)]
        await asyncio.sleep(0.01)
        begun = time.monotonic()
        assert await use(hosts, key="b:80") == "answered"
        assert await use(hosts, key="a:8080") == "answered"
        assert time.monotonic() - begun < 0.02 or now
        await asyncio.gather(*works)
        assert most == 2

    run(scenario())


def test_a_host_that_fails_again_and_again_is_left_alone() -> None:
    async def scenario() -> None:
        hosts = Hosts(4)
        for _ in range(3):  # a success between failures says that it lives
            for _ in range(FAILURES - 1):
                assert await use(hosts, DEAD) == "UrlTimeout"
            assert await use(hosts) == "answered"
        await dead(hosts)
        begun = time.monotonic()
        assert await use(hosts) == "sent away UrlTimeout"
        assert time.monotonic() - begun < 1
        assert await use(hosts, key="b:80") == "answered"
        with pytest.raises(UrlTimeout, match=r"^a has not answered lately\.") as sent:
            async with hosts.turn("a:80", "a"):
                raise AssertionError
        assert sent.value.passes and 25 < (sent.value.asked_s or 0) <= 30

    run(scenario())


def test_those_who_wait_for_a_host_are_sent_away_when_it_begins_to_rest() -> None:
    async def scenario() -> None:
        hosts = Hosts(FAILURES)

        async def hang(seconds: float) -> str:
            try:
                async with hosts.turn("a:80", "a"):
                    await asyncio.sleep(seconds)
                    raise DEAD
            except UrlTimeout as error:
                return "hung" if error is DEAD else "sent away"

        # They do not fail all at once, and none takes the turn of the first that fails.
        begun = time.monotonic()
        ends = await asyncio.gather(*(hang(0.1 + n / 50) for n in range(100)))
        assert time.monotonic() - begun < 2
        assert ends.count("hung") == FAILURES and ends.count("sent away") == 100 - FAILURES

    run(scenario())


def test_after_a_rest_one_tries_and_the_next_rest_is_longer() -> None:
    async def scenario() -> None:
        hosts = Hosts(4, first_rest_s=0.3, patience_s=0.0)
        await dead(hosts)
        await asyncio.sleep(0.35)

        async def probe(end: Callable[[], FetchError | None]) -> str:
            try:
                async with hosts.turn("a:80", "a"):
                    await asyncio.sleep(0.05)
                    if error := end():
                        raise error
            except FetchError:
                return "failed"
            return "answered"

        tries = [asyncio.create_task(probe(lambda: DEAD)) for _ in range(3)]
        await asyncio.sleep(0.01)
        assert await use(hosts) == "sent away UrlTimeout"
        assert await asyncio.gather(*tries) == ["failed"] * 3
        await asyncio.sleep(0.35)
        assert await use(hosts) == "sent away UrlTimeout"  # 0.6 s this time
        await asyncio.sleep(0.3)
        assert await use(hosts) == "answered"
        await dead(hosts)
        await asyncio.sleep(0.35)
        assert await use(hosts) == "answered"  # an answer makes the rests short again

    run(scenario())


@pytest.mark.parametrize(
    "error",
    [
        UrlNotFound("It is not there."),
        UrlUnreachable("There is no such host."),
        FetchError("It has a fault.", passes=True),
    ],
)
def test_an_answer_is_no_failure_whatever_it_says(error: FetchError) -> None:
    async def scenario() -> None:
        hosts = Hosts(4)
        for _ in range(3 * FAILURES):
            assert await use(hosts, error) == type(error).__name__

    run(scenario())


def test_a_host_gets_the_rest_it_asks_for() -> None:
    async def scenario() -> None:
        hosts = Hosts(4)
        busy = UrlRateLimited("It is busy.", passes=True, asked_s=60.0)
        async with hosts.turn("a:80", "a"):  # under way when the host asks for a rest
            assert await use(hosts, busy) == "UrlRateLimited"
        assert await use(hosts) == "sent away UrlRateLimited"
        assert await use(hosts, key="b:80") == "answered"

    run(scenario())


def test_a_short_rest_is_waited_for() -> None:
    async def scenario() -> None:
        hosts = Hosts(4)
        await use(hosts, UrlRateLimited("It is busy.", passes=True, asked_s=0.3))
        begun = time.monotonic()
        assert await use(hosts) == "answered"
        assert time.monotonic() - begun >= 0.29

    run(scenario())


@pytest.mark.parametrize("per_host", [1, 2, 8])
def test_every_turn_is_given_back(per_host: int) -> None:
    async def scenario() -> None:
        hosts = Hosts(per_host, first_rest_s=0.01, patience_s=1.0)

        async def work(n: int) -> None:
            try:
                async with asyncio.timeout(0.05), hosts.turn("a:80", "a"):
                    await asyncio.sleep(0.001 * (n % 7))
                    if n % 3:
                        raise DEAD
                    if n % 2:
                        raise UrlNotFound("It is not there.")
                    await asyncio.sleep(0.1 * (n % 4))
            except (UrlTimeout, UrlNotFound, TimeoutError):
                pass

        await asyncio.gather(*(work(n) for n in range(200)))
        both = [asyncio.create_task(use(hosts)) for _ in range(4 * per_host)]
        assert await asyncio.wait_for(asyncio.gather(*both), 5) == ["answered"] * 4 * per_host

    run(scenario())


def test_a_turn_that_is_cancelled_says_nothing_of_the_host() -> None:
    async def scenario() -> None:
        hosts = Hosts(1)
        for _ in range(3 * FAILURES):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.001), hosts.turn("a:80", "a"):
                    await asyncio.sleep(1)
        assert await use(hosts) == "answered"

    run(scenario())
