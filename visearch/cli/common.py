"""What the commands share: the JSON flag, progress bars, one clear line for every error."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from visearch.errors import VisearchError

P = ParamSpec("P")
R = TypeVar("R")
console = Console(stderr=True)

SOME_FAILED = 3
"""The exit status where some items are searchable and others are not."""

server = click.option("--server", metavar="URL", help="The server [default: HOST and PORT].")
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, nothing else.")


def one_line_errors(command: Callable[P, R]) -> Callable[P, R]:
    """Turn a VisearchError into one line on stderr and exit status 1."""

    @wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except VisearchError as error:
            raise click.ClickException(error.detail) from error

    return wrapped


@contextmanager
def needs_extras(extras: str) -> Iterator[None]:
    """Turn an ImportError of the block into a VisearchError that says how to get ``extras``."""
    try:
        yield
    except ImportError as error:
        raise VisearchError(
            f"This command needs more packages ({error.name} is missing). "
            f"Run `pip install -c constraints.txt '.[{extras}]'` in visearch's source folder."
        ) from error


def progress(hidden: bool) -> Progress:
    """Make progress bars on stderr; nobody sees them if they are hidden, or go into a file."""
    columns = (
        TextColumn("{task.description:>10}"),
        BarColumn(),
        TextColumn("{task.percentage:.0f}%"),
    )
    return Progress(
        *columns, TimeRemainingColumn(), console=console, disable=hidden or not console.is_terminal
    )


def print_json(value: Any) -> None:
    """Print ``value`` to stdout; what JSON has no form for, as text."""
    click.echo(json.dumps(value, indent=2, default=str))
