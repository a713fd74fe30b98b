"""The table of rankings: how much each part of the embeddings counts in a catalog's searches.

catalogs 1─n rankings                       one for each encoder that the catalog has had
"""

from __future__ import annotations

import sqlalchemy as sa

from visearch.store.schema import BigInt, Time, metadata

rankings = sa.Table(
    "rankings",
    metadata,
    sa.Column(
        "catalog_pk",
        BigInt,
        sa.ForeignKey("catalogs.pk", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    sa.Column("fingerprint", sa.Text, primary_key=True),
    # By part, its weight (null: as the encoder says), and whether somebody gave them.
    sa.Column("weights", sa.JSON(none_as_null=True)),
    sa.Column("given", sa.Boolean, nullable=False),
    # What the last fit found (null: there were too few pictures), when, and of how many pictures.
    sa.Column("fit", sa.JSON(none_as_null=True)),
    sa.Column("fitted_at", Time),
    sa.Column("pictures", sa.Integer),
    # Another fit was asked for.
    sa.Column("asked", sa.Boolean, nullable=False),
    # Who fits now, and until when that holds off the others.
    sa.Column("leased_by", sa.Text),
    sa.Column("leased_until", Time, nullable=False),
)
