"""The sample queries: of products that exist, but not the catalog's own pictures."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from visearch.demo import write_samples
from visearch.demo.draw import Studio, designs, views
from visearch.demo.samples import POOL, Sample, samples


@pytest.fixture(scope="module")
def drawn() -> list[Sample]:
    return samples()


def test_six_repeatable_jpegs(drawn: list[Sample]) -> None:
    assert [it.jpeg for it in samples()] == [it.jpeg for it in drawn]
    assert [it.name for it in drawn] == [f"sample-{number}.jpg" for number in range(1, 7)]
    for sample in drawn:
        with Image.open(io.BytesIO(sample.jpeg)) as picture:
            assert (picture.format, picture.size) == ("JPEG", (320, 320))


@pytest.mark.parametrize("seed", [1, 7, 99])
def test_samples_show_products_of_the_catalog(seed: int) -> None:
    titles = {it.id: it.title for it in designs(POOL, seed)}
    found = samples(seed)
    assert len({it.product_id for it in found}) == 6
    assert all(titles[it.product_id] == it.alt for it in found)


def test_a_sample_is_a_new_look(drawn: list[Sample]) -> None:
    by_id = {it.id: it for it in designs(POOL, 7)}
    studio = Studio()
    for sample in drawn:
        query = np.asarray(Image.open(io.BytesIO(sample.jpeg)), dtype=float)
        for view in views(studio, by_id[sample.product_id], 7):
            assert np.abs(query - np.asarray(view, dtype=float)).mean() > 10


def test_written_samples_match_their_index(tmp_path: Path, drawn: list[Sample]) -> None:
    write_samples(tmp_path / "samples")
    index = json.loads((tmp_path / "samples" / "samples.json").read_text(encoding="utf-8"))
    assert [set(entry) for entry in index] == [{"file", "product_id", "alt"}] * 6
    for entry, sample in zip(index, drawn, strict=True):
        assert (entry["file"], entry["product_id"]) == (sample.name, sample.product_id)
        assert (tmp_path / "samples" / entry["file"]).read_bytes() == sample.jpeg
