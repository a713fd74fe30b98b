"""Catalogs whose index is held in parts."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("catalogs", sa.Column("shards", sa.Integer(), server_default="1", nullable=False))
