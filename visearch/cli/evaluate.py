"""``visearch evaluate``: its options; the work, which needs jax, is loaded when it is called."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console

from visearch.cli.common import as_json, needs_extras, one_line_errors, print_json, progress
from visearch.errors import InvalidRequest
from visearch.records import Metric


@click.command()
@click.argument("encoder")
@click.argument("other", required=False)
@click.option(
    "--data",
    required=True,
    type=click.Path(exists=True, path_type=Path),
    help="The pictures: a folder, zip or tar; with --recipe, the folder of its files.",
)
@click.option(
    "--recipe",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Evaluate on what training by this recipe keeps aside.",
)
@click.option(
    "--table",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The CSV that labels the pictures [default: beside them, of their name; else they are "
    "labelled by the column `folder`].",
)
@click.option(
    "--label", "labels", multiple=True, metavar="COLUMN[,COLUMN...]", help="What is alike."
)
@click.option("--group", metavar="COLUMN", help="Whose pictures intervals treat as one draw.")
@click.option("--gallery", metavar="COLUMN=VALUE", help="Rows to find; the others query them.")
@click.option("--similarity", type=click.Choice(["cosine", "euclidean"]), default="cosine")
@click.option("--report", type=click.Path(dir_okay=False, writable=True, path_type=Path))
@as_json
@one_line_errors
def evaluate(
    encoder: str,
    other: str | None,
    data: Path,
    recipe: Path | None,
    table: Path | None,
    labels: tuple[str, ...],
    group: str | None,
    gallery: str | None,
    similarity: Metric,
    report: Path | None,
    as_json: bool,
) -> None:
    """Measure ENCODER, and compare OTHER with it, on labelled pictures.

    After an encoder and # may stand the weights of its parts, or `fitted`.

    \b
    visearch evaluate bundled --data clothing.zip --label label --group sender
    visearch evaluate bundled#general=1,kind=0.5,instance=0.2 --data clothing.zip --label label
    visearch evaluate bundled file:mine.safetensors --recipe mine.toml --data FOLDER
    """
    with needs_extras("worker"):
        from visearch.cli import study
    if recipe is not None and (table or labels or group or gallery):
        raise InvalidRequest(
            "A recipe names its own labels and groups. Leave out --recipe or those options."
        )
    material = (
        study.read_recipe(recipe, data)
        if recipe
        else study.read_source(data, table, labels, group, gallery)
    )
    with progress(as_json) as bars:
        specs = [encoder, other] if other else [encoder]
        result = study.run(specs, material, similarity, report, bars)
    if as_json:
        print_json(asdict(result))
    else:
        study.show(result, Console())
