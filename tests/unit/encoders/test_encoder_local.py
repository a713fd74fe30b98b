"""Local embeddings: the mean of what places give is the embedding, in every runtime."""

from __future__ import annotations

import io
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from system import picture

from visearch import Encoder
from visearch.encoders import registry, spec
from visearch.encoders.checkpoints.weights import save_safetensors, to_tensors
from visearch.encoders.runtimes.options import RunOptions
from visearch.encoders.runtimes.quantize import quantize
from visearch.errors import EncoderError
from visearch.images import Preprocess

IMAGES = [Image.open(io.BytesIO(picture(i))) for i in range(5)]
PREPROCESS = Preprocess(size=64, fit="pad", mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4))


def written(name: str, dimension: int, folder: Path) -> str:
    """Write a network with random weights; returns its spec."""
    path = folder / f"{name}.safetensors"
    metadata = spec.metadata_for(name, dimension, PREPROCESS)
    save_safetensors(path, to_tensors(registry.build(name, seed=3)), metadata)
    return f"file:{path}"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> str:
    return written("resnet_compact", 256, tmp_path_factory.mktemp("small"))


def rebuilt(encoder: Encoder, places: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return the embeddings that local ones stand for, by their mean and the parts' lengths."""
    means, whole = places.mean(axis=(1, 2)), encoder.embed(IMAGES)
    for where in encoder.parts.values():
        length = np.linalg.norm(whole[:, where], axis=1, keepdims=True)
        assert np.ptp(length) < 1e-4  # it depends on the encoder alone
        means[:, where] *= length / np.linalg.norm(means[:, where], axis=1, keepdims=True)
    return means


@pytest.mark.parametrize("runtime", ["onnx", "xla", "openvino"])
def test_their_mean_is_the_embedding(small: str, runtime: str, tmp_path: Path) -> None:
    if find_spec(runtime.replace("onnx", "onnxruntime").replace("xla", "jax")) is None:
        pytest.skip(f"the extra `{runtime}` is not installed")
    options = RunOptions(runtime=runtime, precision="float32", threads=1, cache=tmp_path)
    encoder = Encoder.open(small, (4,), options)
    places = encoder.local(IMAGES)
    assert places.shape == (5, 2, 2, 256) and places.dtype == np.float32
    assert encoder.local([]).shape == (0, 2, 2, 256)
    np.testing.assert_allclose(rebuilt(encoder, places), encoder.embed(IMAGES), atol=1e-5)


def test_those_of_the_bundled_encoder_have_its_parts() -> None:
    encoder = Encoder.open("bundled")
    assert {name: len(where) for name, where in encoder.parts.items()} == {
        "general": 128,
        "kind": 64,
        "instance": 64,
    }
    places = encoder.local(IMAGES)
    assert places.shape == (5, 15, 15, 256)
    np.testing.assert_allclose(rebuilt(encoder, places), encoder.embed(IMAGES), atol=1e-5)
    # Places of the general part are a fifth of the side, of the instance part a third.
    first = places[:, 0]
    for name, size in (("general", 3), ("kind", 3), ("instance", 5)):
        steps = np.abs(np.diff(first[..., encoder.parts[name]], axis=1)).max(axis=(0, 2)) > 1e-6
        assert list(np.flatnonzero(steps) + 1) == list(range(size, 15, size))


def test_a_thing_is_where_its_places_are() -> None:
    """Only the places that see a change give something else."""
    encoder = Encoder.open("bundled")
    blank = Image.new("RGB", (160, 160), "white")
    marked = blank.copy()
    marked.paste(IMAGES[0].resize((32, 32)), (128, 128))
    general = encoder.parts["general"]
    before, after = encoder.local([blank, marked])[..., general]
    change = np.linalg.norm(after - before, axis=-1)
    assert np.unravel_index(change.argmax(), change.shape) >= (12, 12)


def test_the_next_process_needs_no_jax(small: str, tmp_path: Path) -> None:
    options = RunOptions(runtime="onnx", cache=tmp_path)
    Encoder.open(small, options=options).local(IMAGES)
    code = (
        "import sys; from pathlib import Path; from PIL import Image\n"
        "from visearch import Encoder\n"
        "from visearch.encoders.runtimes.options import RunOptions\n"
        f"options = RunOptions(runtime='onnx', cache=Path({str(tmp_path)!r}))\n"
        f"encoder = Encoder.open({small!r}, options=options)\n"
        "print(encoder.local([Image.new('RGB', (9, 9))]).shape, 'jax' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "(1, 2, 2, 256) False\n", done.stderr


def test_encoders_without_them_say_so(small: str, tmp_path: Path) -> None:
    twin = Encoder.open(written("mobilenet_v2_twin", 256, tmp_path))
    with pytest.raises(EncoderError, match="has no local embeddings"):
        twin.local(IMAGES)
    assert twin.embed(IMAGES).shape == (5, 256)
    rounded = tmp_path / "int8.safetensors"
    noise = np.random.default_rng(2).integers(0, 256, (16, 64, 64, 3), np.uint8)
    quantize(spec.resolve(small), noise, rounded)
    with pytest.raises(EncoderError, match="int8 encoder, which has no local embeddings"):
        Encoder.open(f"file:{rounded}").local(IMAGES)
