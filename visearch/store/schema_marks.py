"""The table of the mark.

marks 0─1                                   which blob store holds what the other tables name
"""

from __future__ import annotations

import sqlalchemy as sa

from visearch.store.schema import metadata

marks = sa.Table(
    "marks",
    metadata,
    # There is one row at most.
    sa.Column("pk", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("name", sa.Text, nullable=False),
)
