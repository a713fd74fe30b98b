"""The commands of ``visearch`` and their options."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from visearch import __version__
from visearch.cli.backup import backup, restore
from visearch.cli.client import Client
from visearch.cli.common import (
    as_json,
    needs_extras,
    one_line_errors,
    print_json,
    progress,
    server,
)
from visearch.cli.evaluate import evaluate
from visearch.cli.feeds import feed
from visearch.cli.importing import import_source
from visearch.cli.quantize import quantize
from visearch.cli.weights import weights
from visearch.errors import VisearchError
from visearch.settings import Settings


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """Visual product search that a company can own."""


@main.command()
@one_line_errors
def up() -> None:
    """Run every role on this machine until Ctrl-C."""
    from visearch.cli.up import up as run

    run(Settings.from_env())


@main.command("migrate")
@one_line_errors
def migrate_database() -> None:
    """Bring the database to this version's schema (`up` does it by itself)."""
    from visearch.store.database import Database
    from visearch.store.migrate import migrate

    migrate(Database(Settings.from_env().database))
    click.echo("the database is up to date")


@main.command()
@as_json
@one_line_errors
def doctor(as_json: bool) -> None:
    """Check everything a start needs."""
    from visearch.cli.doctor import examine

    checks = examine(Settings.from_env())
    if as_json:
        print_json([vars(check) for check in checks])
    for check in checks if not as_json else ():
        click.echo(f"{'ok  ' if check.ok else 'FAIL'} {check.name}: {check.detail}")
    if not all(check.ok for check in checks):
        sys.exit(1)


@main.command()
@click.argument("picture", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--catalog", default="default", show_default=True)
@click.option("--limit", type=click.IntRange(1, 100), default=10, show_default=True)
@server
@as_json
@one_line_errors
def search(picture: Path, catalog: str, limit: int, server: str | None, as_json: bool) -> None:
    """Search a catalog by a picture."""
    client = Client.of(Settings.from_env(), server)
    record = client.search(picture, catalog=catalog, limit=limit, group="true")
    if as_json:
        print_json(record)
    elif record["status"] == "succeeded":
        table = Table("rank", "score", "product", "title")
        for hit in record["results"]:
            score = f"{hit['score']:.3f}"
            table.add_row(str(hit["rank"]), score, hit["product_id"], hit["title"] or "")
        Console().print(table)
    else:
        error = record["error"] or {"detail": "it was cancelled"}
        raise VisearchError(f"The search {record['status']}: {error['detail']}")


@main.group()
def catalog() -> None:
    """List and delete catalogs; go back to an earlier index."""


@catalog.command("ls")
@server
@as_json
@one_line_errors
def catalog_ls(server: str | None, as_json: bool) -> None:
    """List the catalogs."""
    found = Client.of(Settings.from_env(), server).catalogs()
    if as_json:
        print_json(found)
        return
    table = Table("name", "title", "products", "pictures", "metric")
    for one in found:
        table.add_row(
            one["name"], one["title"], str(one["products"]), str(one["images"]), one["metric"]
        )
    Console().print(table)


@catalog.command("rm")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@server
@one_line_errors
def catalog_rm(name: str, yes: bool, server: str | None) -> None:
    """Delete a catalog with all its products."""
    if not yes:
        click.confirm(f"Delete catalog {name} with all its products?", abort=True)
    Client.of(Settings.from_env(), server).call("DELETE", f"/v1/catalogs/{name}")
    click.echo(f"deleted {name}")


@catalog.command("rollback-index")
@click.argument("name")
@server
@as_json
@one_line_errors
def catalog_rollback_index(name: str, server: str | None, as_json: bool) -> None:
    """Search catalog NAME by the index generation before its last one.

    Nothing else of the catalog goes back: the changes made since are replayed.
    """
    found = Client.of(Settings.from_env(), server).call(
        "POST", f"/v1/catalogs/{name}/index/rollback"
    )
    if as_json:
        print_json(found)
    else:
        click.echo(f"{name} is searched by generation {found['index']['id']}")


@main.command()
@click.argument("recipe", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--data", required=True, type=click.Path(exists=True, file_okay=False, path_type=Path)
)
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--start",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Checkpoint to start from, for a recipe that leaves it open.",
)
@click.option(
    "--branch",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Checkpoint of the recipe's [branch].",
)
@click.option(
    "--teacher",
    "teachers",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Encoder file of a [[teacher]] that the recipe leaves open; may be repeated.",
)
@click.option(
    "--board",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for TensorBoard's event files [default: none are written].",
)
@click.option(
    "--processes",
    type=click.IntRange(min=0),
    default=0,
    help="Processes that draw the views; with an accelerator, one per core [default: a thread].",
)
@as_json
@one_line_errors
def train(
    recipe: Path,
    data: Path,
    out: Path,
    start: Path | None,
    branch: Path | None,
    teachers: tuple[Path, ...],
    board: Path | None,
    processes: int,
    as_json: bool,
) -> None:
    """Train an encoder by a recipe and measure it on held-out pictures.

    A run that was killed goes on where it was last saved (OUT.state).
    """
    with needs_extras("worker,train"):
        from visearch.cli.train import run
    with progress(as_json) as bars:
        report = run(recipe, data, out, start, branch, teachers, board, processes, bars)
    if as_json:
        print_json(vars(report))
    else:
        recalls = (report.same_picture_at_1, *report.label_at_1)
        same, *labels = ("none" if each is None else f"{each:.3f}" for each in recalls)
        click.echo(
            f"{out}: on {report.pictures} held-out pictures, recall@1 of the same picture "
            f"{same}, of each label {', '.join(labels)}"
        )


main.add_command(backup)
main.add_command(restore)
main.add_command(evaluate)
main.add_command(feed)
main.add_command(import_source)
main.add_command(quantize)
main.add_command(weights)
