"""Messages between a process and its decoders: a JSON object and raw bytes, never a pickle.

A decoder that a picture has taken over may send anything. The reader therefore says how much it
takes, and until when it waits; what it reads are numbers, texts and bytes.
"""

from __future__ import annotations

import json
import math
import socket
import struct
import time
from collections.abc import Mapping
from typing import Any

MAX_HEADER = 1 << 16
MAX_DATA = (1 << 32) - 1
FOREVER = math.inf
_SIZES = struct.Struct("!II")


class WireError(Exception):
    """What came is no message, or a larger one than was asked for."""


def send(
    connection: socket.socket, header: Mapping[str, Any], data: bytes, end: float = FOREVER
) -> None:
    """Send one message; raises TimeoutError if the other side has not taken it by ``end``."""
    text = json.dumps(header).encode()
    for part in (_SIZES.pack(len(text), len(data)) + text, data):
        _wait_until(connection, end)
        connection.sendall(part)


def receive(
    connection: socket.socket, most: int = MAX_DATA, end: float = FOREVER
) -> tuple[dict[str, Any], bytearray]:
    """Return the next message, with at most ``most`` bytes of data.

    Raises:
        EOFError: the other side has gone.
        TimeoutError: it has not been sent whole by ``end`` (of ``time.monotonic``).
        WireError: it is none.
    """
    header_size, size = _SIZES.unpack(_exactly(connection, _SIZES.size, end))
    if header_size > MAX_HEADER or size > most:
        raise WireError(f"a message of {header_size} and {size} bytes")
    try:
        header = json.loads(_exactly(connection, header_size, end))
    except (ValueError, RecursionError) as error:
        raise WireError("a header that is no JSON") from error
    if not isinstance(header, dict):
        raise WireError("a header that is no object")
    return header, _exactly(connection, size, end)


def _exactly(connection: socket.socket, size: int, end: float) -> bytearray:
    data = bytearray(size)
    rest = memoryview(data)
    while rest:
        _wait_until(connection, end)
        count = connection.recv_into(rest)
        if not count:
            raise EOFError("the other side has gone")
        rest = rest[count:]
    return data


def _wait_until(connection: socket.socket, end: float) -> None:
    """Let the next call on the connection wait no longer than until ``end``."""
    if end == FOREVER:
        connection.settimeout(None)
        return
    if (left := end - time.monotonic()) <= 0:
        raise TimeoutError("the other side took too long")
    connection.settimeout(left)
