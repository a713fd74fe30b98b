"""A generation is whole or refused: damage, interruption, other encoders, moved folders."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from clouds import FINGERPRINT, cloud, coded, decoded, oracle, save

from visearch.errors import Conflict, EncoderMismatch, GenerationCorrupt
from visearch.index import aside, generation, open_generation
from visearch.index.scoring import METRICS


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A generation with every kind of file; copy before you break it."""
    folder = tmp_path_factory.mktemp("generations") / "g1"
    generation.write(
        folder,
        cloud(1, 600, 6, "cosine"),
        np.arange(600, dtype=np.int64) * 3,
        id="g1",
        catalog=7,
        revision=3,
        fingerprint=FINGERPRINT,
        metric="cosine",
        brute_force_limit=300,
    )
    return folder


@pytest.fixture
def copy(tree, tmp_path):
    return shutil.copytree(tree, tmp_path / "copy")


@pytest.mark.parametrize("metric", METRICS)
def test_what_is_written_is_found(tmp_path, metric):
    vectors, queries = cloud(2, 900, 12, metric), cloud(3, 20, 12, metric)
    keys = np.arange(-40, 2 * 900 - 40, 2, dtype=np.int64)
    manifest = save(tmp_path / "g", vectors, keys, metric)
    opened = open_generation(tmp_path / "g", fingerprint=FINGERPRINT)
    assert opened.manifest == manifest and opened.searcher is None
    assert (manifest.count, manifest.dimension) == (900, 12) and manifest.recall >= 0.999
    np.testing.assert_array_equal(opened.keys, keys)
    np.testing.assert_array_equal(decoded(opened.coded), decoded(coded(vectors, metric)))
    expected = oracle(queries, vectors, 7, metric)
    for one, other in zip(opened.search(queries, 7), expected, strict=True):
        np.testing.assert_array_equal(one, other)
    asked = np.array([keys[5], 10**9, -41, keys.max()], np.int64)
    rows = opened.row_of(asked)
    np.testing.assert_array_equal(rows[[1, 2]], -1)
    np.testing.assert_array_equal(opened.keys[rows[[0, 3]]], asked[[0, 3]])


def test_an_open_generation_cannot_be_changed(copy):
    """Neither through its arrays nor through its files: what was checked is what is served."""
    opened, query = open_generation(copy, fingerprint=FINGERPRINT), cloud(4, 1, 6, "cosine")[0]
    before = [array.tolist() for array in opened.nearest(query, 9)]
    for array in (opened.keys, opened.coded.codes, opened.coded.steps):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
    for path in files(copy):
        path.write_bytes(bytes(byte ^ 1 for byte in path.read_bytes()))
    assert [array.tolist() for array in opened.nearest(query, 9)] == before


def test_a_tree_is_served_from_another_place(copy, tree):
    queries = cloud(4, 20, 6, "cosine")
    there, here = (open_generation(f, fingerprint=FINGERPRINT) for f in (copy, tree))
    assert there.searcher is not None
    for one, other in zip(there.search(queries, 5), here.search(queries, 5), strict=True):
        np.testing.assert_array_equal(one, other)
    rows, scores = there.search(queries, 600)
    assert (np.diff(scores) <= 0).all() and ((rows == -1) == np.isneginf(scores)).all()


def test_a_copy_stands_without_the_original(tree, tmp_path):
    first = shutil.copytree(tree, tmp_path / "first")
    moved = first.rename(tmp_path / "second")
    assert open_generation(moved, fingerprint=FINGERPRINT).manifest.id == "g1"


def test_an_empty_generation(tmp_path):
    save(tmp_path / "g", np.empty((0, 5), np.float32))
    opened = open_generation(tmp_path / "g", fingerprint=FINGERPRINT)
    assert opened.search(cloud(5, 2, 5, "cosine"), 3)[0].shape == (2, 0)
    assert opened.row_of(np.array([1], np.int64)).tolist() == [-1]
    assert opened.manifest.recall is None and not (tmp_path / "g" / "scann").exists()


def test_vectors_of_another_encoder_are_refused(tree):
    with pytest.raises(EncoderMismatch, match="tiny-cnn"):
        open_generation(tree, fingerprint="other")


