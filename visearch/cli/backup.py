"""``visearch backup`` and ``visearch restore``: a copy of everything, and the way back."""

from __future__ import annotations

import sys
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import click

from visearch import private
from visearch.cli.common import as_json, needs_extras, one_line_errors, print_json
from visearch.errors import amount
from visearch.settings import Settings
from visearch.upkeep import sums
from visearch.upkeep.sums import Description

BUCKETS = (1,)
"""Batches of one: each catalog is searched once."""


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--verify", is_flag=True, help="Check the backup FOLDER, which exists.")
@as_json
@one_line_errors
def backup(folder: Path, verify: bool, as_json: bool) -> None:
    """Back up database and blobs into the new folder FOLDER, while everything runs.

    Exits with 1 if something is missing: FOLDER then holds the rest.
    """
    if verify:
        description = sums.verify(folder)
    else:
        from visearch.upkeep.backup import back_up

        private.keep()
        description = back_up(Settings.from_env(), folder)
    _report(folder, description, as_json)
    if description.missing:
        sys.exit(1)


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@as_json
@one_line_errors
def restore(folder: Path, as_json: bool) -> None:
    """Put the backup FOLDER into an empty VISEARCH_HOME, and search every catalog once.

    Exits with 1 if a search does not find what it should.
    """
    with needs_extras("worker"):
        from visearch.encoders.encoder import Encoder
        from visearch.encoders.runtimes.options import RunOptions
        from visearch.upkeep.proof import search_each
        from visearch.upkeep.restore import restore as put_back

    private.keep()
    settings = Settings.from_env()
    description = put_back(settings, folder)

    @cache
    def open_encoder(spec: str) -> Encoder:
        return Encoder.open(spec, BUCKETS, RunOptions.of(settings))

    proofs = search_each(settings, open_encoder)
    _report(folder, description, as_json, searched=[asdict(proof) for proof in proofs])
    if not as_json:
        click.echo(f"restored into {settings.home.resolve()}")
        for proof in proofs:
            click.echo(f"{'ok  ' if proof.ok else 'FAIL'} {proof.catalog}: {proof.detail}")
    if not all(proof.ok for proof in proofs):
        sys.exit(1)


def _report(folder: Path, description: Description, as_json: bool, **more: Any) -> None:
    if as_json:
        print_json({**asdict(description), "complete": not description.missing, **more})
        return
    state = "incomplete" if description.missing else "complete"
    files, size = sum(description.counts.values()), amount(description.bytes, "bytes")
    click.echo(f"{folder}: {state}, {files:,} files, {size}, of visearch {description.version}")
    for flaw in description.missing:
        click.echo(f"  missing {flaw.name}: {flaw.reason}")
