"""The quick measure after training: of the pictures held out, however few they are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from system import picture

from visearch.encoders.encoder import Encoder
from visearch.evaluation.heldout import measure_held_out
from visearch.training.data import Dataset


def dataset(labels: Sequence[int]) -> Dataset:
    n = len(labels)
    column = np.asarray(labels, np.int32)
    rows = np.arange(n, dtype=np.int32)
    pictures = [picture(i, side=96) for i in range(n)]
    return Dataset(pictures, column[:, None], ("a", "b"), rows, np.zeros(n, np.int32))


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder.open("bundled")


def test_shares_of_those_that_can_be_answered(encoder: Encoder) -> None:
    quality = measure_held_out(encoder, dataset([0, 0, 0, 1, -1, -1]))
    assert quality.pictures == 6
    assert quality.same_picture_at_1 is not None and quality.same_picture_at_1 >= 4 / 6
    assert quality.label_at_1[0] in (0, 1 / 3, 2 / 3, 1)  # the 1 is alone: no query


def test_what_nobody_could_answer_is_no_figure(encoder: Encoder) -> None:
    assert measure_held_out(encoder, dataset([0, 1, -1])).label_at_1 == (None,)
    nothing = measure_held_out(encoder, dataset([]))
    assert (nothing.pictures, nothing.same_picture_at_1, nothing.label_at_1) == (0, None, (None,))
