"""Weights of the parts of embeddings, by catalog."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"

_big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "rankings",
        sa.Column("catalog_pk", _big, primary_key=True, autoincrement=False),
        sa.Column("fingerprint", sa.Text, primary_key=True),
        sa.Column("weights", sa.JSON),
        sa.Column("given", sa.Boolean, nullable=False),
        sa.Column("fit", sa.JSON),
        sa.Column("fitted_at", sa.Float),
        sa.Column("pictures", sa.Integer),
        sa.Column("asked", sa.Boolean, nullable=False),
        sa.Column("leased_by", sa.Text),
        sa.Column("leased_until", sa.Float, nullable=False),
        sa.ForeignKeyConstraint(
            ["catalog_pk"],
            ["catalogs.pk"],
            name="fk_rankings_catalog_pk",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("catalog_pk", "fingerprint", name="pk_rankings"),
    )
