"""Names are looked up once at a time, beside everything else."""

from __future__ import annotations

import asyncio
import socket
import threading
import time

import pytest
from loops import run

from visearch.errors import FetchError, UrlUnreachable
from visearch.fetching.lookup import AT_ONCE, Lookups, system_lookup


def test_an_address_needs_no_lookup() -> None:
    def never(host: str) -> list[str]:
        raise AssertionError(host)

    found = run(Lookups(never).addresses("2001:db8::1"))
    assert [str(address) for address in found] == ["2001:db8::1"]


def test_the_system_knows_its_own_name() -> None:
    assert {"127.0.0.1", "::1"} & set(system_lookup("localhost"))


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (socket.gaierror(socket.EAI_NONAME, "unknown"), False),
        (socket.gaierror(socket.EAI_AGAIN, "down"), True),
        (UnicodeError("label too long"), False),
    ],
)
def test_a_name_without_addresses(error: Exception, passes: bool) -> None:
    def lookup(host: str) -> list[str]:
        raise error

    with pytest.raises(UrlUnreachable, match=r"shop\.example") as failed:
        run(Lookups(lookup).addresses("shop.example"))
    assert failed.value.passes is passes


def test_a_name_that_hangs_takes_one_thread_and_stalls_nobody() -> None:
    release, asked = threading.Event(), []

    def lookup(host: str) -> list[str]:
        asked.append(host)
        if host.startswith("hangs"):
            release.wait(10)
        return ["8.8.8.8"]

    async def scenario() -> None:
        lookups = Lookups(lookup)
        for _ in range(5):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(lookups.addresses("hangs.example"), 0.01)
        begun = time.monotonic()
        assert await lookups.addresses("shop.example")
        assert time.monotonic() - begun < 1
        waiting = [asyncio.create_task(lookups.addresses(f"hangs{i}")) for i in range(AT_ONCE - 1)]
        await asyncio.sleep(0)
        with pytest.raises(FetchError, match="Too many other names") as failed:
            await lookups.addresses("other.example")
        assert failed.value.passes and not isinstance(failed.value, UrlUnreachable)
        release.set()
        await asyncio.gather(*waiting)
        assert await lookups.addresses("other.example")

    run(scenario())
    assert asked.count("hangs.example") == 1
