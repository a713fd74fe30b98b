"""Fetches one URL inside an event loop: turn by turn, redirect by redirect."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from typing import Any

import httpcore2
import httpx2

from visearch import __version__
from visearch.errors import FetchError, SettingsError, UrlUnreachable
from visearch.fetching.answer import header, network_errors, refusal, timeout, validator
from visearch.fetching.body import Sink, save
from visearch.fetching.hosts import Hosts
from visearch.fetching.lookup import Lookup, Lookups
from visearch.fetching.network import CheckedNetwork, Metered, PlainNetwork
from visearch.fetching.outcome import Limits, Validators, Wanted
from visearch.fetching.places import Places
from visearch.fetching.target import Target, redirected, target_of
from visearch.settings import Settings

MOST_REDIRECTS = 5
_REDIRECTS = (301, 302, 303, 307, 308)

_MOST_IDLE = 32
_IDLE_S = 5.0
"""Connections kept for the next URL of their host, and for how long."""

_DRAINED = 64 * 1024
_DRAIN_S = 1.0
"""The body of a redirect or an error is read if it is small, so that the connection can be kept."""


@dataclass(frozen=True)
class Terms:
    """How something is fetched: within which limits, and whether it must be a picture."""

    limits: Limits
    picture: bool


@dataclass(frozen=True)
class Answer:
    """What a host sent at last; ``size`` is None if it said that nothing has changed."""

    size: int | None
    validators: Validators | None = None


@dataclass
class Progress:
    """How far one URL has come: whether a connection was attempted."""

    tried: bool = False


class Client:
    """The connections of one event loop, and what is known of their hosts."""

    def __init__(self, settings: Settings, limits: Limits, lookup: Lookup) -> None:
        self._places = Places(settings)
        self._hosts = Hosts(limits.per_host)
        self._tls = httpcore2.default_ssl_context()
        proxy = _proxy(settings.fetch_proxy)
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=self._tls,
            proxy=proxy,
            max_connections=None,  # the turns bound them
            max_keepalive_connections=_MOST_IDLE,
            keepalive_expiry=_IDLE_S,
            # A proxy is the operator's own, at an address inside, and looks the names up.
            network_backend=(
                PlainNetwork() if proxy else CheckedNetwork(self._places, Lookups(lookup))
            ),
        )

    async def close(self) -> None:
        """Close every connection."""
        await self._pool.aclose()

    async def get(
        self, wanted: Wanted, sink: Sink, terms: Terms, free: asyncio.Semaphore, progress: Progress
    ) -> Answer:
        """Fetch ``wanted`` into ``sink``.

        One of the ``free`` places is held while a host is asked. It is **still held on return**:
        the caller releases it when nobody needs what is in the sink any more.

        Raises:
            FetchError: nothing came of it; no place is held.
        """
        target = target_of(wanted.url, self._places)
        left_s = terms.limits.whole_s
        loop = asyncio.get_running_loop()
        for _ in range(MOST_REDIRECTS + 1):
            # A turn is given back before the next host is asked for one: two hosts that redirect
            # to each other would wait for each other.
            async with self._hosts.turn(target.key, target.host):
                await free.acquire()
                progress.tried = True
                step: Answer | str | None = None
                begun = loop.time()
                try:
                    async with asyncio.timeout(left_s):
                        step = await self._ask(target, wanted, sink, terms)
                except TimeoutError as error:
                    raise timeout(target.host) from error
                finally:
                    if not isinstance(step, Answer):
                        free.release()
            if isinstance(step, Answer):
                return step
            left_s -= loop.time() - begun
            target = redirected(target, step, self._places)
        raise FetchError(
            f"The URL redirects more than {MOST_REDIRECTS} times. "
            "Use the URL at which the file itself is."
        )

    async def _ask(self, target: Target, wanted: Wanted, sink: Sink, terms: Terms) -> Answer | str:
        """Send one request; return its answer, or where it redirects to."""
        known = wanted.validators
        conditions = _conditions(known) if known and known.url == target.url else []
        response = await self._head(target, conditions, terms)
        try:
            if response.status == 200:
                size = await save(
                    response, target.host, sink, terms.limits.max_bytes, picture=terms.picture
                )
                return Answer(size, _validators(response, target))
            await _drain(response)
            if response.status == 304 and conditions:
                return Answer(None)
            location = header(response, b"location")
            if response.status in _REDIRECTS and location is not None:
                return _as_text(location)
            raise refusal(response, target.host)
        finally:
            await response.aclose()

    async def _head(
        self, target: Target, conditions: list[tuple[bytes, bytes]], terms: Terms
    ) -> httpcore2.Response:
        limits, loop = terms.limits, asyncio.get_running_loop()
        request = httpcore2.Request(
            "GET",
            httpcore2.URL(
                scheme=target.scheme.encode(),
                host=target.host.encode(),
                port=target.port,
                target=target.path,
            ),
            headers=[
                (b"Host", target.header.encode()),
                (b"User-Agent", f"visearch/{__version__}".encode()),
                (b"Accept", b"image/*, */*;q=0.1" if terms.picture else b"*/*"),
                (b"Accept-Encoding", b"identity" if terms.picture else b"gzip"),
                *conditions,
            ],
        )
        fresh = False

        async def trace(event: str, _: dict[str, Any]) -> None:
            nonlocal fresh
            if event == "connection.connect_tcp.started":
                fresh = True
            elif event == "http11.send_request_headers.started":
                clock.reschedule(loop.time() + limits.answer_s)

        request.extensions = {
            "timeout": {"connect": limits.connect_s, "read": limits.answer_s},
            "trace": trace,
        }
        # Each read has a time limit above, but a head that comes byte by byte is many reads. So
        # one clock runs over all of it: first for the connection, then for the answer.
        try:
            async with asyncio.timeout(limits.connect_s) as clock:
                while True:
                    try:
                        with network_errors(target.host):
                            response = await self._pool.handle_async_request(request)
                        break
                    except UrlUnreachable:
                        # A host may close a connection that was kept just when it is used again.
                        # That one is gone from the pool, and in the end there is a fresh one.
                        if fresh:
                            raise
        except TimeoutError as error:
            raise timeout(target.host) from error
        stream = response.extensions["network_stream"]
        assert isinstance(stream, Metered)
        stream.head_is_read()
        return response


def _conditions(known: Validators) -> list[tuple[bytes, bytes]]:
    pairs = ((b"If-None-Match", known.etag), (b"If-Modified-Since", known.modified))
    return [(name, value.encode("latin-1")) for name, value in pairs if value]


def _validators(response: httpcore2.Response, target: Target) -> Validators | None:
    etag, modified = validator(response, b"etag"), validator(response, b"last-modified")
    return Validators(target.url, etag, modified) if etag or modified else None


def _as_text(location: str) -> str:
    """Read a ``Location``; it should be ASCII, and what else comes is UTF-8 more often than not."""
    try:
        return location.encode("latin-1").decode("utf-8")
    except UnicodeDecodeError:
        return location


async def _drain(response: httpcore2.Response) -> None:
    left = _DRAINED
    with _ignored():
        async with asyncio.timeout(_DRAIN_S), aclosing(response.aiter_stream()) as pieces:
            async for piece in pieces:
                left -= len(piece)
                if left < 0:
                    break


@contextmanager
def _ignored() -> Iterator[None]:
    """Let go of a connection that fails when all that mattered has been read from it."""
    try:
        with network_errors("it"):
            yield
    except (FetchError, TimeoutError):
        pass


def _proxy(url: str) -> httpcore2.Proxy | None:
    if not url:
        return None
    try:
        parsed = httpx2.URL(url)
    except httpx2.InvalidURL:
        parsed = httpx2.URL("")
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise SettingsError(
            "VISEARCH_FETCH_PROXY is not the URL of an HTTP proxy. Write it as http://host:port or "
            "http://user:password@host:port."
        )
    auth = (parsed.username, parsed.password) if parsed.userinfo else None
    plain = parsed.copy_with(userinfo=None, path="/", query=None, fragment=None)
    return httpcore2.Proxy(str(plain), auth)
