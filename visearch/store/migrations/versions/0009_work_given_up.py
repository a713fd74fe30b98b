"""How many pictures of an import were given up, for the operator to see and to send again."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    column = sa.Column("given_up", sa.Integer(), server_default="0", nullable=False)
    op.add_column("imports", column)
