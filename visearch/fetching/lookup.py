"""Names of hosts → addresses, in threads: the system's resolver can take any time it likes."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from ipaddress import ip_address

from visearch.errors import FetchError, UrlUnreachable
from visearch.fetching.places import Address

Lookup = Callable[[str], Iterable[str]]
"""Returns the addresses of a name, as texts, best first; raises ``OSError`` if there are none."""

AT_ONCE = 32
"""Names that are being looked up; one that hangs keeps its thread when nobody waits any more."""


def system_lookup(host: str) -> list[str]:
    """Ask the system's resolver, which prefers addresses that this machine can reach."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class Lookups:
    """Looks names up beside the loop: each name once at a time, however many wait for it."""

    def __init__(self, lookup: Lookup = system_lookup) -> None:
        self._lookup = lookup
        self._running: dict[str, asyncio.Future[list[Address]]] = {}

    async def addresses(self, host: str) -> list[Address]:
        """Return the addresses of a host, which may be one itself.

        Raises:
            UrlUnreachable: it has none.
            FetchError: too many names are being looked up.
        """
        try:
            return [ip_address(host)]
        except ValueError:
            pass
        found = self._running.get(host)
        if found is None:
            found = self._start(host)
        # A future without waiters is kept: the thread cannot be stopped, and the next who asks
        # for the same name shall not start another.
        return await asyncio.shield(found)

    def _start(self, host: str) -> asyncio.Future[list[Address]]:
        if len(self._running) >= AT_ONCE:
            raise FetchError(
                f"Too many other names were being looked up to look up {host}. Try again later.",
                passes=True,
            )
        loop = asyncio.get_running_loop()
        found: asyncio.Future[list[Address]] = loop.create_future()
        self._running[host] = found

        def finish(result: list[Address] | Exception) -> None:
            del self._running[host]
            if isinstance(result, Exception):
                found.set_exception(result)
                found.exception()  # perhaps nobody waits any more; that is no mistake
            else:
                found.set_result(result)

        def work() -> None:
            result: list[Address] | Exception = RuntimeError(f"No result for {host}; see above.")
            try:
                result = [ip_address(address) for address in self._lookup(host)]
            except (OSError, ValueError) as error:  # ValueError: the codec refuses the name
                result = _unknown(host, error)
            finally:
                with suppress(RuntimeError):  # the loop was closed meanwhile: nobody waits
                    loop.call_soon_threadsafe(finish, result)

        threading.Thread(target=work, daemon=True, name="lookup").start()
        return found


def _unknown(host: str, error: Exception) -> UrlUnreachable:
    if isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN:
        return UrlUnreachable(
            f"The name {host} cannot be looked up at the moment. Try again later.",
            passes=True,
        )
    return UrlUnreachable(f"There is no host {host}. Correct the URL.")
