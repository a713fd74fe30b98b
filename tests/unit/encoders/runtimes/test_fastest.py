"""The choice of an engine: what is fast and finds the same is taken, once, and remembered."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from visearch.encoders.runtimes.check_pictures import COPIES, GALLERY, check_pictures
from visearch.encoders.runtimes.fastest import ENOUGH, Measured, Way, choice, fastest, measure
from visearch.encoders.runtimes.options import Name, Precision, RunOptions
from visearch.encoders.spec import resolve

EXACT: Way = ("onnx", "float32")
SAME: Way = ("xla", "float32")
ROUNDED: Way = ("xla", "bfloat16")
WAYS = [EXACT, SAME, ROUNDED]


class Engine:
    """Embeds a picture as its pixels, rounded by ``noise``, and takes ``rest_s`` for it."""

    def __init__(self, noise: float, rest_s: float) -> None:
        self._noise, self._rest_s = noise, rest_s
        self.calls = 0

    def run(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        self.calls += 1
        time.sleep(self._rest_s)  # what a slow engine takes
        small = pixels[:, ::8, ::8].reshape(len(pixels), -1).astype(np.float32) - 128
        small += np.random.default_rng(self.calls).normal(0, self._noise, small.shape)
        return np.asarray(small / np.linalg.norm(small, axis=1, keepdims=True), np.float32)

    def warm_up(self) -> None:
        """Need nothing."""


class Broken(Engine):
    """An engine that opens and does not run, as one that misses an instruction."""

    def __init__(self) -> None:
        super().__init__(0, 0)

    def run(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        raise RuntimeError("no such instruction")


class Machine:
    """Opens engines, and counts how often."""

    def __init__(self, **engines: Engine | None) -> None:
        self._engines = engines
        self.opened = 0

    def open(self, name: Name, precision: Precision) -> Engine:
        self.opened += 1
        engine = self._engines[f"{name}_{precision}"]
        if engine is None:
            raise ImportError("libtbb.so.12: no such file")
        return engine


def test_the_fastest_that_finds_the_same_is_taken_once(tmp_path: Path) -> None:
    machine = Machine(
        onnx_float32=Engine(0, 0.02),
        xla_float32=Engine(0, 0.01),
        xla_bfloat16=Engine(1e-3, 0.002),
    )
    spec = resolve("bundled")
    for _ in range(2):
        assert fastest(spec, WAYS, machine.open, RunOptions(cache=tmp_path)) == ROUNDED
    assert machine.opened == len(WAYS), "the second time it is known"
    (kept,) = (tmp_path / "choices").glob("*.json")
    kept.write_text("{}")
    assert fastest(spec, WAYS, machine.open, RunOptions(cache=tmp_path)) == ROUNDED
    assert machine.opened == 2 * len(WAYS), "a broken file is made again"


def test_one_that_finds_something_else_is_not_taken(tmp_path: Path) -> None:
    machine = Machine(
        onnx_float32=Engine(0, 0.01),
        xla_float32=None,
        xla_bfloat16=Engine(1e3, 0.0),
    )
    spec = resolve("bundled")
    exact, rounded = measure(spec, WAYS, machine.open)
    assert exact.recall == 1 and rounded.recall < ENOUGH / 2
    assert fastest(spec, WAYS, machine.open, RunOptions(cache=tmp_path)) == EXACT


def test_what_does_not_run_is_left_out(tmp_path: Path) -> None:
    machine = Machine(onnx_float32=Engine(0, 0.0), xla_float32=Broken(), xla_bfloat16=None)
    options = RunOptions(cache=tmp_path)
    assert fastest(resolve("bundled"), WAYS, machine.open, options) == EXACT


def test_another_number_of_threads_is_measured_anew(tmp_path: Path) -> None:
    machine = Machine(
        onnx_float32=Engine(0, 0.0), xla_float32=Engine(0, 0.0), xla_bfloat16=Engine(0, 0.0)
    )
    for threads in (1, 2, 1):
        options = RunOptions(cache=tmp_path, threads=threads)
        fastest(resolve("bundled"), WAYS, machine.open, options)
    assert machine.opened == 2 * len(WAYS)


def test_without_a_folder_nothing_is_measured() -> None:
    assert fastest(resolve("bundled"), WAYS, Machine().open, RunOptions()) == EXACT


def test_the_first_has_to_work(tmp_path: Path) -> None:
    machine = Machine(onnx_float32=None, xla_float32=Engine(0, 0), xla_bfloat16=Engine(0, 0))
    with pytest.raises(ImportError):
        fastest(resolve("bundled"), WAYS, machine.open, RunOptions(cache=tmp_path))


@pytest.mark.parametrize(
    ("same", "rounded", "chosen"),
    [
        ((9.0, 1.0), (5.0, 1.0), ROUNDED),
        ((9.0, 1.0), (5.0, 0.98), SAME),
        ((9.9, 1.0), (9.8, 1.0), EXACT),
        ((11.0, 1.0), (12.0, 1.0), EXACT),
    ],
)
def test_the_choice(same: tuple[float, float], rounded: tuple[float, float], chosen: Way) -> None:
    measured = [Measured(*EXACT, 10.0, 1.0), Measured(*SAME, *same), Measured(*ROUNDED, *rounded)]
    assert choice(measured) == chosen


def test_the_pictures_are_always_the_same() -> None:
    gallery, copies = check_pictures(64)
    assert gallery.shape == (GALLERY, 64, 64, 3) and copies.shape == (COPIES, 64, 64, 3)
    again, _ = check_pictures(64)
    assert (gallery == again).all() and len(np.unique(gallery, axis=0)) == GALLERY
