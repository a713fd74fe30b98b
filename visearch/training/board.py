"""TensorBoard: losses as curves, and some pairs of views as pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from tensorboardX import SummaryWriter

from visearch.training.batches import Batch

_PICTURES_EVERY = 200
_PAIRS = 8


class Board:
    """Writes event files into ``folder``; a resumed run replaces the steps it repeats."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writer: SummaryWriter | None = None

    def write(self, step: int, losses: dict[str, float], batch: Batch) -> None:
        """Write the losses after ``step`` steps and, at intervals, some views."""
        if self._writer is None:
            self._writer = SummaryWriter(str(self._folder), purge_step=step)
        for name, value in losses.items():
            self._writer.add_scalar(f"loss/{name}", value, step)
        if step % _PICTURES_EVERY == 0:
            half = len(batch.rows)
            weak, strong = batch.pixels[:_PAIRS], batch.pixels[half : half + _PAIRS]
            pairs = np.concatenate([weak, strong], axis=1)
            self._writer.add_image("views", np.concatenate(list(pairs), 1), step, dataformats="HWC")

    def close(self) -> None:
        """Write what is buffered and close the files."""
        if self._writer is not None:
            self._writer.close()
