"""Unit tests mirror the source: tests/unit/<room>/test_<file>[_<aspect>].py tests <room>/<file>.py.

A test of a whole room bears the room's name: tests/unit/encoders/runtimes/test_runtimes.py.
"""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT, UNIT = Path(__file__).parents[2], Path(__file__).parent
BESIDE_THE_CORE = ("web", "workers")
"""A first folder of any other name is a room of ``visearch``."""

ABOUT_THE_WHOLE_SOURCE = {UNIT / "test_imports_rule.py", UNIT / "test_mirror.py"}


def room_of(test: Path) -> Path:
    """Return the source folder that a test file's folder stands for."""
    parts = test.parent.relative_to(UNIT).parts
    core = () if parts and parts[0] in BESIDE_THE_CORE else ("visearch",)
    return ROOT.joinpath(*core, *parts)


def names_its_subject(test: Path) -> bool:
    """Tell whether a test's name begins with a file of its room, or is that of the room."""
    room = room_of(test)
    subjects = {path.stem for path in room.glob("*.py")} | {room.name}
    words = test.stem.removeprefix("test_").split("_")
    return any("_".join(words[:n]) in subjects for n in range(1, len(words) + 1))


def test_every_unit_test_names_what_it_tests() -> None:
    tests = set(UNIT.rglob("test_*.py")) - ABOUT_THE_WHOLE_SOURCE
    assert tests
    lost = [str(path.relative_to(ROOT)) for path in sorted(tests) if not names_its_subject(path)]
    assert lost == [], "move each to tests/unit/<room>/test_<file>.py of the file it tests"


@pytest.mark.parametrize(
    ("path", "is_right"),
    [
        ("test_errors.py", True),
        ("store/test_blobs.py", True),
        ("index/test_live_threads.py", True),
        ("encoders/runtimes/test_runtimes.py", True),
        ("workers/test_batcher.py", True),
        ("test_blobs.py", False),
        ("encoders/test_pth.py", False),
        ("workers/test_live.py", False),
        ("nowhere/test_blobs.py", False),
    ],
)
def test_the_rule(path: str, is_right: bool) -> None:
    assert names_its_subject(UNIT / path) == is_right
