"""The error tree drawn in the module is that of the classes; amounts are easy to read."""

from __future__ import annotations

import re

import pytest

from visearch import errors
from visearch.errors import Unit, VisearchError, amount, excess, first_line

DRAWN = re.compile(r"^ {4}((?:│   |    )*)[├└]── (\w+)", re.MULTILINE)


def drawn() -> dict[str, str]:
    """Return each class that the module's docstring draws, with the one it hangs on."""
    parents = {}
    path = [VisearchError.__name__]
    for indent, name in DRAWN.findall(errors.__doc__ or ""):
        del path[1 + len(indent) // 4 :]
        parents[name] = path[-1]
        path.append(name)
    return parents


def test_the_drawing_has_every_class_in_its_place() -> None:
    defined = {
        each.__name__: each.__base__.__name__
        for each in vars(errors).values()
        if isinstance(each, type) and issubclass(each, VisearchError) and each.__base__
    }
    assert defined.pop("VisearchError") == "Exception"
    assert drawn() == defined


@pytest.mark.parametrize(
    ("count", "unit", "text"),
    [
        (0, "bytes", "0 bytes"),
        (1023, "bytes", "1,023 bytes"),
        (20 << 20, "bytes", "20 MB"),
        (3 << 29, "bytes", "1.5 GB"),
        (999_999, "pixels", "999,999 pixels"),
        (70_000_000, "pixels", "70 million pixels"),
        (1_600_000_000, "pixels", "1.6 billion pixels"),
    ],
)
def test_an_amount_is_rounded_to_a_unit(count: int, unit: Unit, text: str) -> None:
    assert amount(count, unit) == text


def test_an_excess_never_reads_like_its_limit() -> None:
    assert excess(70_000_000, 64_000_000, "pixels") == "70 million pixels; the limit is 64 million"
    assert excess(21 << 20, 20 << 20, "bytes") == "21 MB; the limit is 20 MB"
    close = excess(64_000_001, 64_000_000, "pixels")
    assert close == "64,000,001 pixels; the limit is 64,000,000"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("odd\nand more"), "odd"),
        (ValueError("\n odd"), "odd"),
        (ValueError(""), "ValueError"),
        (OSError(), "OSError"),
    ],
)
def test_every_error_has_a_first_line(error: Exception, line: str) -> None:
    assert first_line(error) == line
