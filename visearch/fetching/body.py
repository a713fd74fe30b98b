"""The body of an answer, piece by piece: never more of it than is allowed, packed or not."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import aclosing

import httpcore2

from visearch.errors import FetchError, UrlNotAPicture, UrlTooLarge, UrlUnreachable, amount
from visearch.fetching.answer import header, network_errors
from visearch.fetching.sniff import SNIFFED, kind_of

Sink = Callable[[bytes], Awaitable[object]]

_UNPACKED = 256 * 1024
"""Bytes that gzip gives at a time, whatever it would like to give."""
_GZIP = 16 + zlib.MAX_WBITS


async def save(
    response: httpcore2.Response, host: str, sink: Sink, max_bytes: int, *, picture: bool
) -> int:
    """Pass the body to ``sink`` and return its size; it is unpacked on the way.

    Raises:
        FetchError: it is too large, cut off, packed in another way, or no ``picture``. What has
            been passed on until then is worth nothing.
    """
    stated = int(header(response, b"content-length") or 0)  # h11 lets nothing but digits pass
    if stated > max_bytes:
        raise _too_large(host, max_bytes, stated)
    size, head = 0, b""
    async with aclosing(_unpacked(response, host)) as pieces:
        async for piece in pieces:
            size += len(piece)
            if size > max_bytes:
                raise _too_large(host, max_bytes)
            if picture and len(head) < SNIFFED:
                head += piece[: SNIFFED - len(head)]
                if len(head) == SNIFFED:
                    _check_picture(head, host)
            await sink(piece)
            await asyncio.sleep(0)  # pieces can be tiny and come without end
    if picture and len(head) < SNIFFED:
        _check_picture(head, host)
    return size


def _check_picture(head: bytes, host: str) -> None:
    kind = kind_of(head)
    if kind.is_picture:
        return
    advice = "Use the URL of a JPEG, PNG or WebP file"
    if "web page" in kind.words:
        advice = "Use the URL of the picture itself, not of a page that shows it"
    raise UrlNotAPicture(f"What {host} sent is {kind.words}, not a picture. {advice}.")


def _too_large(host: str, max_bytes: int, size: int | None = None) -> UrlTooLarge:
    most = amount(max_bytes, "bytes")
    found = f"{amount(size, 'bytes')}; the limit is {most}" if size else f"more than {most}"
    return UrlTooLarge(f"What {host} sends has {found}. Use the URL of a smaller copy.")


async def _unpacked(response: httpcore2.Response, host: str) -> AsyncGenerator[bytes, None]:
    packing = (header(response, b"content-encoding") or "identity").strip().lower()
    if packing not in ("identity", "gzip", "x-gzip"):
        raise FetchError(
            f"{host} sends the file packed in a way that was not asked for. Have it sent as it is."
        )
    unpacker = None if packing == "identity" else _Gunzip(host)
    async with aclosing(response.aiter_stream()) as pieces:
        while True:
            with network_errors(host):
                piece = await anext(pieces, None)
            if piece is None:
                break
            for part in (piece,) if unpacker is None else unpacker.feed(piece):
                yield part
    if unpacker is not None:
        for part in unpacker.finish():
            yield part


class _Gunzip:
    """Unpacks gzip in bounded pieces, several members after each other too."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._member = zlib.decompressobj(_GZIP)
        self._begun = False

    def feed(self, packed: bytes) -> Iterator[bytes]:
        """Yield what can be unpacked with the next bytes."""
        while packed:
            if self._member.eof:
                packed = packed.lstrip(b"\0")  # what lies between members is padding
                self._member, self._begun = zlib.decompressobj(_GZIP), False
                continue
            self._begun = True
            yield from self._unpack(packed)
            packed = self._member.unused_data or self._member.unconsumed_tail

    def finish(self) -> Iterator[bytes]:
        """Yield what is left."""
        while self._begun and not self._member.eof:
            rest = list(self._unpack(b""))
            if not rest:
                raise UrlUnreachable(
                    f"{self._host} broke off before the end of the file. Try again later.",
                    passes=True,
                )
            yield from rest

    def _unpack(self, packed: bytes) -> Iterator[bytes]:
        try:
            part = self._member.decompress(packed, _UNPACKED)
        except zlib.error as error:
            raise FetchError(
                f"What {self._host} sends as gzip cannot be unpacked. Have it sent as it is."
            ) from error
        if part:
            yield part
