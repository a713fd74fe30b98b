"""Micro-batching: concurrent callers share one encoder run, an idle caller waits for nobody."""

from __future__ import annotations

import queue
from collections.abc import Callable
from concurrent.futures import Future

import numpy as np
import numpy.typing as npt

from visearch.background import Loop
from visearch.errors import EncoderError, SearchExpired
from visearch.searching.clock import Clock

Pixels = npt.NDArray[np.uint8]
Vectors = npt.NDArray[np.float32]
Waiting = tuple[Pixels, Future[Vectors], Clock]


class Batcher:
    """Runs ``encode`` on whatever is waiting, at most ``limit`` rows at a time.

    While one batch is encoded the next one gathers; when nothing is running a single
    row goes at once. An error of the encoder reaches every caller of that batch. A row that
    nobody waits for any more is not encoded.
    """

    def __init__(self, encode: Callable[[Pixels], Vectors], limit: int) -> None:
        self._encode, self._limit = encode, limit
        self._waiting: queue.SimpleQueue[Waiting] = queue.SimpleQueue()
        Loop("batcher", self._serve).start()

    def embed(self, pixels: Pixels, clock: Clock) -> Vectors:
        """Embed one picture uint8 [size, size, 3] → float32 [d].

        Raises:
            SearchExpired: no answer in time, or nobody waits for it any more; the row is dropped
                if not begun.
        """
        future: Future[Vectors] = Future()
        self._waiting.put((pixels, future, clock))
        try:
            return future.result(clock.left())
        except TimeoutError as error:
            future.cancel()
            raise SearchExpired("the encoder did not answer before the deadline") from error

    def _serve(self) -> None:
        """Wait for the next batch and encode it."""
        batch = [row for row in self._gather() if _begin(row)]
        if not batch:
            return
        try:
            vectors = self._encode(np.stack([pixels for pixels, _, _ in batch]))
            if len(vectors) != len(batch):
                raise EncoderError(f"{len(vectors)} vectors came back for {len(batch)} pictures")
        except Exception as error:
            for _, future, _ in batch:
                future.set_exception(error)
            raise
        for (_, future, _), vector in zip(batch, vectors, strict=True):
            future.set_result(vector)

    def _gather(self) -> list[Waiting]:
        batch = [self._waiting.get()]
        while len(batch) < self._limit:
            try:
                batch.append(self._waiting.get_nowait())
            except queue.Empty:
                break
        return batch


def _begin(row: Waiting) -> bool:
    """Tell whether a row is still wanted; from here on its caller gets what comes of it."""
    _, future, clock = row
    if not future.set_running_or_notify_cancel():
        return False
    if clock.left() > 0:
        return True
    future.set_exception(SearchExpired("nobody waits for this search any more"))
    return False
