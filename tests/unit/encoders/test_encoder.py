"""The encoder a user opens: unit vectors, padding-proof, refusing wrong files."""

from __future__ import annotations

import io
import struct
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from system import picture

from visearch import Encoder
from visearch.encoders import registry, spec
from visearch.encoders.checkpoints.verified import load_verified
from visearch.encoders.checkpoints.weights import load_safetensors, save_safetensors, to_tensors
from visearch.errors import UnknownEncoder, WeightsMismatch
from visearch.images import Preprocess

PREPROCESS = Preprocess(size=32, fit="pad", mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))


def images(n: int) -> list[Image.Image]:
    return [Image.open(io.BytesIO(picture(i))) for i in range(n)]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A compact network with random weights at 32 px: quick, and of our own format."""
    path = tmp_path_factory.mktemp("encoder") / "small.safetensors"
    model = registry.build("resnet_compact", seed=3)
    save_safetensors(path, to_tensors(model), spec.metadata_for("resnet_compact", 256, PREPROCESS))
    return path


@pytest.fixture(scope="module")
def encoder(small: Path) -> Encoder:
    return Encoder.open(f"file:{small}", buckets=(1, 4))


def test_embeddings_are_unit_rows_in_the_order_of_the_pictures(encoder: Encoder) -> None:
    vectors = encoder.embed(images(7))
    assert vectors.shape == (7, 256) and vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    alone = np.concatenate([encoder.embed([image]) for image in images(7)])
    np.testing.assert_allclose(vectors, alone, atol=1e-5)


def test_no_pictures_give_no_rows(encoder: Encoder) -> None:
    assert encoder.embed([]).shape == (0, 256)


@pytest.mark.parametrize(
    "pixels",
    [np.zeros((1, 32, 32, 3), np.float32), np.zeros((1, 31, 32, 3), np.uint8)],
    ids=["dtype", "shape"],
)
def test_other_arrays_are_refused(encoder: Encoder, pixels: np.ndarray) -> None:
    with pytest.raises(ValueError, match="expected uint8"):
        encoder.embed_pixels(pixels)


def test_threads_get_their_own_rows(encoder: Encoder) -> None:
    wanted = encoder.embed(images(6))
    got: dict[int, np.ndarray] = {}

    def embed(i: int) -> None:
        for _ in range(5):
            got[i] = encoder.embed(images(6)[i : i + 1])[0]

    threads = [threading.Thread(target=embed, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    np.testing.assert_allclose(np.stack([got[i] for i in range(6)]), wanted, atol=1e-5)


def test_the_fingerprint_changes_with_weights_and_preprocessing(
    small: Path, tmp_path: Path
) -> None:
    def fingerprint(seed: int, preprocess: Preprocess) -> str:
        path = tmp_path / f"{seed}-{preprocess.size}.safetensors"
        tensors = to_tensors(registry.build("resnet_compact", seed=seed))
        save_safetensors(path, tensors, spec.metadata_for("resnet_compact", 256, preprocess))
        return spec.resolve(f"file:{path}").fingerprint

    same = spec.resolve(f"file:{small}").fingerprint
    other_size = Preprocess(size=48, fit="pad", mean=(0.5,) * 3, std=(0.5,) * 3)
    assert fingerprint(3, PREPROCESS) == same
    assert len({same, fingerprint(4, PREPROCESS), fingerprint(3, other_size)}) == 3


@pytest.mark.parametrize("name", ["nothing", "file:missing.safetensors", ""])
def test_unknown_specs_are_refused(name: str) -> None:
    with pytest.raises(UnknownEncoder):
        Encoder.open(name)


@pytest.mark.parametrize(
    "content",
    [b"", b"short", struct.pack("<Q", 10**18) + b"{}", struct.pack("<Q", 2) + b"[]", b"\xff" * 64],
)
def test_files_that_are_no_weights_are_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    with pytest.raises(UnknownEncoder):
        spec.resolve(f"file:{path}")


def test_weights_of_another_architecture_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "wrong.safetensors"
    tensors = to_tensors(registry.build("resnet_compact"))
    save_safetensors(path, tensors, spec.metadata_for("resnet18", 256, PREPROCESS))
    with pytest.raises(WeightsMismatch, match="does not fit"):
        Encoder.open(f"file:{path}")


def test_a_file_that_breaks_or_changes_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    for seed in (1, 2):
        tensors = to_tensors(registry.build("resnet_compact", seed=seed))
        if seed == 2:
            known = spec.resolve(f"file:{path}")
        save_safetensors(path, tensors, spec.metadata_for("resnet_compact", 256, PREPROCESS))
    with pytest.raises(WeightsMismatch, match="was replaced while it was being opened"):
        Encoder(known)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(WeightsMismatch, match=r"x\.safetensors cannot be read"):
        Encoder.open(f"file:{path}")
    path.unlink()
    for read in (lambda: load_verified(known), lambda: load_safetensors(path)):
        with pytest.raises(WeightsMismatch, match=r"x\.safetensors cannot be read: No such file"):
            read()


def test_tensors_of_a_type_without_numpy_are_named(tmp_path: Path) -> None:
    header = b'{"w":{"dtype":"F8_E4M3","shape":[2],"data_offsets":[0,2]}}'
    path = tmp_path / "x.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + b"\0\0")
    with pytest.raises(WeightsMismatch, match="of a type that numpy does not support"):
        load_safetensors(path)


@pytest.mark.parametrize("dimension", [0, "256", None])
def test_notes_that_make_no_sense_are_refused(tmp_path: Path, dimension: object) -> None:
    path = tmp_path / "x.safetensors"
    notes = spec.metadata_for("resnet_compact", dimension, PREPROCESS)  # type: ignore[arg-type]
    save_safetensors(path, {"a": np.zeros(1, np.float32)}, notes)
    with pytest.raises(UnknownEncoder, match="is not an encoder file"):
        spec.resolve(f"file:{path}")


@pytest.mark.parametrize(
    "weights", [{"general": 1}, {"all": 0}, {"all": -1}, {"all": "much"}, [1, 2], "even"]
)
def test_weights_of_parts_that_it_has_not_are_refused(tmp_path: Path, weights: object) -> None:
    path = tmp_path / "x.safetensors"
    recipe = {"part_weights": weights}
    notes = spec.metadata_for("resnet_compact", 256, PREPROCESS, recipe=recipe)
    save_safetensors(path, {"a": np.zeros(1, np.float32)}, notes)
    with pytest.raises(UnknownEncoder, match="is not an encoder file"):
        spec.resolve(f"file:{path}")


class TestBundled:
    def test_it_is_trained_and_small(self) -> None:
        assert spec.BUNDLED.stat().st_size <= 16 << 20
        recipe = spec.read_notes(spec.BUNDLED)["recipe"]
        for trained in (recipe["start"], recipe["branch"]):
            assert trained["recipe"]["steps"] >= 100

    def test_an_edited_picture_stays_nearest_to_itself(self) -> None:
        encoder = Encoder.open("bundled", buckets=(16,))
        originals = images(16)
        edited = [image.crop((16, 10, 144, 138)) for image in originals]
        found = np.argmax(encoder.embed(edited) @ encoder.embed(originals).T, axis=1)
        assert (found == np.arange(16)).sum() >= 14
