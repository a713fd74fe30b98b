"""Material from recipes and archives: each source by itself, groups and galleries kept."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from system import archive, picture

from visearch.cli.study import read_source
from visearch.errors import InvalidRequest
from visearch.evaluation.loading import kept_aside, whole_source
from visearch.training.data import Source

RECIPE = """
[recipe]
architecture = "resnet_compact"

[[term]]
kind = "same_picture"

[[source]]
archive = "a.zip"
table = "a.csv"
levels = [["kind"], ["kind", "colour"]]
holdout = 0.4
left_out = {kind = ["hat"]}

[[source]]
archive = "b.zip"
table = "b.csv"
levels = [["kind"], []]
group = "sender"
holdout = 0.5
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
    write(tmp_path, "a", range(40))
    write(tmp_path, "b", range(200, 240))
    (tmp_path / "recipe.toml").write_text(RECIPE)
    material = kept_aside(tmp_path / "recipe.toml", tmp_path)
    seen = {
        level.name: {level.classes[label] for label in level.labels if label >= 0}
        for level in material.levels
    }
    assert seen == {
        "a: kind": {"cup"},
        "a: kind + colour": {"cup, red", "cup, blue"},
        "a left out: kind": {"hat"},
        "a left out: kind + colour": {"hat, red", "hat, blue"},
        "b: kind": {"cup", "hat"},
    }
    of_a, _, left_out, _, of_b = (level.labels >= 0 for level in material.levels)
    assert not (of_a & left_out).any() and not (of_a & of_b).any()
    hats = [picture(i, side=48) for i in range(40) if i % 3 == 1]
    assert [material.pictures[i] for i in np.flatnonzero(left_out)] == hats


def test_nothing_kept_aside_is_said(tmp_path: Path) -> None:
    write(tmp_path, "a", range(1))
    write(tmp_path, "b", range(200, 201))
    (tmp_path / "recipe.toml").write_text(RECIPE)
    with pytest.raises(InvalidRequest, match="sets no two pictures aside"):
        kept_aside(tmp_path / "recipe.toml", tmp_path)


def test_a_whole_source_keeps_groups_and_gallery(tmp_path: Path) -> None:
    source = write(tmp_path, "a", range(30))
    grouped = Source(source.archive, source.table, source.levels, group="sender")
    material = whole_source(grouped, ("colour", "red"))
    number = {picture(i, side=48): i for i in range(30)}
    order = [number[each] for each in material.pictures]
    assert sorted(order) == list(range(30))
    assert len(np.unique(material.groups)) == 5
    assert material.in_gallery is not None
    assert material.in_gallery.tolist() == [i % 2 == 0 for i in order]
    kind, _ = material.levels
    said = [kind.classes[label] if label >= 0 else "" for label in kind.labels]
    assert said == [["cup", "hat", ""][i % 3] for i in order]
    queries = {order[row] for row in material.task(kind).queries}
    assert queries == {i for i in range(30) if i % 2 and i % 3 != 2}


@pytest.mark.parametrize("copy_first", [True, False])
def test_what_has_a_copy_in_the_gallery_is_in_the_gallery(tmp_path: Path, copy_first: bool) -> None:
    rows = [("1.jpg", "cup", "photo"), ("2.jpg", "cup", "a|b"), ("3.jpg", "cup", "photo")]
    files = [("1.jpg", picture(1)), ("2.jpg", picture(2)), ("3.jpg", picture(2))]
    order = [2, 0, 1] if copy_first else [0, 1, 2]
    (tmp_path / "a.zip").write_bytes(archive(files))
    with (tmp_path / "a.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("image", "kind", "view"), *(rows[i] for i in order)])
    source = Source(tmp_path / "a.zip", tmp_path / "a.csv", (("kind",),))
    material = whole_source(source, ("view", "a|b"))
    assert material.in_gallery is not None
    shown = zip(material.pictures, material.in_gallery.tolist(), strict=True)
    assert list(shown) == [(picture(1), False), (picture(2), True)]


def test_two_sources_of_one_name_are_refused(tmp_path: Path) -> None:
    for folder in ("old", "new"):
        (tmp_path / folder).mkdir()
        write(tmp_path / folder, "a", range(3))
    text = RECIPE.replace('"a.', '"old/a.').replace('"b.', '"new/a.')
    (tmp_path / "recipe.toml").write_text(text)
    with pytest.raises(InvalidRequest, match="two sources are called 'a'"):
        kept_aside(tmp_path / "recipe.toml", tmp_path)


def test_a_table_of_other_pictures_is_refused(tmp_path: Path) -> None:
    source, other = write(tmp_path, "a", range(3)), write(tmp_path, "b", range(7, 9))
    with pytest.raises(InvalidRequest, match="none of the pictures"):
        whole_source(Source(source.archive, other.table, source.levels))


def test_folders_label_what_lies_in_them(tmp_path: Path) -> None:
    for i in range(6):
        folder = tmp_path / "kinds" / ["cup", "hat"][i % 2]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{i}.jpg").write_bytes(picture(i, side=48))
    material = whole_source(Source(tmp_path / "kinds", None, (("folder",),)))
    (level,) = material.levels
    assert [level.classes[label] for label in level.labels] == ["cup"] * 3 + ["hat"] * 3


def test_a_column_says_what_it_says(tmp_path: Path) -> None:
    """The values that mean "no label" in one training set are labels of anybody's table."""
    (tmp_path / "a.tar.zip").write_bytes(archive([(f"{i}.jpg", picture(i)) for i in range(4)]))
    with (tmp_path / "a.csv").open("w", newline="") as file:
        rows = [(f"{i}.jpg", ["Other", "Skip"][i % 2]) for i in range(4)]
        csv.writer(file).writerows([("image", "kind"), *rows])
    material = read_source(tmp_path / "a.tar.zip", None, ["kind"], None, None)
    (level,) = material.levels
    assert {level.classes[label] for label in level.labels} == {"Other", "Skip"}
