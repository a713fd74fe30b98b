"""``docs/settings.md`` lists every setting, with the default and the help of the code."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from visearch.settings import PREFIX, Settings

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"


def expected_table() -> list[str]:
    """Return the rows of the table as the code has them."""
    rows = ["| Variable | Default | Meaning |", "|---|---|---|"]
    for field in fields(Settings):
        name = PREFIX + field.name.upper()
        rows.append(f"| `{name}` | {shown(field.default)} | {field.metadata['help']} |")
    return rows


def shown(default: object) -> str:
    """Return a default as one would write it in the environment."""
    text = str(int(default)) if isinstance(default, bool) else str(default)
    return f"`{text}`" if text else "empty"


def test_the_page_has_the_table_of_the_code() -> None:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    found = [line for line in lines if line.startswith("|")]
    expected = expected_table()
    assert found == expected, "put this table into docs/settings.md:\n" + "\n".join(expected)


def test_no_value_of_the_table_is_refused() -> None:
    environ = {}
    for row in expected_table()[2:]:
        name, default, _ = (cell.strip() for cell in row.strip("|").split("|", 2))
        environ[name.strip("`")] = "" if default == "empty" else default.strip("`")
    assert Settings.from_env(environ) == Settings()
