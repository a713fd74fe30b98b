"""Material from recipes and archives: each source by itself, groups and galleries kept."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from system import archive, picture

from visearch.errors import InvalidRequest
from visearch.evaluation.loading import held_out, whole_archive
from visearch.training.data import Source

RECIPE = """
[[source]]
archive = "a.zip"
table = "a.csv"
levels = [["kind"], ["kind", "colour"]]

[[source]]
archive = "b.zip"
table = "b.csv"
levels = [["kind"], ["kind"]]
group = "sender"
"""


def write(folder: Path, name: str, pictures: Iterable[int]) -> Source:
    """Write pictures with kind, colour and sender, all told from their number."""
    files = [(f"{i}.jpg", picture(i, side=48)) for i in pictures]
    (folder / f"{name}.zip").write_bytes(archive(files))
    with (folder / f"{name}.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["image", "kind", "colour", "sender"])
        for image, _ in files:
            i = int(image.removesuffix(".jpg"))
            table.writerow([image, ["cup", "hat", ""][i % 3], ["red", "blue"][i % 2], i % 5])
    return Source(folder / f"{name}.zip", folder / f"{name}.csv", (("kind",), ("kind", "colour")))


def test_a_recipe_compares_each_source_with_itself(tmp_path: Path) -> None:
    write(tmp_path, "a", range(120))
    write(tmp_path, "b", range(200, 300))
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(RECIPE)
    material = held_out(recipe, tmp_path)
    by_name = {level.name: level for level in material.levels}
    assert list(by_name) == ["a: kind", "a: kind + colour", "b: kind"]
    of_a, of_b = by_name["a: kind"].labels >= 0, by_name["b: kind"].labels >= 0
    assert of_a.any() and not (of_a & of_b).any()
    level = by_name["a: kind + colour"]
    seen = {level.classes[label] for label in level.labels if label >= 0}
    assert seen <= {"cup, red", "cup, blue", "hat, red", "hat, blue"}


def test_nothing_held_out_is_said(tmp_path: Path) -> None:
    write(tmp_path, "a", range(1))
    write(tmp_path, "b", range(1, 2))
    (tmp_path / "recipe.toml").write_text(RECIPE)
    with pytest.raises(InvalidRequest, match="holds out no picture"):
        held_out(tmp_path / "recipe.toml", tmp_path)


def test_a_whole_archive_keeps_groups_and_gallery(tmp_path: Path) -> None:
    source = write(tmp_path, "a", range(30))
    grouped = Source(source.archive, source.table, source.levels, group="sender")
    material = whole_archive(grouped, ("colour", "red"))
    assert material.pictures == [picture(i, side=48) for i in range(30)]
    assert len(np.unique(material.groups)) == 5
    assert material.in_gallery is not None
    assert material.in_gallery.tolist() == [i % 2 == 0 for i in range(30)]
    kind, _ = material.levels
    assert [kind.classes[label] if label >= 0 else "" for label in kind.labels[:3]] == [
        "cup",
        "hat",
        "",
    ]
    task = material.task(kind)
    assert task.queries.tolist() == [i for i in range(30) if i % 2 and i % 3 != 2]


def test_a_table_of_other_pictures_is_refused(tmp_path: Path) -> None:
    source, other = write(tmp_path, "a", range(3)), write(tmp_path, "b", range(7, 9))
    with pytest.raises(InvalidRequest, match="names no picture"):
        whole_archive(Source(source.archive, other.table, source.levels))
