"""A small labelled source and a quick recipe, shared by the training tests."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import tiny
from system import archive, picture

from visearch.training.data import Source
from visearch.training.recipe import Recipe, Term


@pytest.fixture(autouse=True)
def _tiny_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    for table in tiny.TABLES:
        monkeypatch.setitem(table, tiny.NAME, tiny.CONFIG)


@pytest.fixture
def source(tmp_path: Path) -> Source:
    names = [f"{i}.jpg" for i in range(60)]
    # Each picture stands twice, under two names: the copies must not straddle the split.
    files = [(name, picture(i % 30)) for i, name in enumerate(names)]
    (tmp_path / "a.zip").write_bytes(archive(files))
    with (tmp_path / "a.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "kind", "sender"])
        writer.writerows([name, ["", "b", "c"][i % 3], i % 5] for i, name in enumerate(names))
    return Source(tmp_path / "a.zip", tmp_path / "a.csv", (("kind",),), holdout=0.3)


@pytest.fixture
def recipe() -> Recipe:
    return Recipe(
        architecture=tiny.NAME,
        size=32,
        batch=12,
        steps=40,
        warmup=5,
        learning_rate=1e-3,
        head_learning_rate=1e-3,
        average=0.5,
        lengths=(64,),
        seed=5,
        terms=(
            Term(kind="same_picture", memory=24),
            Term(kind="proxy", weight=0.5, smoothing=0.1, margin=0.1),
        ),
    )
