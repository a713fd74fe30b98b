"""Chunks whose pictures cannot be fetched yet wait; what came from URLs is remembered."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    for name, kind in (("not_before", sa.Float()), ("fetches", sa.Integer())):
        op.add_column("chunks", sa.Column(name, kind, server_default="0", nullable=False))
    op.add_column("chunks", sa.Column("late_since", sa.Float(), nullable=True))
    op.create_index(
        "ix_chunks_not_before",
        "chunks",
        ["not_before"],
        sqlite_where=sa.text("not_before > 0"),
        postgresql_where=sa.text("not_before > 0"),
    )
    op.create_table(
        "fetched_urls",
        sa.Column("catalog_pk", _BIG, nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("etag", sa.Text(), nullable=True),
        sa.Column("modified", sa.Text(), nullable=True),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["catalog_pk"],
            ["catalogs.pk"],
            name=op.f("fk_fetched_urls_catalog_pk"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("catalog_pk", "name", name=op.f("pk_fetched_urls")),
    )
