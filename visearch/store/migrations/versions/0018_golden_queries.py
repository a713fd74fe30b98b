"""Golden queries."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"

_big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "golden_queries",
        sa.Column("pk", _big, primary_key=True, autoincrement=True),
        sa.Column("catalog_pk", _big, nullable=False),
        sa.Column("name", sa.String(63), nullable=False),
        sa.Column("products", sa.JSON, nullable=False),
        sa.Column("rank", sa.Integer),
        sa.Column("checked_at", sa.Float),
        sa.Column("generation", sa.Text),
        sa.Column("encoder", sa.Text),
        sa.Column("previous_rank", sa.Integer),
        sa.Column("previous_at", sa.Float),
        sa.Column("previous_generation", sa.Text),
        sa.Column("previous_encoder", sa.Text),
        sa.Column("asked", sa.Boolean, nullable=False),
        sa.Column("not_before", sa.Float, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("leased_by", sa.Text),
        sa.Column("leased_until", sa.Float, nullable=False),
        sa.Column("error_code", sa.Text),
        sa.Column("error_detail", sa.Text),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("updated_at", sa.Float, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.ForeignKeyConstraint(
            ["catalog_pk"],
            ["catalogs.pk"],
            name="fk_golden_queries_catalog_pk",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("pk", name="pk_golden_queries"),
        sa.UniqueConstraint("catalog_pk", "name", name="uq_golden_queries_catalog_pk_name"),
    )
    op.create_table(
        "golden_pictures",
        sa.Column("golden_pk", _big, primary_key=True, autoincrement=False),
        sa.Column("picture", sa.LargeBinary, nullable=False),
        sa.ForeignKeyConstraint(
            ["golden_pk"],
            ["golden_queries.pk"],
            name="fk_golden_pictures_golden_pk",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("golden_pk", name="pk_golden_pictures"),
    )