def files(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_any_flipped_byte_is_refused(copy):
    random = np.random.default_rng(np.random.SeedSequence(6))
    for path in files(copy):
        whole = path.read_bytes()
        places = {0, len(whole) - 1, *random.integers(len(whole), size=12).tolist()}
        if path.name == "manifest.json":
            places = set(range(len(whole)))
        for place in places:
            broken = bytearray(whole)
            broken[place] ^= 1 << int(random.integers(8))
            path.write_bytes(broken)
            with pytest.raises(GenerationCorrupt, match=path.name):
                open_generation(copy, fingerprint=FINGERPRINT)
        path.write_bytes(whole)
    open_generation(copy, fingerprint=FINGERPRINT)


def test_truncated_missing_longer_linked_and_foreign_files_are_refused(copy):
    for path in files(copy):
        whole = path.read_bytes()
        for wrong in (b"", whole[:-1], whole + b"\n"):
            path.write_bytes(wrong)
            with pytest.raises(GenerationCorrupt, match=path.name):
                open_generation(copy, fingerprint=FINGERPRINT)
        path.unlink()
        with pytest.raises(GenerationCorrupt, match=path.name):
            open_generation(copy, fingerprint=FINGERPRINT)
        path.write_bytes(whole)
    (copy / "scann" / "scann_docids.pkl").write_bytes(b"")
    with pytest.raises(GenerationCorrupt, match=r"unexpected.*scann_docids\.pkl"):
        open_generation(copy, fingerprint=FINGERPRINT)
    (copy / "scann" / "scann_docids.pkl").unlink()
    (copy / "keys.npy").rename(copy.parent / "keys.npy")
    (copy / "keys.npy").symlink_to(copy.parent / "keys.npy")
    with pytest.raises(GenerationCorrupt, match=r"keys\.npy"):
        open_generation(copy, fingerprint=FINGERPRINT)


def test_no_folder_and_an_unknown_format_are_refused(copy, monkeypatch):
    with pytest.raises(GenerationCorrupt, match="nowhere"):
        open_generation(copy.parent / "nowhere", fingerprint=FINGERPRINT)
    monkeypatch.setattr("visearch.index.manifest.FORMAT", 4)
    with pytest.raises(GenerationCorrupt, match="format 3 is not 4"):
        open_generation(copy, fingerprint=FINGERPRINT)


def told(folder):
    """Give a folder a manifest that matches its files, as an attacker could."""
    body = json.loads((folder / "manifest.json").read_text())
    body.pop("digest")
    body["searcher"] = json.loads((folder / "scann" / "searcher.json").read_text())
    files = {name: generation.entry(folder / name) for name in body["files"]}
    generation.write_manifest(folder, generation.Manifest(**body | {"files": files}))


@pytest.mark.parametrize("what", ["keys", "steps", "tree"])
def test_a_consistent_lie_about_the_arrays_is_refused(copy, tmp_path, what):
    """Someone who can recompute digests still cannot pair arrays of different lengths."""
    if what == "keys":
        np.save(copy / "keys.npy", np.arange(599, dtype=np.int64))
    elif what == "steps":
        np.save(copy / "steps.npy", np.full(600, np.nan, np.float32))
    else:
        save(tmp_path / "other", cloud(1, 700, 6, "cosine"), brute_force_limit=300)
        shutil.rmtree(copy / "scann")
        shutil.copytree(tmp_path / "other" / "scann", copy / "scann")
    told(copy)
    with pytest.raises(GenerationCorrupt, match="arrays"):
        open_generation(copy, fingerprint=FINGERPRINT)


class Killed(BaseException):
    """Like KeyboardInterrupt: no ``except Exception`` catches it."""


@pytest.mark.parametrize(
    ("module", "step"),
    [
        (generation, "encode"),
        (generation, "squared_norms"),
        (generation.scann, "_train"),
        (generation.Searcher, "save"),
        (generation, "entry"),
        (generation, "write_manifest"),
        (generation, "flush"),
        (aside, "_sync"),
        (generation, "open_generation"),
        (generation.Path, "rename"),
    ],
)
@pytest.mark.parametrize("error", [Killed, OSError])
def test_an_interrupted_write_leaves_nothing(tmp_path, monkeypatch, module, step, error):
    def interrupt(*args, **kwargs):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(module, step, interrupt)
        with pytest.raises(error):
            save(tmp_path / "g", cloud(7, 300, 4, "cosine"), brute_force_limit=100)
        assert list(tmp_path.iterdir()) == []
    save(tmp_path / "g", cloud(7, 300, 4, "cosine"), brute_force_limit=100)
    assert [path.name for path in tmp_path.iterdir()] == ["g"]


def test_mistakes_are_refused(tmp_path):
    vectors, keys = cloud(9, 3, 4, "cosine"), np.array([1, 2, 2], np.int64)
    bad = [(vectors, keys), (vectors, keys[:2]), (vectors, keys.astype(np.int32))]
    bad += [(vectors, keys[::-1].copy()), (vectors, np.array([1, 3, 2]))]
    bad += [(vectors * np.float32(2), np.arange(3)), (vectors.astype(np.float64), np.arange(3))]
    for wrong, some in bad:
        with pytest.raises(ValueError):
            save(tmp_path / "g", wrong, some)
    assert list(tmp_path.iterdir()) == []
    save(tmp_path / "g", vectors)
    with pytest.raises(Conflict):
        save(tmp_path / "g", vectors)
