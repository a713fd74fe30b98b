"""No statement of an import or a search walks through a whole catalog or a whole ledger.

SQLite does not know how large a table is. Of two indexes it may take the one that finds a
catalog's million pictures, and look at each.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from system import archive, borrow_graphs, lend_graphs, picture

from visearch import Catalog

LARGE = "images|embeddings|products|import_items|import_rows|fetched_urls"
WALK = re.compile(
    rf"SCAN ({LARGE})\b|SEARCH ({LARGE}) USING .*\((catalog_pk|import_pk)=\?( AND status=\?)?\)$"
)
ONCE = re.compile(
    r"SELECT count\(|SELECT products.external_id"
    r"|SELECT (images\.sha256|embeddings\.segment) \nFROM [^?]* LIMIT \?"
)
"""What is asked once for a whole import: how many there are, which a replace is to remove. And once
for a database that knows no mark yet: some blobs that its store should hold."""

Plans = dict[str, list[str]]


@pytest.fixture
def plans() -> Iterator[Plans]:
    """The plan of every statement that is run meanwhile."""
    found: Plans = {}

    def explain(
        connection: sa.Connection, cursor: Any, statement: str, parameters: Any, *rest: Any
    ) -> None:
        is_plain = statement.startswith(("SELECT", "UPDATE", "DELETE", "WITH"))
        if not is_plain or statement in found:
            return
        database: sqlite3.Connection = cursor.connection
        one = parameters[0] if rest[-1] else parameters
        found[statement] = [
            row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {statement}", one)
        ]

    sa.event.listen(sa.Engine, "before_cursor_execute", explain)
    yield found
    sa.event.remove(sa.Engine, "before_cursor_execute", explain)


def test_no_statement_walks(plans: Plans, tmp_path: Path) -> None:
    home = tmp_path / "shop"
    borrow_graphs(home)
    rows = "id,image,title\n" + "".join(f"p{i},{i}.jpg,T\n" for i in range(6))
    pictures = [(f"{i}.jpg", picture(i)) for i in range(6)]
    with Catalog(home) as shop:
        plans.clear()  # those of the migrations
        for changed in (rows, rows.replace(",T", ",U"), rows.replace("p5,5.jpg", "p5,6.jpg")):
            file = tmp_path / "shop.zip"
            file.write_bytes(archive([("manifest.csv", changed.encode()), *pictures]))
            shop.import_file(file)
        shop.add("more", picture(7))
        shop.remove("more")
        assert shop.search(picture(2))[0].product_id == "p2"
    lend_graphs(home)
    walks = {
        statement: walked
        for statement, plan in plans.items()
        if (walked := [step for step in plan if WALK.search(step)]) and not ONCE.search(statement)
    }
    assert len(plans) > 30 and walks == {}
