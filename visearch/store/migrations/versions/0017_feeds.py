"""Feeds."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"

_big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _ref(name: str, table: str, target: str, ondelete: str = "CASCADE") -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([name], [target], name=f"fk_{table}_{name}", ondelete=ondelete)


def _file() -> list[sa.Column[object]]:
    return [
        sa.Column("sha256", sa.String(64)),
        sa.Column("source", sa.Text),
        sa.Column("etag", sa.Text),
        sa.Column("modified", sa.Text),
    ]


def upgrade() -> None:
    op.create_table(
        "feeds",
        sa.Column("pk", _big, primary_key=True, autoincrement=True),
        sa.Column("catalog_pk", _big, nullable=False),
        sa.Column("name", sa.String(63), nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("schedule", sa.JSON),
        sa.Column("mode", sa.String(16), nullable=False),
        sa.Column("guard", sa.Float),
        sa.Column("paused", sa.Boolean, nullable=False),
        sa.Column("next_run_at", sa.Float),
        sa.Column("stated", sa.Integer, nullable=False),
        sa.Column("settled", _big),
        sa.Column("look_again_at", sa.Float),
        sa.Column("rest_s", sa.Float),
        *_file(),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("updated_at", sa.Float, nullable=False),
        _ref("catalog_pk", "feeds", "catalogs.pk"),
        sa.PrimaryKeyConstraint("pk", name="pk_feeds"),
        sa.UniqueConstraint("catalog_pk", "name", name="uq_feeds_catalog_pk_name"),
    )
    op.create_index("ix_feeds_next_run_at", "feeds", ["next_run_at"])
    op.create_table(
        "feed_runs",
        sa.Column("pk", _big, primary_key=True, autoincrement=True),
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("feed_pk", _big, nullable=False),
        sa.Column("cause", sa.String(16), nullable=False),
        sa.Column("whole", sa.Boolean, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("stated", sa.Integer, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("taken", sa.Integer, nullable=False),
        sa.Column("not_before", sa.Float, nullable=False),
        sa.Column("leased_by", sa.Text),
        sa.Column("leased_until", sa.Float, nullable=False),
        sa.Column("import_pk", _big),
        *_file(),
        *(
            sa.Column(name, sa.Integer, nullable=False)
            for name in ("added", "changed", "unchanged", "removed", "failed")
        ),
        sa.Column("error_code", sa.Text),
        sa.Column("error_detail", sa.Text),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("finished_at", sa.Float),
        _ref("feed_pk", "feed_runs", "feeds.pk"),
        _ref("import_pk", "feed_runs", "imports.pk", "SET NULL"),
        sa.PrimaryKeyConstraint("pk", name="pk_feed_runs"),
        sa.UniqueConstraint("id", name="uq_feed_runs_id"),
    )
    op.create_index("ix_feed_runs_feed", "feed_runs", ["feed_pk", "id"])
    op.create_index("ix_feed_runs_import", "feed_runs", ["import_pk"])
    op.create_index(
        "ix_feed_runs_active",
        "feed_runs",
        ["not_before"],
        sqlite_where=sa.text("finished_at IS NULL"),
        postgresql_where=sa.text("finished_at IS NULL"),
    )
    op.create_table(
        "feed_rows",
        sa.Column("feed_pk", _big, nullable=False),
        sa.Column("product_id", sa.Text, nullable=False),
        sa.Column("digest", sa.String(32), nullable=False),
        sa.Column("version", _big, nullable=False),
        _ref("feed_pk", "feed_rows", "feeds.pk"),
        sa.PrimaryKeyConstraint("feed_pk", "product_id", name="pk_feed_rows"),
    )
