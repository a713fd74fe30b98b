"""Two embed workers at one reindex: the lease of each turn is its owner's alone."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import sqlalchemy as sa
from manual_system import FlatEncoder, ManualSystem
from system import archive, picture

from visearch.reindexing.reindex import take_turn
from visearch.store import catalogs, embeddings, leases, reindexes, schema
from visearch.store.leases import Lease, LeaseLost
from visearch.store.reindexes import Reindex

N = 3


class Other(FlatEncoder):
    """The encoder that the catalog is on its way to."""

    def __init__(self, fingerprint: str = "other") -> None:
        super().__init__()
        self.fingerprint = fingerprint


@pytest.fixture
def manual(tmp_path: Path) -> ManualSystem:
    manual = ManualSystem(tmp_path / "home")
    manual.accept(
        manual.catalog("c"), archive((f"p{i}.jpg", picture(i, side=64)) for i in range(N))
    )
    manual.drain()
    return manual


@pytest.fixture
def reindex(manual: ManualSystem) -> Reindex:
    with manual.database.write() as connection:
        catalog = catalogs.get(connection, "c")
        return reindexes.create(
            connection,
            catalog,
            encoder="bundled",
            fingerprint="other",
            dimension=catalog.dimension,
            activate="auto",
        )


def take(manual: ManualSystem, reindex: Reindex, worker: str) -> Lease | None:
    with manual.database.write() as connection:
        return leases.take(connection, reindex, worker, 600.0)


def run_out(manual: ManualSystem, until: float = 1.0) -> None:
    """Let the time of every lease be over."""
    with manual.database.write() as connection:
        connection.execute(sa.update(schema.reindexes).values(leased_until=until))


def state(manual: ManualSystem, reindex: Reindex) -> Reindex:
    with manual.database.read() as connection:
        return reindexes.get(connection, catalogs.get(connection, "c"), reindex.id)


def test_a_lease_of_before_the_clock_was_set_back_is_over(
    manual: ManualSystem, reindex: Reindex
) -> None:
    assert take(manual, reindex, "w") is not None
    run_out(manual, until=time.time() + 600 + 60)  # the owner's clock is a minute fast
    assert take(manual, reindex, "second") is None
    run_out(manual, until=time.time() + 600 + 3600)
    assert take(manual, reindex, "second") is not None


def test_only_its_owner_keeps_or_ends_a_lease(manual: ManualSystem, reindex: Reindex) -> None:
    first = take(manual, reindex, "w")
    assert first is not None and take(manual, reindex, "w") is None
    run_out(manual)
    second = take(manual, reindex, "w")
    assert second is not None and second.owner != first.owner
    with manual.database.write() as connection:
        first.end(connection)
    assert take(manual, reindex, "third") is None
    with manual.database.write() as connection, pytest.raises(LeaseLost):
        first.keep(connection)
    with manual.database.write() as connection:
        second.keep(connection)
        second.end(connection)
    assert take(manual, reindex, "third") is not None


def test_a_lease_that_nobody_took_is_still_its_owner_s(
    manual: ManualSystem, reindex: Reindex
) -> None:
    lease = take(manual, reindex, "w")
    run_out(manual)
    with manual.database.write() as connection:
        lease.keep(connection)
    assert take(manual, reindex, "other") is None


def test_a_turn_that_lost_its_lease_writes_nothing(manual: ManualSystem, reindex: Reindex) -> None:
    """It was slow: by now another worker has the reindex, and keeps it."""
    taken: list[Lease | None] = []

    class Slow(Other):
        def embed_pixels(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
            run_out(manual)
            taken.append(take(manual, reindex, "quick"))
            return super().embed_pixels(pixels)

    take_turn(manual.backend, lambda _: Slow(), lambda: False, "slow")
    (quick,) = taken
    with manual.database.write() as connection:
        missing = embeddings.missing(connection, reindex.catalog_pk, "other", 10)
        assert len(missing) == N
        quick.keep(connection)
    assert take(manual, reindex, "third") is None, "the slow one ended the lease of the quick one"


def test_a_turn_that_lost_its_lease_fails_nothing(manual: ManualSystem, reindex: Reindex) -> None:
    """What it finds wrong is its own machine's affair by now."""

    def open_another(_: str) -> Other:
        run_out(manual)
        take(manual, reindex, "quick")
        return Other("yet another")

    take_turn(manual.backend, open_another, lambda: False, "slow")
    assert state(manual, reindex).status == "running"


def test_a_turn_ends_its_lease(manual: ManualSystem, reindex: Reindex) -> None:
    take_turn(manual.backend, lambda _: Other(), lambda: True, "w")
    assert state(manual, reindex).done == N
    assert take(manual, reindex, "next") is not None
