"""Which generations a worker has refused."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("generations", sa.Column("refused_at", sa.Float(), nullable=True))
