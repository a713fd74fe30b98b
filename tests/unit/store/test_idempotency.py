"""Idempotency keys: who may forget a request that made nothing."""

from __future__ import annotations

from visearch.ids import new_id
from visearch.store import idempotency
from visearch.store.database import Database
from visearch.store.idempotency import Known


def claimed(database: Database, at: float) -> tuple[str, Known]:
    """Let a request come with a new key."""
    name = new_id()
    with database.write() as connection:
        assert idempotency.claim(connection, name, "asked", "made", at) is None
        known = idempotency.read(connection, name)
    assert known is not None
    return name, known


def test_the_next_request_may_make_what_one_did_not(either_database: Database) -> None:
    name, _ = claimed(either_database, 1.0)
    with either_database.write() as connection:
        idempotency.release(connection, name, 1.0)
        assert idempotency.read(connection, name) is None


def test_what_was_made_is_not_forgotten_by_an_equal_request_that_came_too_late(
    either_database: Database,
) -> None:
    """The first was slow and taken over; both try to make it, and one of them does."""
    name, first = claimed(either_database, 1.0)
    with either_database.write() as connection:
        assert idempotency.take_over(connection, name, first, 2.0)
        assert not idempotency.take_over(connection, name, first, 3.0)
        idempotency.release(connection, name, 1.0)
        assert idempotency.read(connection, name) is not None
        idempotency.finish(connection, name, 202, "/made")
        idempotency.release(connection, name, 2.0)
        known = idempotency.read(connection, name)
    assert known is not None and (known.status, known.location) == (202, "/made")
