"""Tables of feeds: files that are fetched again and again.

catalogs 1─n feeds 1─n feed_runs            each time its file was asked for
             feeds 1─n feed_rows            what its file said last of each product
"""

from __future__ import annotations

import sqlalchemy as sa

from visearch.store.schema import BigInt, Time, metadata


def _pk() -> sa.Column[int]:
    return sa.Column("pk", BigInt, primary_key=True, autoincrement=True)


def _of(name: str, target: str, *, ondelete: str = "CASCADE", key: bool = False) -> sa.Column[int]:
    owner, nullable = sa.ForeignKey(target, ondelete=ondelete), ondelete == "SET NULL"
    return sa.Column(name, BigInt, owner, primary_key=key, nullable=nullable)


feeds = sa.Table(
    "feeds",
    metadata,
    _pk(),
    _of("catalog_pk", "catalogs.pk"),
    sa.Column("name", sa.String(63), nullable=False),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("schedule", sa.JSON(none_as_null=True)),
    sa.Column("mode", sa.String(16), nullable=False),
    sa.Column("guard", sa.Float),
    sa.Column("paused", sa.Boolean, nullable=False),
    # When it is due; null: only when it is asked for.
    sa.Column("next_run_at", Time),
    # Counts what was stated of it that makes another file, or another import, of it.
    sa.Column("stated", sa.Integer, nullable=False),
    # Acceptance number of the catalog's last write, when that was this feed's; and the file it was,
    # with what its host tells a newer one by. Where it left something undone, ``look_again_at`` is
    # when a run by schedule takes that up again, and ``rest_s`` how long that was put off.
    sa.Column("settled", BigInt),
    sa.Column("look_again_at", Time),
    sa.Column("rest_s", sa.Float),
    sa.Column("sha256", sa.String(64)),
    sa.Column("source", sa.Text),
    sa.Column("etag", sa.Text),
    sa.Column("modified", sa.Text),
    sa.Column("created_at", Time, nullable=False),
    sa.Column("updated_at", Time, nullable=False),
    sa.UniqueConstraint("catalog_pk", "name"),
)
sa.Index("ix_feeds_next_run_at", feeds.c.next_run_at)

feed_runs = sa.Table(
    "feed_runs",
    metadata,
    _pk(),
    sa.Column("id", sa.String(36), nullable=False, unique=True),
    _of("feed_pk", "feeds.pk"),
    sa.Column("cause", sa.String(16), nullable=False),
    # Every product and every picture is looked at, as if nothing were known.
    sa.Column("whole", sa.Boolean, nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("stated", sa.Integer, nullable=False),
    # Tries to fetch the file that were in vain, how often a worker took it since the last one, and
    # the time before which it is not tried again.
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("taken", sa.Integer, nullable=False),
    sa.Column("not_before", Time, nullable=False),
    # Who fetches it, and until when that holds off the others.
    sa.Column("leased_by", sa.Text),
    sa.Column("leased_until", Time, nullable=False),
    _of("import_pk", "imports.pk", ondelete="SET NULL"),
    sa.Column("sha256", sa.String(64)),
    sa.Column("source", sa.Text),
    sa.Column("etag", sa.Text),
    sa.Column("modified", sa.Text),
    sa.Column("added", sa.Integer, nullable=False),
    sa.Column("changed", sa.Integer, nullable=False),
    sa.Column("unchanged", sa.Integer, nullable=False),
    sa.Column("removed", sa.Integer, nullable=False),
    sa.Column("failed", sa.Integer, nullable=False),
    sa.Column("error_code", sa.Text),
    sa.Column("error_detail", sa.Text),
    sa.Column("created_at", Time, nullable=False),
    sa.Column("finished_at", Time),
)
sa.Index("ix_feed_runs_feed", feed_runs.c.feed_pk, feed_runs.c.id)
sa.Index("ix_feed_runs_import", feed_runs.c.import_pk)
# The few that are under way.
sa.Index(
    "ix_feed_runs_active",
    feed_runs.c.not_before,
    sqlite_where=feed_runs.c.finished_at.is_(None),
    postgresql_where=feed_runs.c.finished_at.is_(None),
)

# What the file said of a product, as a digest, and the acceptance number of the import that wrote
# it: a product that still has that number is as the file says.
feed_rows = sa.Table(
    "feed_rows",
    metadata,
    _of("feed_pk", "feeds.pk", key=True),
    sa.Column("product_id", sa.Text, primary_key=True),
    sa.Column("digest", sa.String(32), nullable=False),
    sa.Column("version", BigInt, nullable=False),
)
