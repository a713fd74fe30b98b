"""Pictures that look the same; the recall that an index promises."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    for table in ("catalogs", "generations"):
        promise = sa.Column("target_recall", sa.Float(), nullable=False, server_default="0.98")
        op.add_column(table, promise)
    layout = sa.Column("format", sa.Integer(), nullable=False, server_default="1")
    op.add_column("generations", layout)
    op.add_column("catalogs", sa.Column("compared", _BIG, nullable=False, server_default="0"))
    op.create_table(
        "duplicates",
        sa.Column("catalog_pk", _BIG, nullable=False),
        sa.Column("first", _BIG, nullable=False),
        sa.Column("second", _BIG, nullable=False),
        sa.Column("score", sa.Float(), nullable=False),
        *(
            sa.ForeignKeyConstraint(
                [column], [target], name=f"fk_duplicates_{column}", ondelete="CASCADE"
            )
            for column, target in (
                ("catalog_pk", "catalogs.pk"),
                ("first", "images.pk"),
                ("second", "images.pk"),
            )
        ),
        sa.PrimaryKeyConstraint("first", "second", name="pk_duplicates"),
    )
    op.create_index("ix_duplicates_score", "duplicates", ["catalog_pk", "score"])
    op.create_index("ix_duplicates_second", "duplicates", ["second"])
