"""Inside the encoders, too, imports point one way: families, checkpoints, runtimes."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from visearch import encoders

ROOM = Path(encoders.__path__[0])
NEVER = {
    "families": ("checkpoints", "runtimes", "registry", "encoder", "spec"),
    "checkpoints": ("runtimes", "encoder"),
    "runtimes": ("encoder",),
}


def imported(path: Path) -> set[str]:
    """Return the modules and names that a file imports, as dotted names."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


@pytest.mark.parametrize("folder", NEVER)
def test_a_folder_imports_only_what_lies_below_it(folder: str) -> None:
    files = list((ROOM / folder).rglob("*.py"))
    assert len(files) > 5
    above = tuple(f"{encoders.__name__}.{name}." for name in NEVER[folder])
    breaches = {
        f"{path.name} imports {name}"
        for path in files
        for name in imported(path)
        if f"{name}.".startswith(above)
    }
    assert breaches == set()
