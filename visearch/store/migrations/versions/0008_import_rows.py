"""What a row of a file says is stored once, not with each picture; blobs that nothing names."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "import_rows",
        sa.Column("import_pk", _BIG, nullable=False),
        sa.Column("row", sa.Integer(), nullable=False),
        sa.Column("title", sa.Text(), nullable=True),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("attributes", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["import_pk"], ["imports.pk"], name="fk_import_rows_import_pk", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("import_pk", "row", name="pk_import_rows"),
    )
    # Items that have their fate do not need their texts any more.
    op.execute(
        "INSERT INTO import_rows (import_pk, row, title, url, attributes) "
        "SELECT import_pk, item, title, url, attributes FROM import_items "
        "WHERE status = 'pending'"
    )
    with op.batch_alter_table("import_items") as batch:
        batch.add_column(sa.Column("row", sa.Integer(), server_default="0", nullable=False))
        for name in ("title", "url", "attributes"):
            batch.drop_column(name)
    op.execute("UPDATE import_items SET row = item")
    op.create_index("ix_images_sha256", "images", ["sha256"])
    op.create_table(
        "trash",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("found_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_trash"),
    )
