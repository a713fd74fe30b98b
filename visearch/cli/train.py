"""``visearch train``: a recipe and a folder of data → an encoder and its measured quality."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.progress import Progress

from visearch.encoders.encoder import Encoder
from visearch.evaluation.heldout import Quality, measure_held_out
from visearch.training import recipe_file as recipes
from visearch.training.batches import Batch
from visearch.training.board import Board
from visearch.training.data import load
from visearch.training.loop import train


def run(
    recipe_path: Path,
    data: Path,
    out: Path,
    start: Path | None,
    branch: Path | None,
    teachers: Sequence[Path],
    board: Path | None,
    processes: int,
    bars: Progress,
) -> Quality:
    """Train, write ``out`` and measure it on what was held out.

    Raises:
        InvalidRequest: the recipe is not valid, or a source is missing.
    """
    recipe, sources = recipes.read(recipe_path, data, start, branch, teachers)
    split = load(sources)
    shares = {i: s.share for i, s in enumerate(sources) if s.share is not None}
    bar = bars.add_task("training", total=recipe.steps)
    written = Board(board) if board else None

    def report(step: int, losses: dict[str, float], batch: Batch) -> None:
        text = " ".join(f"{name} {value:.3f}" for name, value in losses.items())
        bars.update(bar, completed=step, description=f"training: {text}")
        if written:
            written.write(step, losses, batch)

    try:
        train(split.training, shares, recipe, out, report=report, processes=processes)
    finally:
        if written:
            written.close()
    return measure_held_out(Encoder.open(f"file:{out}"), split.held_out)
