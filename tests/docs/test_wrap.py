"""The documents wrap at 100 columns; tables, code, pictures and what cannot break may be longer."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])
COLUMNS = 100

FENCE = re.compile(r"^(```|~~~).*?^\1$", re.MULTILINE | re.DOTALL)
TABLE_CODE_PICTURE = re.compile(r"\||    |!\[")
ITEM = re.compile(r"\s*(?:[-*] |\d+\. )?")
CODE = re.compile(r"`[^`]*`")


def too_long(text: str) -> list[str]:
    """Return the lines of prose that are longer than they need to be."""
    lines = FENCE.sub("", text).splitlines()
    return [
        line
        for line in lines
        if len(line) > COLUMNS and not TABLE_CODE_PICTURE.match(line) and breaks(line)
    ]


def breaks(line: str) -> bool:
    """Tell whether a line has a space to break it at, outside code and its indentation."""
    start = ITEM.match(line)
    assert start is not None  # it may be empty
    words = CODE.sub(lambda code: "x" * len(code[0]), line[start.end() :])
    return " " in words.strip()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_prose_is_wrapped(page: Path) -> None:
    assert too_long(page.read_text(encoding="utf-8")) == []


def test_a_long_line_of_prose_is_found_and_the_exceptions_are_not() -> None:
    long = "word " * 25
    code, link = f"`{long}`", f"[why](decisions/{'x' * 100}.md)"
    assert too_long(f"{long}\n\n- {long}\n\n{long}{code}\n") == [long, f"- {long}", long + code]
    excepted = [f"| {long} |", f"    {long}", f"![{long}](a.png)", code, f"- {link}", "short"]
    assert too_long("\n".join([*excepted, f"```sh\n{long}\n```"])) == []
