"""Tries apart from attempts, leases with an owner, and uploaded files found among products."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("chunks", sa.Column("tries", sa.Integer(), server_default="1", nullable=False))
    # So far the attempts began anew with each stage.
    op.execute("UPDATE chunks SET tries = attempt")
    op.add_column("reindexes", sa.Column("leased_by", sa.Text(), nullable=True))
    files = sa.text("media != 'blobs'")
    op.create_index(
        "ix_imports_files",
        "imports",
        ["catalog_pk", "id"],
        sqlite_where=files,
        postgresql_where=files,
    )
