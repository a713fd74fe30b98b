"""What ``visearch evaluate`` does: read the pictures, measure, write the report, print tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from visearch.encoders.encoder import Encoder
from visearch.errors import InvalidRequest
from visearch.evaluation.loading import kept_aside, whole_source
from visearch.evaluation.material import Material
from visearch.evaluation.page import render
from visearch.evaluation.results import Study
from visearch.evaluation.study import study, workload
from visearch.evaluation.summary import Estimate
from visearch.evaluation.weighing import Subject
from visearch.records import Metric
from visearch.training.data import Source

FITTED = "fitted"


def read_recipe(recipe: Path, data: Path) -> Material:
    """Return what training by ``recipe`` on the folder ``data`` keeps aside.

    Raises:
        InvalidRequest: the recipe is not valid, a file is missing, or nothing is found.
    """
    if not data.is_dir():
        raise InvalidRequest(
            f"{data} is not a folder. With --recipe, give --data the folder of its sources."
        )
    return kept_aside(recipe, data)


def read_source(
    pictures: Path,
    table: Path | None,
    labels: Sequence[str],
    group: str | None,
    gallery: str | None,
) -> Material:
    """Return all pictures of a folder or archive; the arguments are those of the command.

    Raises:
        InvalidRequest: no label is asked for, ``gallery`` is not COLUMN=VALUE, or there
            are no pictures.
        ArchiveCorrupt: the archive cannot be read, or the table lacks a column.
    """
    if not labels:
        raise InvalidRequest(
            "No label is given. Name with --label the column that tells what is alike."
        )
    column, equals, value = (gallery or "").partition("=")
    if gallery is not None and not (column and equals and value):
        raise InvalidRequest(
            f"--gallery {gallery!r} is not of the form COLUMN=VALUE. Give a column and its value."
        )
    whole = pictures.resolve()
    beside = whole.with_name(f"{whole.name.split('.')[0]}.csv")
    levels = tuple(tuple(label.split(",")) for label in labels)
    found = table or (beside if beside.is_file() else None)
    source = Source(pictures, found, levels, group, no_label=frozenset({""}))
    return whole_source(source, (column, value) if gallery is not None else None)


def run(
    specs: Sequence[str],
    material: Material,
    similarity: Metric,
    report: Path | None,
    bars: Progress,
) -> Study:
    """Measure the encoders ``specs`` on ``material`` and write ``report`` if one is wanted.

    After a spec and ``#`` stand the weights of its parts, ``NAME=WEIGHT,…``, or ``fitted``.

    Raises:
        UnknownEncoder: there is no such encoder.
        InvalidRequest: weights are not valid, no query has anything to find, or the report has
            no folder.
    """
    if report is not None and not report.parent.is_dir():
        raise InvalidRequest(
            f"The report cannot be written: {report.parent} is not a folder. Create it first."
        )
    subjects = [_subject(name, spec) for name, spec in zip(_names(specs), specs, strict=True)]
    bar = bars.add_task("embedding", total=workload(material, len(subjects)))
    result, sheets = study(subjects, material, similarity, lambda n: bars.advance(bar, n))
    if report is not None:
        report.write_text(render(result, sheets, material.pictures), encoding="utf-8")
    return result


def _subject(name: str, spec: str) -> Subject:
    """Open an encoder whose weights may stand after its spec; a file's name may contain ``#``."""
    plain, mark, weights = spec.rpartition("#")
    if not mark or not (weights == FITTED or "=" in weights):
        return Subject(name, Encoder.open(spec))
    if weights == FITTED:
        return Subject(name, Encoder.open(plain), fitted=True)
    pairs = [pair.partition("=") for pair in weights.split(",")]
    try:
        given = {part: float(weight) for part, _, weight in pairs}
    except ValueError as error:
        raise InvalidRequest(
            f"The weights {weights!r} cannot be read. Write them as NAME=WEIGHT,NAME=WEIGHT."
        ) from error
    return Subject(name, Encoder.open(plain), given)


def _names(specs: Sequence[str]) -> Sequence[str]:
    """Return the last parts of paths, which fit a table's head, where they differ."""
    short = [spec.rsplit("/", 1)[-1] for spec in specs]
    return short if len(set(short)) == len(specs) else specs


def show(result: Study, console: Console) -> None:
    """Print the figures as tables."""
    names = [encoder.encoder for encoder in result.encoders]
    for i, first in enumerate(result.encoders[0].levels):
        title = f"by {first.level}: {first.queries:,} queries, {result.protocol}"
        table = Table("metric", *names, *(["difference"] if result.gains else []), title=title)
        for name in first.metrics:
            figures = [_text(each.levels[i].metrics[name]) for each in result.encoders]
            gain = [_text(result.gains[i][name], "+.3f")] if result.gains else []
            table.add_row(name, *figures, *gain)
        weights = [each.levels[i].weights_in_words for each in result.encoders]
        if any(weights):
            table.add_row("weights", *weights)
        console.print(table)
    console.print(_robustness(result, names))


def _robustness(result: Study, names: Sequence[str]) -> Table:
    table = Table("damage", "severity", *names, title="recall@1 of the same picture, damaged")
    for curves in zip(*(encoder.robustness for encoder in result.encoders), strict=True):
        for points in zip(*(curve.points for curve in curves), strict=True):
            severity = "none" if points[0].severity is None else f"{points[0].severity:g}"
            table.add_row(curves[0].corruption, severity, *(_text(p.recall) for p in points))
    return table


def _text(estimate: Estimate, form: str = ".3f") -> str:
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:{form}}"
    return f"{estimate.value:{form}} ({estimate.low:{form}} to {estimate.high:{form}})"
