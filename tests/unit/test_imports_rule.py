"""Imports point one way only: leaves, adapters, use cases, then web and workers."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LONGEST_FILE = 400

LEAVES = {
    "errors", "settings", "records", "searches", "fields", "contract", "ids", "logs", "rules",
    "home_lock", "private", "scratch", "background", "confine",
    "flag", "listener", "schedule",
}  # fmt: skip
ADAPTERS = {"images", "archives", "tables", "fetching", "encoders", "fusion", "index", "store"}
USE_CASES = {
    "importing", "upkeep", "reindexing", "searching", "training", "evaluation", "backend",
    "catalog", "inline",
}  # fmt: skip
EDGES = {"cli", "demo"}
"""Programs on top of the core, and data for them; nothing below may import them."""

WEB_NEVER = (
    "jax",
    "flax",
    "scann",
    "optax",
    "safetensors",
    "huggingface_hub",
    "workers",
    "visearch.index",
    "visearch.encoders.encoder",
    "visearch.encoders.families",
    "visearch.encoders.checkpoints.weights",
)
CORE_NEVER = ("flask", "flask_openapi", "celery", "kombu", "web", "workers")


def module_of(path: Path) -> str:
    """Return the dotted name of a source file."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def sources() -> dict[str, Path]:
    """Return every source file of the three packages by module name."""
    files = [
        f for package in ("visearch", "web", "workers") for f in (ROOT / package).rglob("*.py")
    ]
    return {module_of(path): path for path in files}


@cache
def imported(module: str) -> frozenset[str]:
    """Return what a module imports, inside functions too, as dotted names."""
    path = sources()[module]
    return frozenset(_names(ast.parse(path.read_text(encoding="utf-8")), module, path))


def _names(tree: ast.Module, module: str, path: Path) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: a relative import; name the module in full"
            base = node.module or ""
            # `from package import module` imports the module; any other name is inside it.
            for alias in node.names:
                full = f"{base}.{alias.name}"
                yield full if full in sources() else base


def inside(name: str, prefixes: tuple[str, ...]) -> bool:
    """Tell whether a dotted name is one of ``prefixes`` or below it."""
    return any(name == prefix or name.startswith(f"{prefix}.") for prefix in prefixes)


def part(name: str) -> str:
    """Return which part of the core a module belongs to; empty outside of it."""
    words = name.split(".")
    return words[1] if words[0] == "visearch" and len(words) > 1 else ""


def members(parts: set[str]) -> list[str]:
    """Return the core's modules of these parts."""
    return sorted(module for module in sources() if part(module) in parts)


def breaches(modules: list[str], allowed: set[str]) -> list[str]:
    """Return each import of a part of the core that is not among ``allowed``."""
    return [
        f"{module} imports {name}"
        for module in modules
        for name in sorted(imported(module))
        if part(name) and part(name) not in allowed
    ]


def test_every_part_of_the_core_has_its_place() -> None:
    parts = {part(module) for module in sources()} - {""}
    assert parts <= LEAVES | ADAPTERS | USE_CASES | EDGES, "add the new part to its layer here"
    assert parts >= LEAVES | ADAPTERS


def test_leaves_import_leaves_only() -> None:
    assert breaches(members(LEAVES), LEAVES) == []


def test_adapters_import_no_use_case() -> None:
    assert breaches(members(ADAPTERS), LEAVES | ADAPTERS) == []


def test_use_cases_import_no_program() -> None:
    assert breaches(members(USE_CASES), LEAVES | ADAPTERS | USE_CASES) == []


@pytest.mark.parametrize(
    ("package", "never"), [("visearch", CORE_NEVER), ("web", WEB_NEVER), ("workers", ("web",))]
)
def test_a_package_never_imports(package: str, never: tuple[str, ...]) -> None:
    found = [
        f"{module} imports {name}"
        for module in sorted(sources())
        if inside(module, (package,))
        for name in sorted(imported(module))
        if inside(name, never)
    ]
    assert found == []


def test_only_the_store_speaks_to_the_database() -> None:
    schema = ("visearch.store.schema", "visearch.store.schema_imports")
    never = ("sqlalchemy", "alembic", *schema)
    found = [
        f"{module} imports {name}"
        for module in sorted(sources())
        if not inside(module, ("visearch.store",))
        for name in sorted(imported(module))
        if inside(name, never)
    ]
    assert found == []


def test_no_file_is_longer_than_a_reader_holds() -> None:
    # A migration is a record of one moment and is never edited: it may be as long as it was.
    lines = {
        module: len(path.read_text(encoding="utf-8").splitlines())
        for module, path in sources().items()
        if "versions" not in path.parts
    }
    assert {module: n for module, n in lines.items() if n > LONGEST_FILE} == {}


def loaded_after(code: str, names: tuple[str, ...], folder: Path, **env: str) -> list[str]:
    """Run ``code`` in a fresh interpreter; return which of ``names`` it has loaded."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("VISEARCH_")}
    script = f"{code}\nimport sys\nprint('LOADED', *[n for n in {names!r} if n in sys.modules])"
    result = subprocess.run(
        [sys.executable, "-c", script],
        cwd=folder,
        env={**clean, "PYTHONPATH": str(ROOT), "VISEARCH_HOME": str(folder / "home"), **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()[-1].split()[1:]


def test_the_web_app_loads_no_model_and_no_worker(tmp_path: Path) -> None:
    code = (
        "import web\nfrom visearch.settings import Settings\nweb.create_app(Settings.from_env())\n"
    )
    assert loaded_after(code, WEB_NEVER, tmp_path) == []
    assert loaded_after(code, ("web", "flask"), tmp_path) == ["web", "flask"]


def test_specs_of_every_source_are_resolved_without_loading_weights(tmp_path: Path) -> None:
    code = (
        "from visearch.encoders.spec import resolve\n"
        "from visearch.errors import UnknownEncoder\n"
        "resolve('bundled')\n"
        "try:\n    resolve('hf-hub:owner/name@v1')\n"
        "except UnknownEncoder as error:\n    assert 'visearch weights pull' in error.detail\n"
        "else:\n    raise AssertionError\n"
    )
    assert loaded_after(code, WEB_NEVER, tmp_path) == []


@pytest.mark.parametrize("role", ["ingest", "plan"])
def test_a_worker_that_forks_loads_no_model(tmp_path: Path, role: str) -> None:
    code = f"import workers.{role}\n"
    never = ("jax", "flax", "scann", "optax", "flask", "web", "visearch.encoders.encoder")
    assert loaded_after(code, never, tmp_path, VISEARCH_ROLE=role) == []
    assert loaded_after(code, ("celery",), tmp_path, VISEARCH_ROLE=role) == ["celery"]


def test_a_decoder_loads_only_what_decoding_needs(tmp_path: Path) -> None:
    """Less to start, and less that a picture which takes it over finds there."""
    code = "import visearch.images.decoders.child\n"
    never = ("jax", "flax", "scann", "sqlalchemy", "redis", "celery", "pydantic", "structlog")
    assert loaded_after(code, never, tmp_path) == []
    needed = ("visearch.images", *(f"visearch.{leaf}" for leaf in LEAVES))
    loaded = loaded_after(code, tuple(sources()), tmp_path)
    assert "visearch.images.order" in loaded
    assert [name for name in loaded if name != "visearch" and not inside(name, needed)] == []
