"""``visearch feed``: files that a catalog fetches by itself."""

from __future__ import annotations

import json
import sys
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from visearch.cli.client import Client, Record, until
from visearch.cli.common import SOME_FAILED, as_json, one_line_errors, print_json, server
from visearch.settings import Settings

SHOWN = 20
LONGEST_RUN_S = 24 * 3600.0

in_catalog = click.option("--catalog", required=True, help="The catalog that the feed fills.")


@click.group()
def feed() -> None:
    """Fetch files by URL again and again, and import what has changed."""


@feed.command("put")
@click.argument("name")
@click.argument("url")
@in_catalog
@click.option("--cron", help="When, as '30 4 * * *': minute, hour, day, month, weekday, in UTC.")
@click.option("--every", type=int, metavar="SECONDS", help="How often.")
@click.option("--mode", type=click.Choice(["upsert", "replace"]), default="upsert")
@click.option(
    "--guard",
    type=click.FloatRange(0, 1),
    help="The share of the catalog that a replace may remove [default: the server's].",
)
@server
@as_json
@one_line_errors
def put(
    name: str,
    url: str,
    catalog: str,
    cron: str | None,
    every: int | None,
    mode: str,
    guard: float | None,
    server: str | None,
    as_json: bool,
) -> None:
    """Fetch URL into a catalog as the feed NAME; without --cron or --every, only by `run`.

    A feed that is paused stays so.
    """
    if cron and every is not None:
        raise click.UsageError("Give --cron or --every, not both.")
    schedule = cron or ({"every": every} if every is not None else None)
    with Client.of(Settings.from_env(), server) as client:
        client.ensure_catalog(catalog)
        known = client.call("GET", f"/v1/catalogs/{catalog}/feeds")["items"]
        paused = any(each["paused"] for each in known if each["name"] == name)
        body = {"url": url, "schedule": schedule, "mode": mode, "guard": guard, "paused": paused}
        _show([client.call("PUT", _path(catalog, name), json=body)], as_json, alone=True)


@feed.command("ls")
@in_catalog
@server
@as_json
@one_line_errors
def ls(catalog: str, server: str | None, as_json: bool) -> None:
    """List the feeds of a catalog."""
    with Client.of(Settings.from_env(), server) as client:
        _show(client.call("GET", f"/v1/catalogs/{catalog}/feeds")["items"], as_json)


@feed.command("rm")
@click.argument("name")
@in_catalog
@server
@one_line_errors
def rm(name: str, catalog: str, server: str | None) -> None:
    """Delete a feed; the products that it brought stay."""
    with Client.of(Settings.from_env(), server) as client:
        client.call("DELETE", _path(catalog, name))
    click.echo(f"deleted the feed {name}")


@feed.command("pause")
@click.argument("name")
@in_catalog
@server
@one_line_errors
def pause(name: str, catalog: str, server: str | None) -> None:
    """Let a feed run only when it is asked to."""
    _set_paused(server, catalog, name, paused=True)
    click.echo(f"paused the feed {name}")


@feed.command("resume")
@click.argument("name")
@in_catalog
@server
@one_line_errors
def resume(name: str, catalog: str, server: str | None) -> None:
    """Let a feed run by its schedule again."""
    _set_paused(server, catalog, name, paused=False)
    click.echo(f"resumed the feed {name}")


def _set_paused(server: str | None, catalog: str, name: str, *, paused: bool) -> None:
    stated = ("url", "schedule", "format", "mode", "guard")
    with Client.of(Settings.from_env(), server) as client:
        now = client.call("GET", _path(catalog, name))
        body = {**{field: now[field] for field in stated}, "paused": paused}
        client.call("PUT", _path(catalog, name), json=body)


@feed.command("run")
@click.argument("name")
@in_catalog
@click.option("--whole", is_flag=True, help="Look at every product, as if nothing were known.")
@server
@as_json
@one_line_errors
def run(name: str, catalog: str, whole: bool, server: str | None, as_json: bool) -> None:
    """Run a feed now and wait for its end.

    Exits with 0 if the catalog is as the file says, with 3 if some of it failed, else with 1.
    """
    with Client.of(Settings.from_env(), server) as client:
        params = {"whole": "true"} if whole else {}
        begun = client.call("POST", f"{_path(catalog, name)}/run", params=params)

        def ended() -> Record | None:
            now: Record = client.call("GET", f"{_path(catalog, name)}/runs/{begun['id']}")
            return now if now["finished_at"] else None

        found = until(ended, LONGEST_RUN_S, "The end of the run", every_s=1.0) or {}
    _show_runs([found], as_json, alone=True)
    if found["status"] not in ("unchanged", "succeeded", "partial"):
        sys.exit(1)
    if found["difference"]["failed"]:
        sys.exit(SOME_FAILED)


@feed.command("runs")
@click.argument("name")
@in_catalog
@server
@as_json
@one_line_errors
def runs(name: str, catalog: str, server: str | None, as_json: bool) -> None:
    """List the last runs of a feed."""
    with Client.of(Settings.from_env(), server) as client:
        path = f"{_path(catalog, name)}/runs"
        _show_runs(client.call("GET", path, params={"limit": SHOWN})["items"], as_json)


def _path(catalog: str, name: str) -> str:
    return f"/v1/catalogs/{catalog}/feeds/{name}"


def _show(found: list[Record], as_json: bool, *, alone: bool = False) -> None:
    if as_json:
        print_json(found[0] if alone else found)
        return
    table = Table("name", "url", "schedule", "mode", "next run", "last run")
    for each in found:
        last = each["last_run"] or {"status": "never"}
        table.add_row(
            each["name"],
            each["url"],
            _schedule(each["schedule"]),
            each["mode"],
            "paused" if each["paused"] else each["next_run_at"] or "when asked",
            last["status"],
        )
    Console().print(table)


def _schedule(schedule: Any) -> str:
    return schedule if isinstance(schedule, str) else json.dumps(schedule) if schedule else ""


def _show_runs(found: list[Record], as_json: bool, *, alone: bool = False) -> None:
    if as_json:
        print_json(found[0] if alone else found)
        return
    names = ("added", "changed", "unchanged", "removed", "failed")
    table = Table("begun", "status", *names)
    for each in found:
        counts = (str(each["difference"][name]) for name in names)
        table.add_row(each["created_at"], each["status"], *counts)
    Console().print(table)
    for each in found:
        if each["error"]:
            click.echo(f"{each['error']['code']}: {each['error']['detail']}")
