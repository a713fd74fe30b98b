"""Embeddings cut short: the first numbers of the whole one, an encoder of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from visearch.cli.main import main
from visearch.encoders import registry
from visearch.encoders.checkpoints.weights import save_safetensors, to_tensors
from visearch.encoders.encoder import Encoder
from visearch.encoders.spec import metadata_for, resolve
from visearch.images import Preprocess

HALF = (0.5, 0.5, 0.5)


@pytest.fixture(scope="module", params=["resnet_compact", "mobilenet_v2_twin"])
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("encoders") / "whole.safetensors"
    metadata = metadata_for(
        request.param,
        256,
        Preprocess(size=64, fit="stretch", mean=HALF, std=HALF),
        recipe={"lengths": [64, 128]},
    )
    save_safetensors(path, to_tensors(registry.build(request.param, seed=3)), metadata)
    return path


def run(spec: str, dimension: int, out: Path) -> tuple[int, str]:
    arguments = ["weights", "cut", spec, "--dimension", str(dimension), "--out", str(out)]
    result = CliRunner().invoke(main, arguments)
    return result.exit_code, result.output + result.stderr


def test_a_cut_encoder_gives_the_first_numbers(whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "short.safetensors"
    code, text = run(f"file:{whole}", 64, out)
    assert code == 0 and "64 numbers a picture" in text
    pixels = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), np.uint8)
    long = Encoder.open(f"file:{whole}", (3,)).embed_pixels(pixels)
    short = Encoder.open(f"file:{out}", (3,)).embed_pixels(pixels)
    first = long[:, :64] / np.linalg.norm(long[:, :64], axis=1, keepdims=True)
    np.testing.assert_allclose(short, first, atol=1e-5)
    assert resolve(f"file:{out}").fingerprint != resolve(f"file:{whole}").fingerprint


def test_a_length_it_was_not_trained_for_is_refused(whole: Path, tmp_path: Path) -> None:
    code, text = run(f"file:{whole}", 100, tmp_path / "x.safetensors")
    assert code != 0 and "cannot be cut to 100 numbers" in text and "cut to 64, 128." in text
    assert not (tmp_path / "x.safetensors").exists()
