"""Fits of a catalog's weights: they give way, survive who makes them, and change what depends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from manual_system import FlatEncoder, ManualSystem
from system import archive, picture

from visearch import inline
from visearch.errors import Conflict, DependencyUnavailable
from visearch.fusion.fit import FEWEST
from visearch.reindexing.reindex import take_turn
from visearch.store import catalogs, golden, golden_turns, rankings, reindexes
from visearch.store.rankings import Ranking
from visearch.upkeep import fitting
from visearch.upkeep.fitting import Pace, fit_due, fit_now, needs_fit

GIVEN = {"general": 1.0, "kind": 0.0, "instance": 0.5}
SIZES = 3


@pytest.fixture
def manual(tmp_path: Path) -> ManualSystem:
    """A system with the catalog ``a``, whose pictures suffice for a fit: each has three sizes."""
    manual = ManualSystem(tmp_path / "home")
    fill(manual, "a")
    return manual


def fill(manual: ManualSystem, name: str) -> str:
    files = [
        (f"p{n}-{size}.jpg", picture(n, side=64)) for n in range(FEWEST) for size in range(SIZES)
    ]
    manual.accept(manual.catalog(name), archive(files))
    manual.drain()
    return name


def turn(manual: ManualSystem, pace: Pace, worker: str = "w", **ways: Any) -> bool:
    """Take a worker's turn."""
    encoder = ways.get("encoder", manual.encoder)
    return fit_due(manual.backend, lambda _: encoder, ways.get("busy", bool), worker, pace)


def ranking(manual: ManualSystem, name: str = "a") -> Ranking:
    with manual.database.read() as connection:
        return rankings.get(connection, catalogs.get(connection, name))


def take(manual: ManualSystem, name: str, worker: str) -> None:
    """Have a worker begin a fit, and be killed."""
    with manual.database.write() as connection:
        assert rankings.take(connection, catalogs.get(connection, name), worker, 600.0)


