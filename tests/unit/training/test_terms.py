"""Terms of a loss: each looks at its part of the embedding, whole and cut, and at no other."""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from visearch.training import losses, terms
from visearch.training.batches import Batch
from visearch.training.recipe import Kind, Term
from visearch.training.terms import Memory, Seen

WIDTHS = {"all": 16, "kind": 4, "instance": 8}
PICTURES = 6
RNG = np.random.default_rng(0)


def unit_rows(rows: int, width: int) -> jax.Array:
    return losses.unit(jnp.asarray(RNG.normal(size=(rows, width)), jnp.float32))


@pytest.fixture
def seen() -> Seen:
    numbers = np.arange(PICTURES, dtype=np.int32)
    batch = Batch(
        pixels=np.zeros((2 * PICTURES, 1, 1, 3), np.uint8),
        labels=(numbers % 3)[:, None],
        sources=np.zeros(PICTURES, np.int32),
        rows=numbers,
        taught=np.asarray(unit_rows(2 * PICTURES, 5)),
    )
    return Seen(
        batch=batch,
        parts={name: unit_rows(2 * PICTURES, width) for name, width in WIDTHS.items()},
        features=jnp.ones((2 * PICTURES, 5)),
        aims={name: unit_rows(5, width) for name, width in WIDTHS.items()},
        proxies={name: unit_rows(3, width) for name, width in WIDTHS.items()},
        memory=Memory(
            {name: unit_rows(10, width) for name, width in WIDTHS.items()},
            jnp.arange(100, 110, dtype=jnp.int32),
        ),
        rivals=np.ones((1, 1, 3), np.bool_),
    )


@pytest.mark.parametrize(
    "kind", ["same_picture", "same_label", "triplet", "proxy", "teacher_embedding"]
)
def test_a_term_moves_its_own_part_alone(seen: Seen, kind: Kind) -> None:
    term = Term(kind=kind, part="kind", memory=10, margin=0.5)

    def loss(parts: dict[str, jax.Array]) -> jax.Array:
        return terms.total([term], replace(seen, parts=parts), [])[0]

    moved = {name: float(jnp.abs(g).max()) for name, g in jax.grad(loss)(seen.parts).items()}
    assert moved.pop("kind") > 0
    assert moved == {"all": 0, "instance": 0}


def test_a_cut_embedding_has_its_share_of_every_part(seen: Seen) -> None:
    term = Term(kind="proxy", part="instance")
    _, whole = terms.total([term], seen, [])
    _, both = terms.total([term], seen, [8])  # half of all: half of the part
    half = losses.proxy(
        losses.unit(seen.parts["instance"][:, :4]),
        seen.labels(0),
        seen.proxies["instance"][:, :4],
        jnp.ones((2 * PICTURES, 3), bool),
        temperature=term.temperature,
    )
    (name,) = whole
    assert name == "proxy_0_instance"
    np.testing.assert_allclose(both[name], (whole[name] + half) / 2, rtol=1e-5)


def test_the_sum_is_weighted_and_the_parts_are_not(seen: Seen) -> None:
    picked = [Term(kind="same_picture", weight=0.5), Term(kind="same_label", weight=2.0)]
    total, parts = terms.total(picked, seen, [])
    assert set(parts) == {"same_picture", "same_label_0"}
    expected = 0.5 * parts["same_picture"] + 2.0 * parts["same_label_0"]
    np.testing.assert_allclose(total, expected, rtol=1e-6)
