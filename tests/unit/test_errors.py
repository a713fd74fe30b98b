"""Errors: the one line that is shown of any of them."""

from __future__ import annotations

import pytest

from visearch.errors import first_line


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
