"""The program of a decoder: pictures come in at its standard input, what is made of them goes out.

It imports nothing but what decoding needs, and ends with the process that started it.
"""

from __future__ import annotations

import signal
import socket
import sys
from typing import Any

from PIL import AvifImagePlugin

from visearch import confine
from visearch.errors import ImageError, InvalidRequest
from visearch.images.decode import Limits
from visearch.images.decoders import wire
from visearch.images.guard import out_of_memory
from visearch.images.order import Copy, Order


def main(memory_bytes: int) -> None:
    """Fulfil one order after the other until the owner has gone or a picture took its memory."""
    confine.die_with_parent()
    confine.limit_memory(memory_bytes)
    # Whoever stops the owner may signal its whole group: the owner still has searches to finish.
    for stop in (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT):
        signal.signal(stop, signal.SIG_IGN)
    # One thread for each core would take address space, and other decoders have the cores.
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    connection = socket.socket(fileno=sys.stdin.fileno())
    wire.send(connection, {"ready": True}, b"")
    spent = False
    while not spent:
        try:
            order, picture = wire.receive(connection)
        except EOFError:
            return
        answer, made = _answer(order, bytes(picture))
        wire.send(connection, answer, made)
        spent = bool(answer.get("spent"))


def _answer(asked: dict[str, Any], picture: bytes) -> tuple[dict[str, Any], bytes]:
    """Return the answer's header and its data; of ``spent`` memory nobody knows what is left."""
    try:
        limits = Limits(**asked["limits"])
        if "copy" in asked:
            return {}, Copy(asked["copy"]).fulfil(picture, limits)
        return {}, Order.from_dict(asked["order"]).fulfil(picture, limits).tobytes()
    except MemoryError:
        return {**_failure(out_of_memory()), "spent": True}, b""
    except ImageError as error:
        ran_out = isinstance(error.__cause__, MemoryError)
        return {**_failure(error), "spent": ran_out}, b""
    except InvalidRequest as error:
        return {**_failure(error), "fields": error.fields}, b""


def _failure(error: ImageError | InvalidRequest) -> dict[str, Any]:
    return {"code": error.code, "detail": error.detail}


if __name__ == "__main__":
    main(int(sys.argv[1]))
