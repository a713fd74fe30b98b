"""docs/tables.md states the limits that the code has."""

from __future__ import annotations

from pathlib import Path

from visearch.tables import limits, xmls

PAGE = (Path(__file__).parents[2] / "docs" / "tables.md").read_text(encoding="utf-8")


def test_every_limit_is_stated() -> None:
    most = {name: value for name, value in vars(limits).items() if isinstance(value, int)}
    stated = {name: f"{value:,}" for name, value in most.items() if not name.startswith("LARGEST")}
    stated["MOST_ELEMENTS"] = f"{xmls.MOST_ELEMENTS:,}"
    stated["LARGEST_SHEET"] = f"{limits.LARGEST_SHEET >> 30} GiB"
    stated["LARGEST_PART"] = f"{limits.LARGEST_PART >> 20} MiB"
    table = PAGE.partition("## Limits")[2]
    assert {name: text for name, text in stated.items() if text not in table} == {}
