"""Takes turns at hosts, and leaves those alone that do not answer or have asked for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from visearch.errors import FetchError, UrlTimeout, UrlUnreachable

FAILURES = 4
"""After so many failures in a row a host is left alone."""
FIRST_REST_S, LONGEST_REST_S = 30.0, 900.0
"""The first such rest; each further one is twice as long, up to the longest."""
PATIENCE_S = 3.0
"""A shorter rest is waited for; with a longer one, whoever comes is told until when."""
MOST_KNOWN = 10_000
"""Hosts remembered; beyond, those that nobody waits for are forgotten."""


@dataclass
class _Host:
    name: str
    turns: asyncio.Semaphore
    next_rest_s: float
    users: int = 0  # who hold a turn or wait for one
    busy: int = 0  # who hold one
    kept: int = 0  # turns that nobody holds and that are not given to others yet
    failures: int = 0  # in a row
    rests_until: float = 0.0
    why: FetchError | None = None

    @property
    def dead(self) -> bool:
        return self.failures >= FAILURES


class Hosts:
    """Gives each host's URLs their turns: a few at a time, and none while the host rests.

    A host rests when it has asked for it (429, 503), and when ``FAILURES`` requests in a row got
    no answer. After such a rest one request tries; if it fails too, the next rest is longer. So a
    dead host costs those who want something from it little, and everybody else nothing.
    """

    def __init__(
        self, per_host: int, *, first_rest_s: float = FIRST_REST_S, patience_s: float = PATIENCE_S
    ) -> None:
        self._per_host = per_host
        self._first_rest_s, self._patience_s = first_rest_s, patience_s
        self._known: dict[str, _Host] = {}

    @asynccontextmanager
    async def turn(self, key: str, name: str) -> AsyncIterator[None]:
        """Wait for a turn at the host ``key`` and hold it; note how what it is used for ends.

        Raises:
            FetchError: the host, called ``name`` in messages, rests for longer than one waits;
                ``asked_s`` says for how long. Of the kind of the error that made it rest.
        """
        host = self._host(key, name)
        host.users += 1
        try:
            await self._rested(host)
            await host.turns.acquire()
            host.busy += 1
            failed = False
            try:
                await self._rested(host)  # it may have begun to rest since
                alone = host.dead
                if alone:  # the others are sent away until it is known what comes of this one
                    host.rests_until = time.monotonic() + self._first_rest_s
                try:
                    yield
                except FetchError as error:
                    failed = self._note(host, error, alone)
                    raise
                self._answered(host)
            finally:
                host.busy -= 1
                _give_back(host, failed)
        finally:
            host.users -= 1

    def _host(self, key: str, name: str) -> _Host:
        host = self._known.get(key)
        if host is None:
            if len(self._known) >= MOST_KNOWN:
                self._known = {k: h for k, h in self._known.items() if h.users}
            turns = asyncio.Semaphore(self._per_host)
            host = self._known[key] = _Host(name, turns, self._first_rest_s)
        return host

    async def _rested(self, host: _Host) -> None:
        while (left_s := host.rests_until - time.monotonic()) > 0:
            if left_s > self._patience_s and host.why is not None:
                what = "has not answered lately" if host.dead else "has asked to be left alone"
                raise type(host.why)(
                    f"{host.name} {what}. Try again later.", passes=True, asked_s=left_s
                )
            await asyncio.sleep(left_s)

    def _note(self, host: _Host, error: FetchError, alone: bool) -> bool:
        """Note what was raised; True if the host did not answer."""
        if not (error.passes and isinstance(error, UrlTimeout | UrlUnreachable)):
            self._answered(host)
            if error.asked_s:
                host.rests_until, host.why = time.monotonic() + error.asked_s, error
            return False
        host.failures += 1
        # Of several that were under way when the rest began, none makes it longer.
        if alone or host.failures == FAILURES:
            host.rests_until, host.why = time.monotonic() + host.next_rest_s, error
            host.next_rest_s = min(2 * host.next_rest_s, LONGEST_REST_S)
        return True

    def _answered(self, host: _Host) -> None:
        if host.dead:  # only then is the rest ours; what the host has asked for stands
            host.rests_until = 0.0
        host.failures, host.next_rest_s = 0, self._first_rest_s


def _give_back(host: _Host, failed: bool) -> None:
    host.kept += 1
    if failed and host.busy and not host.dead:
        return  # those under way will tell whether it is worth while: it may be as slow for others
    while host.kept:
        host.kept -= 1
        host.turns.release()
