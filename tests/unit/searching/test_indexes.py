"""The live indexes of a search worker: what breaks one catalog harms no other."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs
from system import picture

from visearch import Catalog
from visearch.errors import DependencyUnavailable, NotFound, SearchExpired
from visearch.searching.indexes import Indexes, keep_fresh
from visearch.settings import Settings
from visearch.store import catalogs, schema
from visearch.store.blobs import Blobs
from visearch.store.database import Database


@pytest.fixture(autouse=True)
def _logs_are_not_rendered() -> Iterator[None]:
    """Tracebacks that show large arrays take seconds each."""
    with capture_logs():
        yield


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Two catalogs of one product each; what ``broken`` says of its embeddings is wrong."""
    folder = tmp_path / "home"
    with Catalog(folder, "broken") as catalog:
        catalog.add("a", picture(1))
    with Catalog(folder, "sound") as catalog:
        catalog.add("b", picture(2))
    database = Database(Settings(home=folder).database)
    with database.write() as connection:
        broken = schema.catalogs.c.name == "broken"
        connection.execute(sa.update(schema.catalogs).where(broken).values(dimension=7))
    database.close()
    return folder


def open_indexes(home: Path) -> Indexes:
    settings = Settings(home=home)
    return Indexes(Database(settings.database), Blobs(settings.blobs, home / "cache"))


def test_a_broken_catalog_is_no_missing_one(home: Path) -> None:
    indexes = open_indexes(home)
    assert indexes.get("sound").parts[0].size == 1
    with pytest.raises(DependencyUnavailable, match="'broken' cannot be loaded"):
        indexes.get("broken")
    with pytest.raises(NotFound):
        indexes.get("nowhere")


def test_a_catalog_that_cannot_be_loaded_is_not_tried_by_every_search(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    indexes, tries = open_indexes(home), []
    refresh = indexes._refresh

    def counted() -> None:
        tries.append(1)
        refresh()

    monkeypatch.setattr(indexes, "_refresh", counted)
    for _ in range(5):
        with pytest.raises(DependencyUnavailable):
            indexes.get("broken")
    assert len(tries) == 1
    indexes._failed.clear()  # as after two seconds
    with pytest.raises(DependencyUnavailable):
        indexes.get("broken")
    assert len(tries) == 2


def test_a_search_does_not_wait_for_other_catalogs_past_its_deadline(home: Path) -> None:
    indexes = open_indexes(home)
    with indexes._refreshing, pytest.raises(SearchExpired):
        indexes.get("sound", 0.05)
    assert indexes.get("sound", 5.0).parts[0].size == 1


def test_what_was_committed_before_is_seen_without_a_refresh(home: Path) -> None:
    indexes = open_indexes(home)
    before = indexes.get("sound")
    with Catalog(home, "sound") as catalog:
        catalog.add("c", picture(3))
    assert indexes.get("sound").parts[0].size == before.parts[0].size + 1 == 2


def test_a_catalog_made_anew_is_not_answered_from_the_deleted_one(home: Path) -> None:
    indexes = open_indexes(home)
    assert indexes.get("sound").parts[0].size == 1
    database = Database(Settings(home=home).database)
    with database.write() as connection:
        catalogs.delete(connection, catalogs.get(connection, "sound"))
    database.close()
    with pytest.raises(NotFound):
        indexes.get("sound")
    with Catalog(home, "sound"):
        pass
    assert indexes.get("sound").parts[0].size == 0


def test_catching_up_with_one_catalog_touches_no_other(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Loading, opening and retrying take long: they are the business of ``refresh``."""
    indexes = open_indexes(home)
    indexes.get("sound")
    with Catalog(home, "sound") as catalog:
        catalog.add("c", picture(3))
    monkeypatch.setattr(indexes, "_refresh", None)
    assert indexes.get("sound").parts[0].size == 2


def test_a_search_is_answered_from_before_where_catching_up_takes_long(home: Path) -> None:
    indexes = open_indexes(home)
    before = indexes.get("sound")
    with Catalog(home, "sound") as catalog:
        catalog.add("c", picture(3))
    with indexes._refreshing:  # as while another catalog is loaded
        assert indexes.get("sound", 5.0) is before
    assert indexes.get("sound", 5.0).parts[0].size == 2


def test_refreshing_outlives_any_error(home: Path) -> None:
    third, turns = threading.Event(), []

    def wait(seconds: float) -> None:
        turns.append(seconds)
        if len(turns) == 3:
            third.set()
        raise RuntimeError("whatever")

    loop = keep_fresh(open_indexes(home), wait, every_s=0.01)
    assert third.wait(120)  # tracebacks with large arrays take their time
    loop.stop()
    loop.join()
