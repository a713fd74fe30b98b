"""Hosts of pictures for tests: real HTTP servers that are slow, hostile or polite by path."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import hashlib
import io
import ssl
import threading
import tracemalloc
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from functools import cache

from PIL import Image

from visearch.fetching import Failed, Limits, Outcome
from visearch.settings import Settings

Client = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

MIB = 1 << 20
SHOP, INSIDE = "127.0.0.2", "127.0.0.3"
SETTINGS = Settings(fetch_allow=SHOP, fetch_ports="all")
"""Pictures may come from one address; the rest of this machine is inside."""
LIMITS = Limits(max_bytes=MIB, connect_s=1.0, answer_s=1.0, whole_s=2.0)
NAMES = {
    "shop.example": [SHOP],
    "inside.example": [INSIDE],
    "both.example": [INSIDE, SHOP],
    "metadata.example": ["169.254.169.254"],
}

_FILE = io.BytesIO()
Image.effect_noise((64, 64), 80).save(_FILE, "PNG")
PNG = _FILE.getvalue()


@cache
def drawn(seed: int) -> bytes:
    """Return a picture that no other seed has."""
    out = io.BytesIO()
    colours = (seed * 37 % 256, seed * 91 % 256, seed * 151 % 256)
    tile = Image.new("RGB", (48, 48), colours)
    tile.paste(tuple(255 - each for each in colours), (seed % 24, 8, 24 + seed % 24, 40))
    tile.save(out, "PNG")
    return out.getvalue()


ETAG, MODIFIED = '"first"', "Sun, 01 Nov 2026 10:00:00 GMT"
ENDLESS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
CHUNK = b"10000\r\n%b\r\n" % bytes(65536)


def failed(outcome: Outcome) -> Failed:
    """Return an outcome that has to be a failure."""
    assert isinstance(outcome, Failed), outcome
    return outcome


@contextlib.contextmanager
def memory_below(most: int) -> Iterator[None]:
    """Fail if Python's memory grows by more than ``most`` bytes inside the block."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < most
    finally:
        tracemalloc.stop()


