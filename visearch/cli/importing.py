"""``visearch import``: what it would do, then the import, followed to every item's fate."""

from __future__ import annotations

import json
import sys
from itertools import islice
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from visearch.cli.client import Client, Record
from visearch.cli.common import (
    SOME_FAILED,
    as_json,
    one_line_errors,
    print_json,
    progress,
    server,
)
from visearch.errors import VisearchError
from visearch.importing.sources import Source, opened
from visearch.settings import Settings

SHOWN = 20


@click.command("import")
@click.argument("source")
@click.option("--catalog", required=True, help="Catalog to fill; made if it does not exist.")
@click.option("--mode", type=click.Choice(["upsert", "replace"]), default="upsert")
@click.option(
    "--guard",
    type=click.FloatRange(0, 1),
    help="The share of the catalog that a replace may remove [default: the server's].",
)
@click.option(
    "--mapping",
    metavar="JSON|FILE",
    help='What columns hold, as {"Artikelnr": "id"}, or a file of that.',
)
@click.option("--dry-run", is_flag=True, help="Say what would become of it, and change nothing.")
@server
@as_json
@one_line_errors
def import_source(
    source: str,
    catalog: str,
    mode: str,
    guard: float | None,
    mapping: str | None,
    dry_run: bool,
    server: str | None,
    as_json: bool,
) -> None:
    """Import SOURCE and follow it to its end.

    SOURCE is a zip or tar of pictures, a table that names them by URL, a folder, or the URL of such
    a file.

    Exits with 0 if all of it is searchable, with 3 if some of it failed, else with 1. A stop of the
    server does not lose the import: it goes on with the next start.
    """
    stated, client = _mapping(mapping), Client.of(Settings.from_env(), server)
    common = {"mode": mode, "guard": guard}
    with progress(as_json) as bars, opened(source, _download_bar(bars)) as file:
        if not dry_run:
            client.ensure_catalog(catalog)
        first = {**common, "dry_run": "true"} if dry_run or stated else common
        now = _send(client, catalog, file, bars, first)
        if stated:
            again = {**common, "dry_run": "true" if dry_run else None}
            now = client.send_no_more(catalog, now["upload"], stated, **again)
        if not dry_run:
            now = _follow(client, now, bars)
    if dry_run:
        _report_preview(now, as_json)
    else:
        _report_import(client, now, as_json)


def _mapping(given: str | None) -> dict[str, Any]:
    if given is None:
        return {}
    try:
        text = given if given.lstrip().startswith("{") else Path(given).read_text("utf-8")
        stated = json.loads(text)
    except OSError as error:
        raise VisearchError(f"The mapping {given} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise VisearchError(f"The mapping is not valid JSON ({error}). Correct it.") from error
    if not isinstance(stated, dict):
        raise VisearchError('The mapping is no JSON object. Write it as {"Artikelnr": "id"}.')
    return stated


def _download_bar(bars: Progress) -> Any:
    task = bars.add_task("downloading", visible=False)

    def told(count: int, size: int | None) -> None:
        bars.update(task, advance=count, total=size, visible=True)

    return told


def _send(
    client: Client, catalog: str, file: Source, bars: Progress, params: dict[str, Any]
) -> Record:
    task = bars.add_task("uploading", total=file.size)
    return client.send(catalog, file, lambda count: bars.advance(task, count), **params)


def _follow(client: Client, record: Record, bars: Progress) -> Record:
    task = bars.add_task("searchable", total=None)
    for now in client.follow_import(record):
        counts = now["counts"]
        done = counts["searchable"] + counts["failed"]
        bars.update(task, total=counts["items"], completed=done)
    return now


def _report_import(client: Client, record: Record, as_json: bool) -> None:
    failures = list(islice(client.items(record, status="failed", limit=SHOWN), SHOWN))
    counts = record["counts"]
    if as_json:
        print_json({**record, "failures": failures})
    else:
        click.echo(
            f"{record['status']}: {counts['searchable']} searchable, {counts['failed']} failed"
        )
        if record["error"]:
            click.echo(f"  {record['error']['code']}: {record['error']['detail']}")
        for item in failures:
            click.echo(f"  {item['path']}: {item['code']}: {item['detail']}")
    if record["status"] not in ("succeeded", "partial"):
        sys.exit(1)
    if counts["failed"]:
        sys.exit(SOME_FAILED)


def _report_preview(preview: Record, as_json: bool) -> None:
    counts, guard, problem = preview["counts"], preview["guard"], preview["problem"]
    if as_json:
        print_json(preview)
    else:
        _print_preview(preview)
    if problem or (guard and guard["stops"]):
        sys.exit(1)
    if counts["failed"]:
        sys.exit(SOME_FAILED)


def _print_preview(preview: Record) -> None:
    counts = preview["counts"]
    click.echo(", ".join(filter(None, (preview["format"], preview["encoding"]))))
    columns = Table("column", "is", "type", "example")
    for each in preview["mapping"]:
        columns.add_row(each["column"], each["field"], each["type"], each["example"] or "")
    if preview["mapping"]:
        Console().print(columns)
    said = [f"{counts[name]} {name}" for name in counts if counts[name] is not None]
    click.echo(", ".join(said))
    for note in preview["notes"]:
        click.echo(f"  {note}")
    for failure in preview["failures"][:SHOWN]:
        picture = f" {failure['picture']}:" if failure["picture"] else ""
        click.echo(f"  line {failure['line']}:{picture} {failure['code']}: {failure['detail']}")
    if preview["ignored"]:
        click.echo(f"  left out: {', '.join(preview['ignored'][:SHOWN])}")
    if preview["problem"]:
        click.echo(f"  {preview['problem']['code']}: {preview['problem']['detail']}")
