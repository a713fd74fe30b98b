"""Micro-batching: concurrent callers share one encoder run, an idle caller waits for nobody."""

from __future__ import annotations

import queue
from collections.abc import Callable
from concurrent.futures import Future

import numpy as np
import numpy.typing as npt

from visearch.background import Loop
from visearch.errors import EncoderError, SearchExpired

Pixels = npt.NDArray[np.uint8]
Vectors = npt.NDArray[np.float32]


class Batcher:
    """Runs ``encode`` on whatever is waiting, at most ``limit`` rows at a time.

    While one batch is encoded the next one gathers; when nothing is running a single
    row goes at once. An error of the encoder reaches every caller of that batch.
    """

    def __init__(self, encode: Callable[[Pixels], Vectors], limit: int) -> None:
        self._encode, self._limit = encode, limit
        self._waiting: queue.SimpleQueue[tuple[Pixels, Future[Vectors]]] = queue.SimpleQueue()
        Loop("batcher", self._serve).start()

    def embed(self, pixels: Pixels, timeout_s: float) -> Vectors:
        """Embed one picture uint8 [size, size, 3] → float32 [d].

        Raises:
            SearchExpired: no answer within ``timeout_s``; the row is dropped if not begun.
        """
        future: Future[Vectors] = Future()
        self._waiting.put((pixels, future))
        try:
            return future.result(timeout_s)
        except TimeoutError as error:
            future.cancel()
            raise SearchExpired("the encoder did not answer before the deadline") from error

    def _serve(self) -> None:
        """Wait for the next batch and encode it."""
        batch = [b for b in self._gather() if b[1].set_running_or_notify_cancel()]
        if not batch:
            return
        try:
            vectors = self._encode(np.stack([pixels for pixels, _ in batch]))
            if len(vectors) != len(batch):
                raise EncoderError(f"{len(vectors)} vectors came back for {len(batch)} pictures")
        except Exception as error:
            for _, future in batch:
                future.set_exception(error)
            raise
        for (_, future), vector in zip(batch, vectors, strict=True):
            future.set_result(vector)

    def _gather(self) -> list[tuple[Pixels, Future[Vectors]]]:
        batch = [self._waiting.get()]
        while len(batch) < self._limit:
            try:
                batch.append(self._waiting.get_nowait())
            except queue.Empty:
                break
        return batch
