"""Golden queries whose searches fail, whose workers die or are late, or that change meanwhile."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from manual_system import FlatEncoder, ManualSystem
from system import archive, picture

from visearch.errors import DependencyUnavailable, Overloaded
from visearch.reindexing import compare as comparing
from visearch.reindexing.reindex import take_turn
from visearch.searches import Failure
from visearch.store import catalogs, golden, golden_turns, products, reindexes
from visearch.store.golden import Golden
from visearch.store.golden_turns import Turn
from visearch.store.redis.jobs import SearchJob, SearchRecord
from visearch.store.schema import catalogs as catalog_table
from visearch.store.schema_golden import golden_queries
from visearch.upkeep.golden import check, look

N = 4


class Searches:
    """Answers searches in place of Redis and the search workers: ``next_ones``, then ``found``."""

    def __init__(self) -> None:
        self.accepted: list[SearchJob] = []
        self.forgotten: list[str] = []
        self.next_ones: list[Callable[[SearchJob], SearchRecord]] = []
        self.found = ["p0", "p1", "p2", "p3"]
        self.generation: str | None = None
        self.encoder = ""

    def accept(self, job: SearchJob) -> SearchRecord:
        self.accepted.append(job)
        return self.next_ones.pop(0)(job) if self.next_ones else self.answered(job)

    def forget(self, search_id: str) -> None:
        self.forgotten.append(search_id)

    @contextmanager
    def watch(self, search_id: str) -> Iterator[Callable[[float], SearchRecord]]:
        yield lambda _: _record(search_id, "expired")

    def answered(self, job: SearchJob, *, shards: int = 1) -> SearchRecord:
        hit = {"rank": 0, "image_id": "", "score": 1, "title": None, "image_url": "", "url": None}
        hits = [{**hit, "product_id": each, "attributes": {}} for each in self.found]
        times = dict.fromkeys(("queue", "decode", "encode", "search", "hydrate", "total"), 0)
        fresh = datetime.now(UTC).isoformat()
        answer: dict[str, Any] = {
            "results": hits,
            "total": len(hits),
            "facets": {},
            "timings_ms": times,
            "index": {"generation": self.generation, "fresh_to": fresh},
            "encoder": self.encoder,
            "shards": {"asked": shards, "answered": 1},
        }
        return _record(job.id, "succeeded", json.dumps(answer))


def _record(search_id: str, status: str, body: str = "{}") -> SearchRecord:
    return SearchRecord(
        id=search_id, status=status, catalog="c", created_at=1.0, deadline=2.0, body=body.encode()
    )


def failing(code: str, detail: str) -> Callable[[SearchJob], SearchRecord]:
    body = Failure(code=code, detail=detail, fields=[]).model_dump_json()
    return lambda job: _record(job.id, "failed", body)


def raising(error: Exception) -> Callable[[SearchJob], SearchRecord]:
    def accept(_: SearchJob) -> SearchRecord:
        raise error

    return accept


class Checked(ManualSystem):
    """A catalog ``c`` with products, and a golden query ``g`` that ought to find ``p1``."""

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self.accept(self.catalog("c"), archive((f"p{i}.jpg", picture(i)) for i in range(N)))
        self.drain()
        self.searches = Searches()
        self.searches.encoder = self.encoder.fingerprint
        self.backend.__dict__["jobs"] = self.searches
        self.state("p1")

    def state(self, *expected: str, name: str = "g", seed: int = 1) -> Golden:
        with self.database.write() as connection:
            catalog = catalogs.get(connection, "c")
            return golden.put(
                connection, catalog, name, expected=expected, picture=picture(seed, side=64)
            )[0]

    def now(self, name: str = "g") -> Golden:
        with self.database.read() as connection:
            return golden.get(connection, catalogs.get(connection, "c"), name)

    def take(self, seconds: float = 600.0) -> Turn | None:
        with self.database.write() as connection:
            return golden_turns.take(connection, "w", seconds)

    def look(self) -> int:
        """Let every rest be over, and a worker look; returns how many searches it made."""
        before = len(self.searches.accepted)
        self.set(not_before=0.0)
        look(self.backend, "w")
        return len(self.searches.accepted) - before

    def set(self, **values: Any) -> None:
        with self.database.write() as connection:
            connection.execute(sa.update(golden_queries).values(**values))

    def ask(self) -> None:
        with self.database.write() as connection:
            golden.ask(connection, catalogs.get(connection, "c"))

    def index(self, generation: str | None) -> None:
        """Let the catalog point at a generation, and searches be answered by it."""
        self.searches.generation = generation
        with self.database.write() as connection:
            connection.execute(sa.update(catalog_table).values(generation=generation))


@pytest.fixture
def checked(tmp_path: Path) -> Checked:
    return Checked(tmp_path / "home")


def ranks(each: Golden) -> tuple[int | None, int | None]:
    """Return the ranks of the last check and of the one before the last change."""
    assert each.last is not None
    return each.last.rank, each.previous.rank if each.previous else None


def test_what_is_unchanged_is_not_checked_again(checked: Checked) -> None:
    assert checked.look() == 1 and ranks(checked.now()) == (2, None)
    job = checked.searches.accepted[0]
    assert checked.searches.forgotten == [job.id]
    assert (job.query.limit, job.query.group, job.query.catalog) == (100, True, "c")
    assert checked.look() == 0
    checked.state("p1")  # the same again
    assert checked.look() == 0
    checked.state("p3")
    assert checked.now().last is None
    assert checked.look() == 1 and ranks(checked.now()) == (4, None)
    checked.ask()
    checked.searches.found = ["p2"]
    assert checked.look() == 1 and ranks(checked.now()) == (None, None)


def test_another_generation_and_another_encoder_are_checked(checked: Checked) -> None:
    checked.look()
    checked.index("one")
    checked.searches.found = ["p1"]
    assert checked.look() == 1 and ranks(checked.now()) == (1, 2)
    checked.searches.found = ["p0", "p2", "p1"]
    checked.ask()
    assert checked.look() == 1 and ranks(checked.now()) == (3, 2), "the state is the same"
    checked.searches.encoder = "other"
    with checked.database.write() as connection:
        connection.execute(sa.update(catalog_table).values(fingerprint="other"))
    checked.searches.found = ["p1"]
    assert checked.look() == 1 and ranks(checked.now()) == (1, 3)
    previous = checked.now().previous
    assert previous is not None and previous[2:] == ("one", checked.encoder.fingerprint)


def test_a_search_that_fails_is_shown_and_tried_again(checked: Checked) -> None:
    checked.look()
    checked.index("one")
    checked.searches.next_ones = [
        failing("encoder_mismatch", "Another encoder."),
        lambda job: _record(job.id, "queued"),  # nobody answers it
        lambda job: checked.searches.answered(job, shards=2),  # and here only one part of it
    ]
    for code in ("encoder_mismatch", "search_expired", "search_expired"):
        assert checked.look() == 1
        now = checked.now()
        assert now.error_code == code and now.error_detail
        assert ranks(now) == (2, None), "what is known stays"
    assert checked.now().tries == 3
    look(checked.backend, "w")
    assert len(checked.searches.accepted) == 4, "it rests after each try"
    assert checked.look() == 1
    assert (checked.now().error_code, checked.now().tries) == (None, 0)
    assert ranks(checked.now()) == (2, 2)


@pytest.mark.parametrize(
    "error", [Overloaded("Too many."), DependencyUnavailable("Away.", "redis")]
)
def test_where_nobody_has_time_it_is_put_off(checked: Checked, error: Exception) -> None:
    checked.state("p2", name="h", seed=2)
    checked.searches.next_ones = [raising(error)]
    assert checked.look() == 1, "the others are put off too"
    assert checked.now().error_code is None and checked.now().last is None
    assert checked.look() == 2
    assert ranks(checked.now()) == (2, None) and ranks(checked.now("h")) == (3, None)


def test_whatever_a_check_raises_the_others_have_their_turn(checked: Checked) -> None:
    checked.state("p2", name="h", seed=2)
    checked.searches.next_ones = [raising(ZeroDivisionError("for the test"))]
    assert checked.look() == 2
    assert (checked.now().error_code, checked.now().tries) == ("internal_error", 1)
    assert ranks(checked.now("h")) == (3, None)


def test_who_asks_again_and_again_keeps_its_place_in_the_line(checked: Checked) -> None:
    checked.look()
    checked.ask()
    checked.state("p2", name="h", seed=2)
    checked.ask()
    look(checked.backend, "w")
    digests = [job.digest for job in checked.searches.accepted[1:]]
    assert digests == [checked.now(name).digest for name in ("g", "h")]


def test_a_check_that_is_asked_for_shows_no_error_of_before(checked: Checked) -> None:
    checked.searches.next_ones = [failing("internal_error", "Broken.")]
    checked.look()
    assert checked.now().error_code
    checked.ask()
    assert checked.now().error_code is None


def test_two_workers_check_none_twice(checked: Checked) -> None:
    checked.state("p2", name="h", seed=2)
    first, second = checked.take(), checked.take()
    assert first is not None and second is not None
    assert {first.golden.name, second.golden.name} == {"g", "h"}
    assert checked.take() is None and checked.look() == 0
    checked.set(leased_until=1.0)  # both have died
    assert checked.look() == 2


def test_a_worker_that_is_late_writes_nothing(checked: Checked) -> None:
    late = checked.take(seconds=-1.0)
    assert late is not None
    assert checked.look() == 1
    checked.searches.found = []
    check(checked.backend, late)
    assert ranks(checked.now()) == (2, None)


@pytest.mark.parametrize("ask", [True, False])
def test_what_is_said_during_a_check_is_checked_after_it(checked: Checked, ask: bool) -> None:
    turn = checked.take()
    assert turn is not None
    if ask:
        checked.ask()
    else:
        checked.state("p3")
    check(checked.backend, turn)
    assert checked.now().last is None
    assert checked.look() == 1
    assert ranks(checked.now()) == (2 if ask else 4, None)


def test_an_answer_of_an_older_generation_is_asked_for_again(checked: Checked) -> None:
    checked.look()
    checked.index("one")
    checked.searches.generation = None  # the search workers are not there yet
    assert checked.look() == 1 and checked.now().tries == 1
    assert checked.look() == 1 and checked.now().tries == 2
    checked.searches.generation = "one"
    assert checked.look() == 1 and checked.now().tries == 0
    assert ranks(checked.now()) == (2, 2) and checked.look() == 0


def test_one_that_is_deleted_during_its_check_is_gone(checked: Checked) -> None:
    turn = checked.take()
    assert turn is not None
    with checked.database.write() as connection:
        golden.delete(connection, turn.golden)
    check(checked.backend, turn)
    with checked.database.write() as connection:
        catalog = catalogs.get(connection, "c")
        assert golden.page(connection, catalog, "", 9) == []
        checked_catalog = golden.counts(connection, catalog)
        catalogs.delete(connection, catalog)
    assert checked_catalog == (0, 0, 0, 0, 0, None)


def test_those_of_a_deleted_catalog_are_left_alone_and_purged(checked: Checked) -> None:
    turn = checked.take(seconds=-1.0)
    assert turn is not None
    with checked.database.write() as connection:
        catalog = catalogs.get(connection, "c")
        catalogs.delete(connection, catalog)
    assert check(checked.backend, turn) and checked.look() == 0
    with checked.database.write() as connection:
        catalogs.forget(connection, [catalog.pk])
        assert connection.execute(sa.select(sa.func.count(golden_queries.c.pk))).scalar_one() == 0


class Blind(FlatEncoder):
    """Takes every picture for the same."""

    def __init__(self) -> None:
        super().__init__()
        self.fingerprint = "other"

    def embed_pixels(self, pixels: Any) -> Any:
        vectors = super().embed_pixels(pixels)
        vectors[:] = 0.0
        vectors[:, 0] = 1.0
        return vectors


def test_two_encoders_are_compared_on_golden_queries(
    checked: Checked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of products that are not in the sample, too."""
    more = ((f"q{i}.jpg", picture(50 + i)) for i in range(20))
    checked.accept("c", archive(more))
    checked.drain()
    checked.state("p1", "gone", name="g")
    checked.state("nobody", name="lost", seed=9)
    checked.state("q19", name="h", seed=69)
    monkeypatch.setattr(comparing, "GALLERY", 12)
    with checked.database.write() as connection:
        old = catalogs.get(connection, "c")
        to = {"encoder": "bundled", "fingerprint": "other", "dimension": old.dimension}
        reindex = reindexes.create(connection, old, activate="manual", **to)
    take_turn(checked.backend, lambda _: Blind(), lambda: False, "w")
    with checked.database.read() as connection:
        new = reindexes.prospect(connection, old, reindex)
    found = comparing.compare(checked.backend, old, new, lambda _: checked.encoder)
    assert found["gallery"] >= 12 and found["queries"] == 12
    assert found["golden"] == {"queries": 2, "old": 1.0, "new": None}
    found = comparing.compare(checked.backend, old, new, lambda _: Blind())
    assert found["golden"]["new"] is not None
    worse = {**found, "own_first": None, "golden": {"queries": 3, "old": 1.0, "new": 0.3333}}
    assert "golden queries" in str(comparing.what_is_worse(worse))
    worse["golden"]["new"] = 0.6667
    assert comparing.what_is_worse(worse) is None, "one alone decides nothing"
    with checked.database.write() as connection:
        products.delete(connection, old, "p1")
        products.delete(connection, old, "q19")
    found = comparing.compare(checked.backend, old, new, lambda _: checked.encoder)
    assert found["golden"] is None, "nothing that is there is expected"
    assert comparing.what_is_worse({"labels": [], "own_first": None}) is None
