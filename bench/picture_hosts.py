"""Hosts of many small pictures, at addresses of this machine, in a process of their own.

    python bench/picture_hosts.py ADDRESS...        prints its port; ends with its standard input

Every path is another picture. The last address takes requests and never answers.
"""

from __future__ import annotations

import asyncio
import sys
from functools import partial
from zlib import crc32

import numpy as np
from large_import import picture

BASE = [picture(np.random.default_rng(seed)) for seed in range(64)]


async def serve(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool
) -> None:
    """Answer the requests of one connection."""
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            path = head.split(b" ", 2)[1]
            if not answers:
                await reader.read()
                return
            # What follows a JPEG's end is no part of the picture, and makes other bytes of it.
            body = BASE[crc32(path) % len(BASE)] + path
            etag = b'"%x"' % crc32(path)
            known = b"if-none-match: " + etag in head.lower()
            status = b"304 Not Modified" if known else b"200 OK"
            lines = (b"HTTP/1.1 " + status, b"ETag: " + etag)
            length = b"Content-Length: %d" % (0 if known else len(body))
            writer.write(b"\r\n".join((*lines, length, b"", b"")) + (b"" if known else body))
            await writer.drain()
    except (ConnectionError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()


async def main(addresses: list[str]) -> None:
    """Listen at one port of all addresses."""
    first = await asyncio.start_server(partial(serve, answers=len(addresses) > 1), addresses[0], 0)
    port = first.sockets[0].getsockname()[1]
    servers = [first]
    for address in addresses[1:]:
        answers = address != addresses[-1]
        servers.append(await asyncio.start_server(partial(serve, answers=answers), address, port))
    print(port, flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    for server in servers:
        server.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
