"""A wire to Redis that a test can make slow or silent: TCP in front of a Unix socket."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

LOOK_S = 0.01


class Wire:
    """Carries bytes both ways, each ``delay_s`` late; while ``silent``, none arrive anywhere.

    Connections stay open, and what was held back arrives when the silence ends, as with TCP.
    """

    def __init__(self, target: Path) -> None:
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)
        self.port = int(self._server.sockets[0].getsockname()[1])
        self.delay_s, self.silent = 0.0, False

    @contextlib.contextmanager
    def silence(self) -> Iterator[None]:
        """Let nothing through for the time of the block."""
        self.silent = True
        try:
            yield
        finally:
            self.silent = False

    def close(self) -> None:
        """Cut every connection."""
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _listen(self) -> asyncio.Server:
        return await asyncio.start_server(self._carry, "127.0.0.1", 0)

    async def _close(self) -> None:
        self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        theirs, ours = await asyncio.open_unix_connection(str(self._target))
        try:
            await asyncio.gather(self._pump(reader, ours), self._pump(theirs, writer))
        except asyncio.CancelledError:  # the wire is closed
            pass
        finally:
            ours.close()
            writer.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(1 << 16):
                await asyncio.sleep(self.delay_s)
                while self.silent:
                    await asyncio.sleep(LOOK_S)
                writer.write(data)
                await writer.drain()
            writer.close()