class Torn(FlatEncoder):
    """An encoder whose worker loses a dependency."""

    def embed_pixels(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        raise DependencyUnavailable("The disk is away.", "blob store")


def test_pictures_that_many_products_share_count_once(manual: ManualSystem) -> None:
    assert turn(manual, Pace())
    found = ranking(manual)
    assert found.fit is not None
    assert (found.fit["pictures"], found.fit["copies"]) == (FEWEST, FEWEST)
    assert found.pictures == SIZES * FEWEST and not needs_fit(found, found.pictures)


def test_one_catalog_is_fitted_a_turn(manual: ManualSystem) -> None:
    fill(manual, "b")
    pace = Pace()
    assert turn(manual, pace) and not ranking(manual, "b").fit
    assert turn(manual, pace) and ranking(manual, "b").fit
    assert not turn(manual, pace)


def test_a_fit_gives_way_to_live_work(manual: ManualSystem, monkeypatch: Any) -> None:
    fill(manual, "b")
    pace, asked = Pace(), iter([False, True])
    assert turn(manual, pace, busy=lambda: next(asked))
    assert (ranking(manual).fit, ranking(manual).held_by) == (None, None)
    assert not turn(manual, pace), "the other one waits, too"
    monkeypatch.setattr(fitting.time, "monotonic", later(fitting.INTERRUPTED_S + 1))
    assert not turn(manual, pace, busy=lambda: True)
    assert turn(manual, pace) and ranking(manual).fit


def later(seconds: float) -> Any:
    """Return a clock that is ahead."""
    now = fitting.time.monotonic
    return lambda: now() + seconds


def test_a_fit_that_fails_is_tried_again_and_holds_up_no_other(
    manual: ManualSystem, monkeypatch: Any
) -> None:
    fill(manual, "b")
    pace = Pace()
    with pytest.raises(DependencyUnavailable):
        turn(manual, pace, encoder=Torn())
    assert ranking(manual).held_by is None
    assert turn(manual, pace) and ranking(manual, "b").fit and not ranking(manual).fit
    assert not turn(manual, pace)
    monkeypatch.setattr(fitting.time, "monotonic", later(fitting.FAILED_S + 1))
    assert turn(manual, pace) and ranking(manual).fit


def test_a_fit_of_a_killed_worker_is_made_when_its_lease_is_over(
    manual: ManualSystem, monkeypatch: Any
) -> None:
    take(manual, "a", "killed")
    pace = Pace()
    assert not turn(manual, pace)
    with manual.database.read() as connection:
        catalog = catalogs.get(connection, "a")
    with pytest.raises(Conflict, match="Another worker"):
        fit_now(manual.backend, catalog, lambda _: manual.encoder, "w")
    now = rankings.time.time
    monkeypatch.setattr(rankings.time, "time", lambda: now() + 601.0)
    assert turn(manual, pace) and ranking(manual).fit


def test_an_embedded_catalog_that_is_opened_again_goes_on_at_once(manual: ManualSystem) -> None:
    take(manual, "a", inline.WORKER)
    assert turn(manual, Pace(), inline.WORKER) and ranking(manual).fit


def test_a_fit_that_was_taken_over_changes_nothing(manual: ManualSystem) -> None:
    with manual.database.write() as connection:
        catalog = catalogs.get(connection, "a")
        assert rankings.take(connection, catalog, "slow", -1.0)
        assert rankings.take(connection, catalog, "other", 600.0)
        assert not rankings.note_fit(connection, catalog, "slow", None, 7)
        rankings.give_back(connection, catalog, "slow")
    assert (ranking(manual).pictures, ranking(manual).held_by) == (None, "other")


def test_a_catalog_that_is_deleted_meanwhile_is_no_error(manual: ManualSystem) -> None:
    def delete() -> bool:
        with manual.database.write() as connection:
            catalogs.delete(connection, catalogs.get(connection, "a"))
        return False

    pace, asked = Pace(), iter([bool, delete, *[bool] * 100])
    assert turn(manual, pace, busy=lambda: next(asked)())
    assert not turn(manual, pace)


@pytest.mark.parametrize(
    ("before", "found", "pictures", "due"),
    [
        (None, False, FEWEST - 1, False), (None, False, FEWEST, True),
        (100, True, 150, False), (100, True, 151, True), (100, True, 67, False),
        (100, True, 66, True), (45, False, 49, False), (45, False, 50, True),
        (1000, False, 1050, False), (1000, False, 1100, True),
    ],
)  # fmt: skip
def test_what_needs_a_fit(before: int | None, found: bool, pictures: int, due: bool) -> None:
    state = Ranking(pictures=before, fit={"chosen": {}} if found else None)
    assert needs_fit(state, pictures) is due


def test_other_weights_have_the_golden_queries_checked_again(manual: ManualSystem) -> None:
    with manual.database.write() as connection:
        catalog = catalogs.get(connection, "a")
        golden.put(connection, catalog, "g", expected=["p0-0"], picture=picture(0, side=64))
        check = golden.Check(1, catalog.created_at, catalog.generation, catalog.fingerprint)
        first = golden_turns.take(connection, "w", 60.0)
        assert first is not None
        golden_turns.settle(connection, first, check, current=True)
        assert not golden_turns.any_due(connection)
        rankings.give(connection, catalog, GIVEN)
        assert golden_turns.any_due(connection)


@pytest.mark.parametrize("architecture", ["mobilenet_v2_trio", "resnet_compact"])
def test_weights_that_were_given_stay_with_another_encoder_of_the_same_parts(
    manual: ManualSystem, architecture: str
) -> None:
    other = FlatEncoder()
    other.fingerprint = f"{architecture}-0123"
    with manual.database.write() as connection:
        catalog = catalogs.get(connection, "a")
        rankings.give(connection, catalog, GIVEN)
        to = {"encoder": "bundled", "fingerprint": other.fingerprint}
        to |= {"dimension": catalog.dimension}
        reindexes.create(connection, catalog, activate="now", **to)
    for _ in range(6):
        take_turn(manual.backend, lambda _: other, lambda: False, "w")
    with manual.database.read() as connection:
        catalog = catalogs.get(connection, "a")
    assert catalog.fingerprint == other.fingerprint
    assert catalog.weights == (GIVEN if architecture == "mobilenet_v2_trio" else None)
