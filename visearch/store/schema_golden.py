"""The table of golden queries: pictures whose products are known, and where they are found.

catalogs 1─n golden_queries 1─1 golden_pictures
"""

from __future__ import annotations

import sqlalchemy as sa

from visearch.store.schema import BigInt, Time, metadata

golden_queries = sa.Table(
    "golden_queries",
    metadata,
    sa.Column("pk", BigInt, primary_key=True, autoincrement=True),
    sa.Column(
        "catalog_pk", BigInt, sa.ForeignKey("catalogs.pk", ondelete="CASCADE"), nullable=False
    ),
    sa.Column("name", sa.String(63), nullable=False),
    sa.Column("products", sa.JSON, nullable=False),
    # The last check: the best place of such a product (null: none was found), when that was, and
    # which generation and encoder answered.
    sa.Column("rank", sa.Integer),
    sa.Column("checked_at", Time),
    sa.Column("generation", sa.Text),
    sa.Column("encoder", sa.Text),
    # The last check under another generation or another encoder.
    sa.Column("previous_rank", sa.Integer),
    sa.Column("previous_at", Time),
    sa.Column("previous_generation", sa.Text),
    sa.Column("previous_encoder", sa.Text),
    # A check was asked for; before ``not_before`` none is begun. ``tries`` counts those since the
    # last one that settled the matter.
    sa.Column("asked", sa.Boolean, nullable=False),
    sa.Column("not_before", Time, nullable=False),
    sa.Column("tries", sa.Integer, nullable=False),
    # Who checks it, and until when that holds off the others.
    sa.Column("leased_by", sa.Text),
    sa.Column("leased_until", Time, nullable=False),
    # Why the last try had no result.
    sa.Column("error_code", sa.Text),
    sa.Column("error_detail", sa.Text),
    sa.Column("created_at", Time, nullable=False),
    sa.Column("updated_at", Time, nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.UniqueConstraint("catalog_pk", "name"),
)

# Each a JPEG of some 50 kB, which stays as it is while its query's checks are written.
golden_pictures = sa.Table(
    "golden_pictures",
    metadata,
    sa.Column(
        "golden_pk",
        BigInt,
        sa.ForeignKey("golden_queries.pk", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    sa.Column("picture", sa.LargeBinary, nullable=False),
)