def answer(status: str, body: bytes = b"", *headers: str) -> bytes:
    """Return a whole answer."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


BOMB = gzip.compress(PNG + bytes(48 * MIB), 1)
"""Its first bytes are a picture, then come zeros."""


class Host:
    """One server at an address of its own; ``asked`` are the requests it got.

    ``/file/NAME`` gives ``files[NAME]``, with an ETag; what is below ``/healing`` fails while it is
    ``sick``.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.connections = self.now = self.most = 0
        self.counts: Counter[str] = Counter()
        self.files: dict[str, bytes] = {}
        self.sick = False

    async def listen(self, tls: ssl.SSLContext | None) -> asyncio.Server:
        """Start to accept connections."""
        server = await asyncio.start_server(self._serve, self.address, 0, ssl=tls)
        self.port = int(server.sockets[0].getsockname()[1])
        self.scheme = "https" if tls else "http"
        return server

    def url(self, path: str, name: str | None = None) -> str:
        """Return the URL of a path, by address or by ``name``."""
        return f"{self.scheme}://{name or self.address}:{self.port}{path}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        ends = (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError, ssl.SSLError)
        with contextlib.suppress(*ends):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()
                path = head[0].split(" ")[1]
                pairs = (line.split(": ", 1) for line in head[1:] if line)
                headers = {name.lower(): value for name, value in pairs}
                self.asked.append((path, headers))
                self.counts[path] += 1
                self.now += 1
                self.most = max(self.most, self.now)
                try:
                    await self._answer(path, headers, reader, writer)
                finally:
                    self.now -= 1
                await writer.drain()
                if writer.is_closing():
                    break
                if path == "/leave":  # as soon as the next request comes
                    await reader.readuntil(b"\r\n\r\n")
                    break
        writer.close()

    async def _answer(
        self,
        path: str,
        headers: dict[str, str],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        kind, _, rest = path.removeprefix("/").partition("/")
        match kind:
            case "picture" | "leave":
                writer.write(answer("200 OK", PNG))
            case "large":
                writer.write(answer("200 OK", PNG + bytes(int(rest) - len(PNG))))
            case "brief":
                await asyncio.sleep(0.05)
                writer.write(answer("200 OK", PNG))
            case "known":
                same = headers.get("if-none-match") == ETAG
                status, body = ("304 Not Modified", b"") if same else ("200 OK", PNG)
                tags = (f"ETag: {ETAG}", f"Last-Modified: {MODIFIED}")
                writer.write(answer(status, body, *tags))
            case "drawn":
                same = headers.get("if-none-match") == f'"{rest}"'
                status, body = ("304 Not Modified", b"") if same else ("200 OK", drawn(int(rest)))
                writer.write(answer(status, body, f'ETag: "{rest}"'))
            case "healing":
                how, _, number = rest.rpartition("/")
                if self.sick and how == "page":
                    writer.write(answer("200 OK", b"<!DOCTYPE html><p>Log in"))
                elif self.sick:
                    writer.write(answer(f"{how} Said", b"<html>no</html>"))
                else:
                    writer.write(answer("200 OK", drawn(int(number))))
            case "file":
                body = self.files[rest]
                etag = f'"{hashlib.sha256(body).hexdigest()}"'
                same = headers.get("if-none-match") == etag
                status, body = ("304 Not Modified", b"") if same else ("200 OK", body)
                writer.write(answer(status, body, f"ETag: {etag}"))
            case "down-once":
                first = self.counts[path] == 1
                writer.write(answer("503 Down") if first else answer("200 OK", PNG))
            case "status":
                status, _, after = rest.partition("/")
                extra = (f"Retry-After: {after.replace('_', ' ')}",) if after else ()
                writer.write(answer(f"{status} Said", b"<html>no</html>", *extra))
            case "busy-once":
                first = self.counts[path] == 1
                writer.write(
                    answer("429 Busy", b"", "Retry-After: 1") if first else answer("200 OK", PNG)
                )
            case "page":
                writer.write(
                    answer("200 OK", b"<!DOCTYPE html><p>Log in", "Content-Type: image/png")
                )
            case "to":
                writer.write(answer("302 Found", b"elsewhere", f"Location: {rest}"))
            case "slowly-to":
                await asyncio.sleep(0.8)
                writer.write(answer("302 Found", b"", f"Location: {rest}"))
            case "on":
                writer.write(answer("302 Found", b"", f"Location: /on/{int(rest) + 1}"))
            case "packed":
                writer.write(answer("200 OK", gzip.compress(PNG), "Content-Encoding: gzip"))
            case "bomb":
                writer.write(answer("200 OK", BOMB, "Content-Encoding: gzip"))
            case "brotli":
                writer.write(answer("200 OK", PNG, "Content-Encoding: br"))
            case "cut":
                writer.write(answer("200 OK", PNG)[:-10])
                writer.close()
            case "stated":
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n" + PNG)
                await reader.read(1)
            case "closed":
                writer.close()
            case "nonsense":
                writer.write(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")
                writer.close()
            case _:
                await self._hostile(kind, reader, writer)

    async def _hostile(
        self, kind: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Go on until the client is gone."""
        if kind == "hang":
            await reader.read(1)
            raise ConnectionResetError
        pieces = {
            "endless": (ENDLESS + b"%x\r\n%b\r\n" % (len(PNG), PNG), CHUNK),
            "slow": (answer("200 OK", PNG + bytes(1000))[:-1000], b"\0"),
            "headers": (b"HTTP/1.1 200 OK\r\n", b"X-Header: %b\r\n" % (b"x" * 8000)),
            "slow-headers": (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
            "informed": (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
        }  # fmt: skip
        first, then = pieces[kind]
        writer.write(first)
        while True:
            writer.write(then)
            await writer.drain()
            if kind in ("slow", "slow-headers"):
                await asyncio.sleep(0.05)


class Town:
    """All hosts of a test module, in one thread."""

    def __init__(self) -> None:
        self._servers: list[asyncio.Server] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def host(self, address: str, tls: ssl.SSLContext | None = None) -> Host:
        """Start a server at an address of 127.0.0.0/8."""
        made = Host(address)
        self._start(made.listen(tls))
        return made

    def serve(self, address: str, client: Client) -> int:
        """Start a server of another kind; returns its port."""
        return int(
            self._start(asyncio.start_server(client, address, 0)).sockets[0].getsockname()[1]
        )

    def _start(self, work: Coroutine[None, None, asyncio.Server]) -> asyncio.Server:
        server = asyncio.run_coroutine_threadsafe(work, self._loop).result(10)
        self._servers.append(server)
        return server

    def close(self) -> None:
        """Stop them all."""
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _close(self) -> None:
        for server in self._servers:
            server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await asyncio.sleep(0.01)  # the transports close
