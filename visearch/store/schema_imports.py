"""More tables: what imports know of their files beforehand.

catalogs 1─1 catalog_mappings               what is known of the columns of its files
imports 1─1 import_mappings                 what was known of them when it was accepted
catalogs 1─n uploads                        files that were previewed, for imports to come
catalogs 1─n fetched_urls                   what came from URLs, and how to ask for changes
"""

from __future__ import annotations

import sqlalchemy as sa

from visearch.store.schema import BigInt, Time, metadata


def _of(name: str, target: str, *, key: bool) -> sa.Column[int]:
    owner = sa.ForeignKey(target, ondelete="CASCADE")
    return sa.Column(name, BigInt, owner, primary_key=key, nullable=False)


catalog_mappings = sa.Table(
    "catalog_mappings",
    metadata,
    _of("catalog_pk", "catalogs.pk", key=True),
    sa.Column("mapping", sa.JSON, nullable=False),
)

import_mappings = sa.Table(
    "import_mappings",
    metadata,
    _of("import_pk", "imports.pk", key=True),
    sa.Column("known", sa.JSON, nullable=False),
)

# ``source`` is the blob, which imports that are made of it share; empty once it is given up.
uploads = sa.Table(
    "uploads",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    _of("catalog_pk", "catalogs.pk", key=False),
    sa.Column("media", sa.String(16), nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("created_at", Time, nullable=False),
)
sa.Index("ix_uploads_created_at", uploads.c.created_at)
sa.Index("ix_uploads_source", uploads.c.source)
sa.Index("ix_uploads_catalog", uploads.c.catalog_pk)

# What came last from a URL, for each catalog that names it: the picture ``sha256``, from
# ``source`` after redirects, and the two headers by which its host tells whether it has changed.
# ``name`` is a digest of the URL, which may be too long for a key.
fetched_urls = sa.Table(
    "fetched_urls",
    metadata,
    _of("catalog_pk", "catalogs.pk", key=True),
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("etag", sa.Text),
    sa.Column("modified", sa.Text),
    sa.Column("sha256", sa.String(64), nullable=False),
)
