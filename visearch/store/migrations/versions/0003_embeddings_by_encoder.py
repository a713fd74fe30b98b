"""Embeddings by encoder, and the way from one encoder to another."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "embeddings",
        sa.Column("image_pk", _BIG, nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("segment", sa.String(length=64), nullable=True),
        sa.Column("row", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["image_pk"], ["images.pk"], name="fk_embeddings_image_pk", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("image_pk", "fingerprint", name="pk_embeddings"),
    )
    op.execute(
        "INSERT INTO embeddings (image_pk, fingerprint, segment, row) "
        "SELECT images.pk, catalogs.fingerprint, images.segment, images.row "
        "FROM images JOIN catalogs ON catalogs.pk = images.catalog_pk"
    )
    op.drop_column("images", "segment")
    op.drop_column("images", "row")
    op.add_column("chunks", sa.Column("fingerprint", sa.Text(), nullable=True))
    op.create_table(
        "reindexes",
        sa.Column("pk", _BIG, autoincrement=True, nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("catalog_pk", _BIG, nullable=False),
        sa.Column("encoder", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("dimension", sa.Integer(), nullable=False),
        sa.Column("activate", sa.String(length=16), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("generation", sa.Text(), nullable=True),
        sa.Column("comparison", sa.JSON(), nullable=True),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.Column("error_detail", sa.Text(), nullable=True),
        sa.Column("leased_until", sa.Float(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("finished_at", sa.Float(), nullable=True),
        sa.ForeignKeyConstraint(
            ["catalog_pk"],
            ["catalogs.pk"],
            name="fk_reindexes_catalog_pk",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("pk", name="pk_reindexes"),
        sa.UniqueConstraint("id", name="uq_reindexes_id"),
    )
    op.create_index("ix_reindexes_catalog", "reindexes", ["catalog_pk", "status"])
