"""How often a chunk came back untried or began anew; imports that cannot be retried any more."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    for name in ("returned", "restarted"):
        op.add_column("chunks", sa.Column(name, sa.Integer(), server_default="0", nullable=False))
    op.add_column(
        "imports", sa.Column("final", sa.Boolean(), server_default=sa.false(), nullable=False)
    )
