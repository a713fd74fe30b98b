"""A catalog with a feed, in a system of which a test decides who runs when."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sqlalchemy as sa
from manual_system import ManualSystem
from picture_server import Host

from visearch.importing import feeds as feeding
from visearch.importing.feed_files import fetch_next
from visearch.store import catalogs, feed_runs, feed_turns, feeds
from visearch.store.feed_runs import FeedRun
from visearch.store.feed_turns import Turn
from visearch.store.schema_feeds import feed_runs as run_rows

ADDRESS = "127.0.0.2"


class Fed(ManualSystem):
    """A catalog ``c`` with a feed ``main`` of the products ``p0`` and ``p1``."""

    def __init__(self, home: Path, shop: Host) -> None:
        super().__init__(home, fetch_allow=ADDRESS, fetch_ports="all")
        self.shop = shop
        self.catalog("c")
        self.write("A", "B")
        self.feed()

    def write(self, *titles: str) -> None:
        """Let the file say this."""
        rows = [f"p{n},{self.shop.url(f'/drawn/{n}')},{title}\n" for n, title in enumerate(titles)]
        self.shop.files["feed.csv"] = ("id,image,title\n" + "".join(rows)).encode()

    def feed(self, **stated: Any) -> None:
        """State the feed."""
        said: Any = {"schedule": None, "mode": "upsert", "guard": None, "paused": False, **stated}
        with self.database.write() as connection:
            catalog = catalogs.get(connection, "c")
            feeds.put(connection, catalog, "main", url=self.shop.url("/file/feed.csv"), **said)

    def begin(self, cause: feed_runs.Cause = "request") -> FeedRun:
        """Begin a run."""
        with self.database.write() as connection:
            feed = feeds.get(connection, catalogs.get(connection, "c"), "main")
            return feed_runs.create(connection, feed, cause)

    def take(self) -> Turn | None:
        """Take a run that waits, as a worker does."""
        with self.database.write() as connection:
            return feed_turns.take(connection, "w", 600.0)

    def run_out(self) -> None:
        """Let the time of every turn be over."""
        with self.database.write() as connection:
            connection.execute(sa.update(run_rows).values(leased_until=1.0))

    def go_on(self) -> None:
        """Do all that is to be done."""
        while feeding.look(self.backend):
            assert fetch_next(self.backend, "w")
        self.drain()
        feeding.look(self.backend)

    def last(self) -> FeedRun:
        """Return the last run."""
        with self.database.read() as connection:
            feed = feeds.get(connection, catalogs.get(connection, "c"), "main")
            return feed_runs.page(connection, feed, "", 1)[0]

    def full_run(self, cause: feed_runs.Cause = "request") -> FeedRun:
        """Run the feed to its end."""
        self.begin(cause)
        self.go_on()
        return self.last()
