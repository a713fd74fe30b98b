"""Previews: uploads that wait for their import, mappings of columns, the guard of a replace."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("imports", sa.Column("guard", sa.Float(), nullable=True))
    kept = sa.text("source != ''")
    op.create_index(
        "ix_imports_source", "imports", ["source"], sqlite_where=kept, postgresql_where=kept
    )
    for table, key, of, column in (
        ("catalog_mappings", "catalog_pk", "catalogs", "mapping"),
        ("import_mappings", "import_pk", "imports", "known"),
    ):
        op.create_table(
            table,
            sa.Column(key, KEY, nullable=False),
            sa.Column(column, sa.JSON(), nullable=False),
            sa.ForeignKeyConstraint(
                [key], [f"{of}.pk"], name=f"fk_{table}_{key}", ondelete="CASCADE"
            ),
            sa.PrimaryKeyConstraint(key, name=f"pk_{table}"),
        )
    op.create_table(
        "uploads",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("catalog_pk", KEY, nullable=False),
        sa.Column("media", sa.String(16), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["catalog_pk"], ["catalogs.pk"], name="fk_uploads_catalog_pk", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_uploads"),
    )
    op.create_index("ix_uploads_created_at", "uploads", ["created_at"])
    op.create_index("ix_uploads_source", "uploads", ["source"])
    op.create_index("ix_uploads_catalog", "uploads", ["catalog_pk"])
