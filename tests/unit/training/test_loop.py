"""Training runs: they learn, repeat, survive a kill, use every device, start from a teacher."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from visearch.encoders import registry
from visearch.encoders.checkpoints.convert import Conversion, convert
from visearch.encoders.checkpoints.weights import load_safetensors, to_tensors
from visearch.encoders.encoder import Encoder
from visearch.errors import InvalidRequest, TrainingFailed
from visearch.evaluation.heldout import measure_held_out
from visearch.images import Preprocess, decode
from visearch.training.board import Board
from visearch.training.data import Source, load
from visearch.training.loop import train
from visearch.training.network import Arrays, Network
from visearch.training.recipe import Kind, Pretrained, Recipe, Teacher, Term
from visearch.training.teachers import Teachers

Losses = list[tuple[int, dict[str, float]]]


def same_weights(a: Path, b: Path) -> bool:
    first, second = load_safetensors(a), load_safetensors(b)
    return first.keys() == second.keys() and all(
        np.array_equal(first[key], second[key]) for key in first
    )


def test_a_run_learns_and_repeats_and_its_result_opens(
    source: Source, recipe: Recipe, tmp_path: Path
) -> None:
    split = load([source])
    curves: list[Losses] = []
    for name in ("a", "b"):
        curve: Losses = []
        train(
            split.training,
            {},
            recipe,
            tmp_path / f"{name}.safetensors",
            report=lambda step, parts, _, curve=curve: curve.append((step, parts)),
        )
        curves.append(curve)
    assert curves[0] == curves[1]
    assert same_weights(tmp_path / "a.safetensors", tmp_path / "b.safetensors")
    assert [step for step, _ in curves[0]] == [10, 20, 30, 40]
    assert curves[0][-1][1]["proxy_0"] < curves[0][0][1]["proxy_0"]
    encoder = Encoder.open(f"file:{tmp_path / 'a.safetensors'}", (8,))
    report = measure_held_out(encoder, split.held_out)
    assert report.pictures == len(split.held_out)
    assert report.same_picture_at_1 > 1 / len(split.held_out)


RUN = """
import sys
from pathlib import Path
import tiny
from visearch.training import recipe_file as recipes
from visearch.training.data import load
from visearch.training.loop import train
for table in tiny.TABLES:
    table[tiny.NAME] = tiny.CONFIG
recipe, sources = recipes.read(Path(sys.argv[1]), Path(sys.argv[2]))
def report(step, parts, batch):
    print(step, *(f"{name}={value!r}" for name, value in sorted(parts.items())), flush=True)
