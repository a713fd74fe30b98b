"""Nobody is told to install `visearch` from the public index: it is another vendor's package."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
INSTALL = re.compile(r"pip3? install[^`\n#]*?(?<![\w./-])visearch(?![\w./-])")
TEXT = {".md", ".py", ".toml", ".txt", ".yml", ".html", ".js", ""}


def texts() -> list[Path]:
    """Return our text files, this one left out."""
    found = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if found.returncode:
        pytest.skip("not a git checkout")
    paths = [ROOT / name for name in found.stdout.split("\0") if name]
    return [p for p in paths if p.suffix in TEXT and p.is_file() and p != Path(__file__)]


@pytest.mark.parametrize(
    ("line", "is_found"),
    [
        ("pip install visearch", True),
        ("pip install -U 'visearch[worker]'", True),
        ("pip install '.[worker]'", False),
        ("/opt/visearch/bin/pip install -c constraints.txt .", False),
        ("pip install -e /src/visearch/", False),
    ],
)
def test_what_the_rule_finds(line: str, is_found: bool) -> None:
    assert bool(INSTALL.search(line)) == is_found


def test_nothing_says_to_install_the_other_package() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in texts()
        for match in INSTALL.finditer(path.read_text(encoding="utf-8"))
    ]
    assert found == []


def test_our_distribution_has_a_name_of_its_own() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["name"] == "visearch-server"
    extras = [each for group in project["optional-dependencies"].values() for each in group]
    assert not [each for each in extras if re.match(r"visearch(?!-server)", each)]
