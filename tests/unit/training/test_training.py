"""Training: losses against their formulas, honest splits, a run that learns and repeats."""

from __future__ import annotations

import csv
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from system import archive, picture

from visearch.encoders.encoder import Encoder
from visearch.encoders.weights import load_safetensors
from visearch.errors import ArchiveCorrupt, InvalidRequest
from visearch.evaluation.heldout import measure_held_out
from visearch.training import recipe as recipes
from visearch.training.data import Source, load
from visearch.training.loop import batches, train
from visearch.training.losses import nt_xent, supervised_contrastive
from visearch.training.recipe import Recipe


def unit(rng: np.random.Generator, n: int, d: int = 8) -> np.ndarray:
    z = rng.standard_normal((n, d)).astype(np.float32)
    return z / np.linalg.norm(z, axis=1, keepdims=True)


def naive_supervised(z: np.ndarray, labels: list[int], temperature: float) -> float:
    """Equation 2 of Khosla et al., written as its sums."""
    rows = []
    for i in range(len(z)):
        others = [a for a in range(len(z)) if a != i]
        positives = [p for p in others if labels[p] == labels[i] >= 0]
        if not positives:
            continue
        total = sum(np.exp(z[i] @ z[a] / temperature) for a in others)
        rows.append(
            -np.mean([np.log(np.exp(z[i] @ z[p] / temperature) / total) for p in positives])
        )
    return float(np.mean(rows)) if rows else 0.0


@pytest.mark.parametrize(
    "labels", [[0, 0, 1, 1, 1, 2], [0, 0, -1, -1, 3, 3], [0, 1, 2, 3, 4, 5], [-1] * 6]
)
def test_the_supervised_loss_is_its_formula(labels: list[int]) -> None:
    z = unit(np.random.default_rng(1), 6)
    ours = supervised_contrastive(jnp.asarray(z), jnp.asarray(labels), 0.2)
    assert float(ours) == pytest.approx(naive_supervised(z, labels, 0.2), abs=1e-5)


def test_nt_xent_pairs_row_i_with_row_i_plus_half() -> None:
    z = unit(np.random.default_rng(2), 8)
    ours = float(nt_xent(jnp.asarray(z), 0.5))
    assert ours == pytest.approx(naive_supervised(z, [0, 1, 2, 3, 0, 1, 2, 3], 0.5), abs=1e-5)


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
    return Source(tmp_path / "a.zip", tmp_path / "a.csv", (("kind",),))


def test_copies_are_kept_once_and_labels_are_numbers(source: Source) -> None:
    training, held = load([source], holdout=0.3)
    assert len(training) + len(held) == 30
    assert 0 < len(held) < 20
    assert not set(training.pictures) & set(held.pictures)
    assert set(training.labels[:, 0]) | set(held.labels[:, 0]) == {-1, 0, 1}


def test_a_group_never_straddles_the_split(source: Source) -> None:
    grouped = Source(source.archive, source.table, source.levels, group="sender")
    training, held = load([grouped], holdout=0.4)
    sender = {picture(i): i % 5 for i in range(30)}
    assert held.pictures and training.pictures
    assert not {sender[p] for p in training.pictures} & {sender[p] for p in held.pictures}


def test_a_missing_column_is_named(source: Source) -> None:
    with pytest.raises(ArchiveCorrupt, match="colour"):
        load([Source(source.archive, source.table, (("colour",),))])


RECIPE = Recipe(size=32, batch=12, steps=40, warmup=5, learning_rate=1e-3, average=0.5, seed=5)


def test_a_batch_depends_on_the_seed_alone(source: Source) -> None:
    data, _ = load([source], holdout=0.01)
    first, again = list(batches(data, RECIPE)), list(batches(data, RECIPE))
    assert len(first) == RECIPE.steps
    for (pixels, labels), (pixels2, labels2) in zip(first, again, strict=True):
        np.testing.assert_array_equal(pixels, pixels2)
        np.testing.assert_array_equal(labels, labels2)
    assert first[0][0].shape == (24, 32, 32, 3)
    assert not np.array_equal(first[0][0][0], first[0][0][12])  # two different views


def test_training_learns_repeats_and_its_result_opens(source: Source, tmp_path: Path) -> None:
    data, held = load([source], holdout=0.3)
    losses: list[float] = []
    for name in ("a", "b"):
        out = tmp_path / f"{name}.safetensors"
        train(data, RECIPE, out, report=lambda _, parts: losses.append(parts["same_picture"]))
    a, b = (load_safetensors(tmp_path / f"{name}.safetensors") for name in "ab")
    assert all(np.array_equal(a[key], b[key]) for key in a)
    assert losses[3] < losses[0] < 4  # guessing among the 23 other views would give 3.1
    report = measure_held_out(Encoder.open(f"file:{tmp_path / 'a.safetensors'}", (8,)), held)
    assert report.pictures == len(held)
    assert report.same_picture_at_1 > 1 / len(held)


def test_too_few_pictures_are_refused(source: Source) -> None:
    data, _ = load([source], holdout=0.01)
    with pytest.raises(ValueError, match="do not fill one batch"):
        next(batches(data, Recipe(batch=1000)))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[recipe]\nstep = 3", "unknown key"),
        ("nonsense", "not a recipe"),
        ("[other]\nx = 1", "unknown parts"),
        ("[recipe]\narchitecture = 'vgg'", "unknown architecture"),
        ("", "no \\[\\[source"),
        ("[[source]]\narchive='x'\ntable='y'\nlevels=[]", "missing"),
    ],
)
def test_bad_recipes_are_refused(text: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text(text)
    with pytest.raises(InvalidRequest, match=reason):
        recipes.read(tmp_path / "r.toml", tmp_path)
