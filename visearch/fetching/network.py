"""Connections that go to exactly the address that was checked, and count what comes first."""

from __future__ import annotations

import select
import socket
import ssl
from collections.abc import Iterable
from typing import Any

import httpcore2

from visearch.errors import FetchError
from visearch.fetching.lookup import Lookups
from visearch.fetching.places import Places
from visearch.fetching.target import inside

_MOST_ADDRESSES = 4
"""So many addresses of a name are tried; each gets its share of the time."""


MOST_HEAD = 64 * 1024
"""Bytes of an answer before its body: status, headers, and what comes before them (1xx)."""
_HEAD_READ = 4096
"""Bytes of it that are read at a time, so that parsing them never holds the loop for long."""


class Metered(httpcore2.AsyncNetworkStream):
    """A connection of which each answer's head is counted; the body is counted elsewhere."""

    def __init__(self, stream: httpcore2.AsyncNetworkStream, host: str) -> None:
        self._stream, self._host = stream, host
        self._socket = stream.get_extra_info("socket")
        self._left: int | None = MOST_HEAD

    def head_is_read(self) -> None:
        """Count no more until the next request."""
        self._left = None

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Return what has come."""
        if self._left is None:
            return await self._stream.read(max_bytes, timeout)
        data = await self._stream.read(min(max_bytes, _HEAD_READ), timeout)
        self._left -= len(data)
        if self._left < 0:
            raise FetchError(
                f"{self._host} sends more headers than any file needs. Have it mended, or use "
                "another host."
            )
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send a request, or a part of one."""
        self._left = MOST_HEAD
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        """Close the connection."""
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Return the same connection with TLS."""
        return Metered(
            await self._stream.start_tls(ssl_context, server_hostname, timeout), self._host
        )

    def get_extra_info(self, info: str) -> Any:
        """Return what the connection knows of itself."""
        if info == "is_readable":
            # The pool asks this of every idle connection for every request, and the library's
            # answer takes ten times as long: it asks the system for the peer's address first.
            return _is_readable(self._socket)
        return self._stream.get_extra_info(info)


def _is_readable(connection: socket.socket) -> bool:
    """Tell whether something has come, be it the end; also of a socket that is closed."""
    if connection.fileno() < 0:
        return True
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    return bool(poll.poll(0))


class PlainNetwork(httpcore2.AsyncNetworkBackend):
    """Connects wherever it is told to: to the operator's proxy."""

    def __init__(self) -> None:
        self._backend = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Connect to ``host``."""
        return Metered(await self._backend.connect_tcp(host, port, timeout), host)


class CheckedNetwork(PlainNetwork):
    """Looks a name up, checks what it finds, and connects to that address and no other.

    Who looks a name up to check it and leaves the connection to a library has it looked up
    twice, and the second answer can be another (DNS rebinding). TLS still asks for a certificate
    of the name: the library takes that from the URL.
    """

    def __init__(self, places: Places, lookups: Lookups) -> None:
        super().__init__()
        self._places, self._lookups = places, lookups

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Connect to the first address of ``host`` that is permitted and answers."""
        found = await self._lookups.addresses(host)
        permitted = [address for address in found if self._places.permits(host, address)]
        if not permitted:
            raise inside(host)
        *others, last = permitted[:_MOST_ADDRESSES]
        share_s = None if timeout is None else timeout / (len(others) + 1)
        for address in others:
            try:
                return Metered(await self._backend.connect_tcp(str(address), port, share_s), host)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                continue
        return Metered(await self._backend.connect_tcp(str(last), port, share_s), host)
