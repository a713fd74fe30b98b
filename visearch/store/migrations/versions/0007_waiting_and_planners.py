"""Who plans an import, what it waits for, and embeddings that were lost with their segment."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("imports", sa.Column("tries", sa.Integer(), server_default="1", nullable=False))
    op.add_column("imports", sa.Column("planner", sa.Text(), nullable=True))
    op.add_column("imports", sa.Column("waiting_for", sa.Text(), nullable=True))
    op.add_column("imports", sa.Column("waiting_since", sa.Float(), nullable=True))
    # Until now the attempts were the tries.
    op.execute("UPDATE imports SET tries = attempt")
    op.create_table(
        "lost_embeddings",
        sa.Column("image_pk", _BIG, nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("segment", sa.String(64), nullable=False),
        sa.Column("found_at", sa.Float(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["image_pk"],
            ["images.pk"],
            name="fk_lost_embeddings_image_pk",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("image_pk", "fingerprint", name="pk_lost_embeddings"),
    )
