"""Recipes: what is read, what is refused and why."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from visearch.errors import InvalidRequest
from visearch.training import recipe_file as recipes

ROOT = Path(__file__).parents[3]
RECIPES = ROOT / "recipes"
WAYS = ("start", "branch")
DOCUMENTATION = ROOT / "docs" / "training.md"
GOOD = """
[recipe]
architecture = "resnet_compact"
[[term]]
kind = "same_picture"
[[source]]
archive = "a.zip"
levels = [["folder"]]
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for name in ("a.zip", "c.zip"):
        (tmp_path / name).write_bytes(b"")
    return tmp_path


def test_a_recipe_is_read(data: Path) -> None:
    (data / "r.toml").write_text(GOOD)
    recipe, (source,) = recipes.read(data / "r.toml", data)
    assert recipe.terms[0].kind == "same_picture"
    assert source.levels == (("folder",),) and source.table is None


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("[recipe]", "[recipe]\nstep = 3", "unknown key step"),
        ("[recipe]", "nonsense", "not a recipe"),
        ("[recipe]", "[other]\nx = 1\n[recipe]", "unknown parts: other"),
        ("resnet_compact", "resnet_1", "unknown architecture 'resnet_1'"),
        ("[[source]]", "[[term]]", r"names no \[\[source"),
        ("a.zip", "b.zip", r"b\.zip is missing\. Name its folder with --data"),
        ('kind = "same_picture"', 'kind = "same"', "0.kind: Input should be 'same_picture'"),
        ('kind = "same_picture"', 'kind = "proxy"\nlevel = 1', "level is not among"),
        ('kind = "same_picture"', 'kind = "teacher_features"', r"needs a \[\[teacher\]\]"),
        ("[recipe]", "[recipe]\ntrain_size = 999", "train_size must be at most size"),
        ("[recipe]", "[recipe]\nsteps = 50", "warmup must be less than steps"),
        ("[recipe]", "[recipe]\nsize = 0", "size: Input should be greater than or equal to 32"),
        ("[recipe]", "[recipe]\nclip = nan", "clip: Input should be a finite number"),
        ('kind = "same_picture"', 'kind = "proxy"\ntemperature = 0', "0.temperature: Input"),
        ("[recipe]", "[recipe]\nmixtures = 2", "mixtures need"),
        ("[recipe]", "[recipe]\nmean = [nan, 0, 0]", "mean.0: Input should be a finite"),
        ("[recipe]", "[[teacher]]\n[recipe]", r"1 \[\[teacher\]\] without weights, but --teacher"),
        ("[recipe]", '[[teacher]]\nweights = "b"\n[recipe]', "b is missing"),
        ("[recipe]", '[[teacher]]\nweights = "a.zip"\nsize = 1\n[recipe]', "unknown key .*size"),
        ("[recipe]", "[recipe]\nview_size = 96", "view_size must be at least size"),
        ("[[source]]", "[source]", r"names no \[\[source"),
        ("[recipe]", "[recipes]", r"has no \[recipe\]"),
        (
            "[[source]]",
            '[[source]]\narchive = "c.zip"\nlevels = [[]]\nshare = 1.0\n[[source]]',
            "leave nothing",
        ),
        ("[recipe]", "[recipe]\nhard_window = 4\nhard_levels = 2", "hard_levels exceeds"),
        ("archive", "holdout = 1\narchive", "holdout: Input should be less than 1"),
        ("archive", "folder = 1\narchive", "unknown key folder"),
        ('kind = "same_picture"', 'kind = "triplet"\n[[term]]\nkind = "triplet"', "two terms"),
    ],
)
def test_bad_recipes_are_refused(old: str, new: str, reason: str, data: Path) -> None:
    (data / "r.toml").write_text(GOOD.replace(old, new))
    with pytest.raises(InvalidRequest, match=reason):
        recipes.read(data / "r.toml", data)


def test_the_shipped_recipes_are_valid(shared: Path, tmp_path: Path) -> None:
    found = sorted(RECIPES.glob("*.toml"))
    assert found
    for path in found:
        given = tmp_path / "stage.safetensors"
        start, branch = (given if f"--{way}" in path.read_text() else None for way in WAYS)
        teachers = [given] * path.read_text().count("[[teacher]]")
        recipes.read(path, shared, start, branch, teachers)


def test_the_recipe_of_the_documentation_is_valid(data: Path) -> None:
    (recipe,) = re.findall(r"```toml\n(.*?)```", DOCUMENTATION.read_text(), re.DOTALL)
    for name in ("resnet50.pth", "resnet50.safetensors", "shop.zip", "shop.csv"):
        (data / name).write_bytes(b"")
    (data / "r.toml").write_text(recipe)
    recipes.read(data / "r.toml", data)


@pytest.mark.parametrize("given", [True, False])
@pytest.mark.parametrize("way", ["start", "branch"])
def test_a_checkpoint_is_given_once(way: str, given: bool, data: Path) -> None:
    table = f'[{way}]\narchitecture = "resnet18"\n' + ('weights = "a.zip"\n' if given else "")
    (data / "r.toml").write_text(GOOD + table)
    with pytest.raises(InvalidRequest, match="not both"):
        recipes.read(data / "r.toml", data, **{way: data / "a.zip" if given else None})


def test_teachers_without_weights_get_those_given(data: Path) -> None:
    first, second = data / "1.safetensors", data / "2.safetensors"
    tables = '[[teacher]]\n[[teacher]]\nweights = "a.zip"\n[[teacher]]\n'
    (data / "r.toml").write_text(GOOD + tables)
    recipe, _ = recipes.read(data / "r.toml", data, teachers=[first, second])
    assert [each.weights for each in recipe.teachers] == [first, data / "a.zip", second]
    assert set(recipe.weights) == {"teacher_1", "teacher_2", "teacher_3"}
    with pytest.raises(InvalidRequest, match="--teacher names 3"):
        recipes.read(data / "r.toml", data, teachers=[first] * 3)


def test_a_branch_says_where_it_belongs(data: Path) -> None:
    table = '[branch]\narchitecture = "resnet18"\nweights = "a.zip"\n'
    (data / "r.toml").write_text(GOOD + table)
    with pytest.raises(InvalidRequest, match="needs `into`"):
        recipes.read(data / "r.toml", data)