train(load(sources).training, {}, recipe, Path(sys.argv[3]), report=report, save_every=15)
"""
TOML = f"""
[recipe]
architecture = "{tiny.NAME}"
size = 32
batch = 12
steps = 60
warmup = 5
average = 0.9
[[term]]
kind = "same_picture"
memory = 24
[[term]]
kind = "same_label"
[[source]]
archive = "a.zip"
table = "a.csv"
levels = [["kind"]]
"""


def start(folder: Path, out: Path, devices: int = 1) -> subprocess.Popen[str]:
    flags = f"{os.environ['XLA_FLAGS']} --xla_force_host_platform_device_count={devices}"
    paths = [str(Path(tiny.__file__).parent), os.environ.get("PYTHONPATH", "")]
    path = os.pathsep.join(filter(None, paths))
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", RUN, folder / "r.toml", folder, out],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "XLA_FLAGS": flags, "PYTHONPATH": path},
    )


def lines(process: subprocess.Popen[str]) -> list[str]:
    out, _ = process.communicate(timeout=300)
    assert process.returncode == 0
    return out.splitlines()


@pytest.mark.parametrize("devices", [1, 2])
def test_a_killed_run_goes_on_to_the_same_end(source: Source, tmp_path: Path, devices: int) -> None:
    (tmp_path / "r.toml").write_text(TOML)
    undisturbed = lines(start(tmp_path, tmp_path / "whole.safetensors", devices))
    assert len(undisturbed) == 6
    cut = tmp_path / "cut.safetensors"
    process = start(tmp_path, cut, devices)
    assert process.stdout is not None
    seen = [process.stdout.readline().strip() for _ in range(4)]  # steps 10 … 40, saved at 30
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert cut.with_name(cut.name + ".state").exists() and not cut.exists()
    resumed = lines(start(tmp_path, cut, devices))
    assert seen == undisturbed[:4]
    assert resumed == undisturbed[-len(resumed) :] and len(resumed) in (2, 3)
    assert same_weights(cut, tmp_path / "whole.safetensors")
    assert not cut.with_name(cut.name + ".state").exists()


def test_two_devices_give_the_losses_of_one(source: Source, tmp_path: Path) -> None:
    # Slow learning: Adam divides small gradients by themselves, so that at the usual rate
    # their last bits, which depend on the order of sums, are two percent within ten steps.
    slow = "steps = 30\nlearning_rate = 1e-5\nhead_learning_rate = 1e-5"
    (tmp_path / "r.toml").write_text(TOML.replace("steps = 60", slow))
    one = lines(start(tmp_path, tmp_path / "one.safetensors"))
    two = lines(start(tmp_path, tmp_path / "two.safetensors", devices=2))
    assert len(one) == len(two) == 3

    def numbers(lines: list[str]) -> list[list[float]]:
        return [[float(part.split("=")[1]) for part in line.split()[1:]] for line in lines]

    np.testing.assert_allclose(numbers(one), numbers(two), rtol=1e-4)


def test_a_state_of_another_recipe_is_refused(
    source: Source, recipe: Recipe, tmp_path: Path
) -> None:
    data = load([source]).training
    out = tmp_path / "x.safetensors"

    def stop(step: int, *_: object) -> None:
        if step == 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(data, {}, recipe, out, report=stop, save_every=5)
    with pytest.raises(InvalidRequest, match="another recipe"):
        train(data, {}, replace(recipe, seed=6), out)
    state = out.with_name(out.name + ".state")
    state.write_bytes(state.read_bytes()[:100])
    with pytest.raises(InvalidRequest, match="damaged"):
        train(data, {}, recipe, out)


@pytest.fixture(scope="module")
def mobilenet(shared: Path) -> Path:
    return shared / "weights" / "mobilenet_v2_1.0_224.safetensors"


@pytest.fixture(scope="module")
def teacher(mobilenet: Path, tmp_path_factory: pytest.TempPathFactory) -> Teacher:
    """The pretrained network as an encoder of small pictures."""
    weights = tmp_path_factory.mktemp("teacher") / "teacher.safetensors"
    preprocess = Preprocess(size=96, fit="stretch", mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    convert(
        mobilenet,
        weights,
        Conversion(architecture="mobilenet_v2_tf", classes=1001, preprocess=preprocess),
    )
    return Teacher(weights=weights)


# Eight bits of mantissa through 52 layers leave vectors a fifth of their length apart.
@pytest.mark.parametrize(("precision", "bound"), [("float32", 0.005), ("bfloat16", 0.04)])
def test_a_student_starts_as_its_teacher_and_stays_near(
    source: Source,
    recipe: Recipe,
    mobilenet: Path,
    teacher: Teacher,
    tmp_path: Path,
    precision: Literal["float32", "bfloat16"],
    bound: float,
) -> None:
    taught = replace(
        recipe,
        architecture="mobilenet_v2_twin",
        size=96,
        batch=4,
        steps=10,
        warmup=1,
        mixtures=2,
        learning_rate=1e-5,
        precision=precision,
        start=Pretrained(architecture="mobilenet_v2_tf", weights=mobilenet),
        teachers=(teacher,),
        terms=(Term(kind="teacher_features"), Term(kind="teacher_relations")),
    )
    seen: Losses = []
    train(
        load([source]).training,
        {},
        taught,
        tmp_path / "student.safetensors",
        report=lambda step, parts, _: seen.append((step, parts)),
    )
    assert seen[0][1]["teacher_features"] < bound
    theirs = to_tensors(registry.load_model("mobilenet_v2_tf", mobilenet))
    ours = load_safetensors(tmp_path / "student.safetensors")
    for key in ours.keys() & theirs.keys():
        np.testing.assert_allclose(ours[key], theirs[key], rtol=0.01, atol=0.01)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"frozen": ("bodi",)}, "no parameter's name begins with bodi"),
        ({"lengths": (64, 300)}, r"128 numbers cannot be cut to \[300\]"),
        (
            {"terms": (Term(kind="same_picture", part="kind"),)},
            "has no part kind; its parts are all",
        ),
        (
            {"architecture": "mobilenet_v2_twin", "embedding": 64},
            "length of its embedding is fixed",
        ),
    ],
)
def test_what_does_not_fit_the_network_is_refused(
    source: Source, recipe: Recipe, tmp_path: Path, change: dict[str, Any], reason: str
) -> None:
    with pytest.raises(InvalidRequest, match=reason):
        train(load([source]).training, {}, replace(recipe, **change), tmp_path / "x.safetensors")


def test_nothing_to_train_on_is_said(source: Source, recipe: Recipe, tmp_path: Path) -> None:
    nothing = load([replace(source, left_out={"kind": frozenset({"", "b", "c"})})]).training
    with pytest.raises(InvalidRequest, match="no picture to train on"):
        train(nothing, {}, recipe, tmp_path / "x.safetensors")


def test_weights_that_are_no_numbers_are_never_kept(
    source: Source, recipe: Recipe, tmp_path: Path
) -> None:
    wild = replace(recipe, learning_rate=1e38, head_learning_rate=1e38, warmup=1, clip=1e30)
    out = tmp_path / "x.safetensors"
    with pytest.raises(TrainingFailed, match=r"no longer numbers|is not a number"):
        train(load([source]).training, {}, wild, out, save_every=3)
    assert not out.exists() and not out.with_name(out.name + ".state").exists()


def test_frozen_layers_compute_in_the_precision_of_the_others() -> None:
    network = Network(registry.build("resnet_compact", seed=1), ("conv1", "layer1/"))
    assert any(name.startswith("layer1/") for name in network.rest)
    x = jnp.zeros((2, 32, 32, 3))

    def run(weights: Arrays, rest: Arrays) -> tuple[jax.Array, Arrays]:
        _, parts, changed = network.apply(weights, rest, x, jnp.bfloat16)
        return parts["all"], changed

    program = str(jax.make_jaxpr(run)(network.weights, network.rest))
    products = re.findall(r":(\w+)\[[\d,]*\] = (?:conv_general_dilated|dot_general)", program)
    assert len(products) > 10 and set(products) == {"bf16"}
    z, changed = jax.eval_shape(run, network.weights, network.rest)
    assert {each.dtype.name for each in changed.values()} == {"float32"}
    assert z.dtype == jnp.float32


@pytest.mark.parametrize(
    ("kind", "embedding", "reason"),
    [
        ("teacher_features", 128, "its 64 features with the teachers' 1280 numbers"),
        ("teacher_embedding", 1281, "needs 1281 numbers of the teachers, who have 1280"),
    ],
)
def test_teachers_of_another_length_are_refused(
    source: Source,
    recipe: Recipe,
    teacher: Teacher,
    tmp_path: Path,
    kind: Kind,
    embedding: int,
    reason: str,
) -> None:
    terms = (Term(kind=kind),)
    wrong = replace(recipe, embedding=embedding, lengths=(), teachers=(teacher,), terms=terms)
    with pytest.raises(InvalidRequest, match=reason):
        train(load([source]).training, {}, wrong, tmp_path / "x.safetensors")


def test_a_student_takes_over_what_two_teachers_say(
    source: Source, recipe: Recipe, mobilenet: Path, teacher: Teacher, tmp_path: Path
) -> None:
    """It starts as the map of its features that comes nearest, and learns from there."""
    data = load([source]).training
    small = replace(recipe, size=32, batch=12, steps=60, warmup=5, start=None)
    other = tmp_path / "other.safetensors"
    train(data, {}, replace(small, steps=10), other)
    term = Term(kind="teacher_embedding")
    taught = replace(
        small,
        view_size=96,
        embedding=32,
        lengths=(16,),
        mixtures=4,
        teachers=(teacher, Teacher(weights=other)),
        terms=(term,),
        start=Pretrained(architecture=recipe.architecture, weights=other),
    )
    seen: Losses = []
    out = tmp_path / "student.safetensors"
    train(data, {}, taught, out, report=lambda step, parts, _: seen.append((step, parts)))
    assert seen[-1][1]["teacher_embedding"] < 0.8 * seen[0][1]["teacher_embedding"] < 0.4
    teachers = Teachers.of(taught)
    assert teachers is not None and teachers.dimension == 1280 + 128
    images = [decode(picture) for picture in data.pictures]
    said, ours = teachers.embed(images), Encoder.open(f"file:{out}", (32,)).embed(images)
    np.testing.assert_allclose(np.linalg.norm(said, axis=1), 1, rtol=1e-5)
    alike = np.corrcoef((said @ said.T).ravel(), (ours @ ours.T).ravel())[0, 1]
    assert alike > 0.9


def test_tensorboard_files_are_written(source: Source, recipe: Recipe, tmp_path: Path) -> None:
    board = Board(tmp_path / "board")
    data = load([source]).training
    train(data, {}, replace(recipe, steps=10), tmp_path / "x.safetensors", report=board.write)
    board.close()
    (file,) = (tmp_path / "board").iterdir()
    assert file.name.startswith("events.out.tfevents") and b"loss/same_picture" in file.read_bytes()
