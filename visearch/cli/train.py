"""``visearch train``: a recipe and a folder of data → an encoder and its measured quality."""

from __future__ import annotations

from pathlib import Path

from rich.progress import Progress

from visearch.encoders.encoder import Encoder
from visearch.evaluation.heldout import Quality, measure_held_out
from visearch.training import recipe as recipes
from visearch.training.data import load
from visearch.training.loop import train


def run(recipe_path: Path, data: Path, out: Path, start: Path | None, bars: Progress) -> Quality:
    """Train, write ``out`` and measure it on what was held out.

    Raises:
        InvalidRequest: the recipe is not valid, or a source is missing.
    """
    recipe, sources = recipes.read(recipe_path, data)
    training, held_out = load(sources)
    bar = bars.add_task("training", total=recipe.stop or recipe.steps)

    def report(step: int, _losses: dict[str, float]) -> None:
        bars.update(bar, completed=step)

    train(training, recipe, out, report=report, start=start)
    return measure_held_out(Encoder.open(f"file:{out}"), held_out)
