"""What is remembered of URLs: per catalog, the latest, until the catalog goes."""

from __future__ import annotations

from visearch.store import catalogs, fetched
from visearch.store.database import Database
from visearch.store.fetched import Came

URL = "https://shop.example/a.jpg"
FIRST, SECOND = Came("a" * 64, URL, '"1"', None), Came("b" * 64, f"{URL}?v=2", None, "yesterday")


def test_the_latest_is_remembered_for_each_catalog(either_database: Database) -> None:
    database = either_database
    with database.write() as connection:
        names = {"metric": "cosine", "encoder": "bundled", "fingerprint": "f", "dimension": 8}
        one, other = (
            catalogs.create(connection, name, title="", **names).pk for name in ("one", "other")
        )
        fetched.note(connection, one, {URL: FIRST, f"{URL}2": FIRST})
        fetched.note(connection, other, {URL: FIRST})
        fetched.note(connection, one, {URL: SECOND})
        fetched.note(connection, one, {})
    with database.read() as connection:
        assert fetched.known(connection, one, {URL, "https://elsewhere.example/"}) == {URL: SECOND}
        assert fetched.known(connection, other, {URL}) == {URL: FIRST}
        many = {f"{URL}?{n}" for n in range(40_000)}  # more than one statement can name
        assert fetched.known(connection, other, {URL} | many) == {URL: FIRST}
    with database.write() as connection:
        assert [fetched.forget_of(connection, [one], 1) for _ in range(3)] == [1, 1, 0]
        assert fetched.known(connection, one, {URL}) == {}
        assert fetched.known(connection, other, {URL}) == {URL: FIRST}
