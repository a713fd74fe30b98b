"""``visearch weights``: its options; the work, which needs jax, is loaded when it is called."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import click
from rich.console import Console
from rich.table import Table

from visearch.cli.common import as_json, needs_extras, one_line_errors, print_json
from visearch.encoders.checkpoints.hub import HubSource, note_path
from visearch.encoders.spec import EncoderSpec, resolve, weights_folder
from visearch.errors import VisearchError
from visearch.images import Preprocess
from visearch.images.preprocess import Fit
from visearch.settings import Settings

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

_file = click.Path(exists=True, dir_okay=False, path_type=Path)
_triple = (click.FLOAT, click.FLOAT, click.FLOAT)


@click.group()
def weights() -> None:
    """List, download, convert and check the weights of encoders."""


@weights.command()
@as_json
@one_line_errors
def ls(as_json: bool) -> None:
    """List the encoders that lie here: the bundled one and those pulled."""
    found = [_found(name) for name in ("bundled", *_pulled())]
    if as_json:
        print_json(found)
        return
    table = Table()
    for name in ("encoder", "architecture", "dimension", "MB", "fingerprint", "licence"):
        table.add_column(name, overflow="fold")
    for one in found:
        table.add_row(*(str(value or "") for value in one.values()))
    Console().print(table)


@weights.command()
@click.argument("source")
@click.option("--architecture", help="[default: what config.json says]")
@click.option("--sha256", help="What the file must have [default: what the hub says].")
@as_json
@one_line_errors
def pull(source: str, architecture: str | None, sha256: str | None, as_json: bool) -> None:
    """Download hf-hub:OWNER/NAME@REVISION[/FILE], verify it and make an encoder of it.

    A branch or tag is resolved to its commit, which is kept; pull it again to follow it.
    """
    hub_source = HubSource.parse(source)
    with needs_extras("worker,hub"):
        from visearch.encoders.checkpoints.pull import pull as run
    home = Settings.from_env().home
    run(hub_source, weights_folder(), home / "cache" / "hf-hub", architecture, sha256)
    _report(source, as_json)


@weights.command()
@click.argument("file", type=_file)
@click.option("--architecture", required=True, help="One of `visearch.encoders`' names.")
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path))
@click.option("--classes", type=click.IntRange(0), default=1000, show_default=True)
@click.option("--size", type=click.IntRange(1), default=224, show_default=True, help="Pixels.")
@click.option("--fit", type=click.Choice(get_args(Fit)), default="crop", show_default=True)
@click.option("--mean", type=_triple, default=IMAGENET_MEAN, show_default=True)
@click.option("--std", type=_triple, default=IMAGENET_STD, show_default=True)
@as_json
@one_line_errors
def convert(
    file: Path,
    architecture: str,
    out: Path,
    classes: int,
    size: int,
    fit: Fit,
    mean: tuple[float, float, float],
    std: tuple[float, float, float],
    as_json: bool,
) -> None:
    """Make an encoder of a checkpoint FILE (safetensors, .pth): use it as file:OUT.

    CLASSES is the number of classes that the checkpoint tells apart, 0 for none.
    """
    with needs_extras("worker"):
        from visearch.encoders.checkpoints.convert import Conversion
        from visearch.encoders.checkpoints.convert import convert as run
    try:
        preprocess = Preprocess(size=size, fit=fit, mean=mean, std=std)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    conversion = Conversion(
        architecture=architecture, classes=classes or None, preprocess=preprocess
    )
    run(file, out, conversion)
    _report(f"file:{out}", as_json)


@weights.command()
@click.argument("spec")
@click.option("--dimension", type=click.IntRange(1), required=True)
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path))
@as_json
@one_line_errors
def cut(spec: str, dimension: int, out: Path, as_json: bool) -> None:
    """Make an encoder that gives the first DIMENSION numbers of SPEC's: use it as file:OUT.

    Shorter vectors take less memory and find a little less (docs/benchmarks.md).
    """
    with needs_extras("worker"):
        from visearch.encoders.checkpoints.convert import cut as run
    run(resolve(spec), dimension, out)
    _report(f"file:{out}", as_json)


@weights.command("check")
@click.argument("spec")
@as_json
@one_line_errors
def check_encoder(spec: str, as_json: bool) -> None:
    """Check an encoder: its keys and shapes, that it is finite, that it embeds."""
    with needs_extras("worker"):
        from visearch.encoders.encoder import verify_encoder as run
    run(resolve(spec))
    _report(spec, as_json)


def _report(name: str, as_json: bool) -> None:
    spec = resolve(name)
    described = _described(name, spec) | {"sha256": spec.digest}
    if as_json:
        print_json(described)
    else:
        click.echo(f"{name}: {spec.fingerprint}, {spec.dimension} numbers a picture, fine")


def _found(name: str) -> dict[str, Any]:
    """Describe an encoder; a broken file says so in its row, the others keep theirs."""
    try:
        return _described(name, resolve(name))
    except VisearchError as error:
        nothing = dict.fromkeys(("dimension", "megabytes", "fingerprint", "licence"))
        return {"encoder": name, "architecture": f"broken: {error}", **nothing}


def _described(name: str, spec: EncoderSpec) -> dict[str, Any]:
    note = _note(spec.weights)
    return {
        "encoder": name,
        "architecture": spec.architecture,
        "dimension": spec.dimension,
        "megabytes": round(spec.weights.stat().st_size / 1e6, 1),
        "fingerprint": spec.fingerprint,
        "licence": note.get("licence"),
    }


def _pulled() -> Iterator[str]:
    for path in sorted(weights_folder().rglob("*.safetensors")):
        yield _note(path).get("spec", f"file:{path}")


def _note(weights: Path) -> dict[str, Any]:
    path = note_path(weights)
    try:
        note: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # there is none, or a killed pull left half of one
        return {}
    return note
