"""Why a picture has no vector from an encoder."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.add_column("embeddings", sa.Column("code", sa.Text(), nullable=True))
    op.add_column("embeddings", sa.Column("detail", sa.Text(), nullable=True))
    op.execute(
        "UPDATE embeddings SET code = 'no_embedding', "
        "detail = 'The encoder found nothing in this picture. Use another one.' "
        "WHERE segment IS NULL"
    )
    without = sa.text("segment IS NULL")
    op.create_index(
        "ix_embeddings_failed",
        "embeddings",
        ["fingerprint", "image_pk"],
        sqlite_where=without,
        postgresql_where=without,
    )
