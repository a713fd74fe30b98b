"""The tables. ``migrations/`` creates them; a test compares the two.

    catalogs 1─n products 1─n images            what can be found
    catalogs 1─n attribute_columns              the products' attributes, for filters and facets
    catalogs 1─n imports 1─n import_items       the ledger: every item's fate
                 imports 1─n import_rows        what the file says of the items' products
                 imports 1─n chunks             units of work, claimed by workers
    idempotency                                 keys of requests, and what they made
    trash                                       blobs that nothing names any more
    outbox                                      messages that must reach a queue
    generations                                 published index generations
    images 1─n embeddings                       a picture's vector, by encoder
    images 1─n lost_embeddings                  those that were damaged, until they are made again
    catalogs 1─n reindexes                      on the way to another encoder, or back
    images n─n images by duplicates             pictures that look the same

Those of the modules ``schema_…`` come on top.

``catalogs.revision`` numbers the commits that change a catalog. Every write that
changes search results increments it first and so holds the row's lock until its commit:
revisions become visible in order, and "all changes above revision r" misses none.

Row locks are taken in one order, or two transactions of PostgreSQL could wait for each other:
catalog, reindex, import, chunks, ledger, URLs, runs of feeds, feeds, golden queries.
``importing.progress.take_locks`` takes the first.
"""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

BigInt = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Time = sa.Float()
"""Seconds since the epoch: SQLite has no time type, and floats compare alike everywhere."""


def _pk() -> sa.Column[int]:
    return sa.Column("pk", BigInt, primary_key=True, autoincrement=True)


def _ref(name: str, target: str) -> sa.Column[int]:
    return sa.Column(name, BigInt, sa.ForeignKey(target, ondelete="CASCADE"), nullable=False)


catalogs = sa.Table(
    "catalogs",
    metadata,
    _pk(),
    sa.Column("name", sa.String(63), nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("metric", sa.String(16), nullable=False),
    sa.Column("encoder", sa.Text, nullable=False),
    sa.Column("fingerprint", sa.Text, nullable=False),
    sa.Column("dimension", sa.Integer, nullable=False),
    sa.Column("revision", BigInt, nullable=False),
    sa.Column("accepted", BigInt, nullable=False),
    # Acceptance number of the last import that replaced the whole catalog; 0: none did.
    sa.Column("replaced", BigInt, nullable=False),
    sa.Column("generation", sa.Text),
    # Recall@10 that the index promises.
    sa.Column("target_recall", sa.Float, nullable=False, server_default="0.98"),
    # The number of parts in which the index is held; it never changes.
    sa.Column("shards", sa.Integer, nullable=False, server_default="1"),
    # The revision up to which pictures were compared with all others (see ``duplicates``).
    sa.Column("compared", BigInt, nullable=False, server_default="0"),
    sa.Column("created_at", Time, nullable=False),
    sa.Column("deleted_at", Time),
)
sa.Index(
    "uq_catalogs_live_name",
    catalogs.c.name,
    unique=True,
    sqlite_where=catalogs.c.deleted_at.is_(None),
    postgresql_where=catalogs.c.deleted_at.is_(None),
)

products = sa.Table(
    "products",
    metadata,
    _pk(),
    _ref("catalog_pk", "catalogs.pk"),
    sa.Column("external_id", sa.Text, nullable=False),
    sa.Column("title", sa.Text),
    sa.Column("url", sa.Text),
    # Text to read and to search in, not to filter by.
    sa.Column("description", sa.Text),
    sa.Column("attributes", sa.JSON, nullable=False),
    # Acceptance numbers of the last write to what is said of the product and to its pictures, and
    # of the last change to what was changed alone (``versions``).
    sa.Column("meta_version", BigInt, nullable=False),
    sa.Column("field_versions", sa.JSON, nullable=False),
    sa.Column("images_version", BigInt, nullable=False),
    sa.Column("deleted", sa.Boolean, nullable=False),
    sa.Column("updated_at", Time, nullable=False),
    sa.UniqueConstraint("catalog_pk", "external_id"),
)

# What a block of products says in one attribute (``attributes``): a copy of the products' own
# ``attributes``, laid out for filters and facets; and of what they are looked for by (``looking``).
attribute_columns = sa.Table(
    "attribute_columns",
    metadata,
    _ref("catalog_pk", "catalogs.pk"),
    sa.Column("block", BigInt, nullable=False),
    sa.Column("name", sa.String(32), nullable=False),
    sa.Column("data", sa.LargeBinary, nullable=False),
    sa.PrimaryKeyConstraint("catalog_pk", "block", "name"),
)

images = sa.Table(
    "images",
    metadata,
    _pk(),
    sa.Column("id", sa.String(36), nullable=False, unique=True),
    _ref("catalog_pk", "catalogs.pk"),
    _ref("product_pk", "products.pk"),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("thumbnail", sa.String(64), nullable=False),
    sa.Column("added", BigInt, nullable=False),
    sa.Column("removed", BigInt),
)
sa.Index("ix_images_added", images.c.catalog_pk, images.c.added)
sa.Index("ix_images_removed", images.c.catalog_pk, images.c.removed)
sa.Index("ix_images_product", images.c.product_pk)
# With the catalog, or SQLite takes an index of the catalog alone, and looks at all its pictures.
sa.Index("ix_images_sha256", images.c.sha256, images.c.catalog_pk)
sa.Index("ix_images_thumbnail", images.c.thumbnail)

# A picture's vector from the encoder ``fingerprint``: row ``row`` of the segment blob named
# ``segment``; null where there is none, and then ``code`` and ``detail`` say why.
embeddings = sa.Table(
    "embeddings",
    metadata,
    _ref("image_pk", "images.pk"),
    sa.Column("fingerprint", sa.Text, nullable=False),
    sa.Column("segment", sa.String(64)),
    sa.Column("row", sa.Integer),
    sa.Column("code", sa.Text),
    sa.Column("detail", sa.Text),
    sa.PrimaryKeyConstraint("image_pk", "fingerprint"),
)
# The few pictures without a vector, among the many with one.
sa.Index(
    "ix_embeddings_failed",
    embeddings.c.fingerprint,
    embeddings.c.image_pk,
    sqlite_where=embeddings.c.segment.is_(None),
    postgresql_where=embeddings.c.segment.is_(None),
)

# Embeddings that were lost with their segment; ``detail`` says why one cannot be made again.
lost_embeddings = sa.Table(
    "lost_embeddings",
    metadata,
    _ref("image_pk", "images.pk"),
    sa.Column("fingerprint", sa.Text, nullable=False),
    sa.Column("segment", sa.String(64), nullable=False),
    sa.Column("found_at", Time, nullable=False),
    sa.Column("detail", sa.Text),
    sa.PrimaryKeyConstraint("image_pk", "fingerprint"),
)

# A catalog's way to another encoder, or back to its former one.
reindexes = sa.Table(
    "reindexes",
    metadata,
    _pk(),
    sa.Column("id", sa.String(36), nullable=False, unique=True),
    _ref("catalog_pk", "catalogs.pk"),
    sa.Column("encoder", sa.Text, nullable=False),
    sa.Column("fingerprint", sa.Text, nullable=False),
    sa.Column("dimension", sa.Integer, nullable=False),
    sa.Column("activate", sa.String(16), nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("generation", sa.Text),
    sa.Column("comparison", sa.JSON),
    sa.Column("error_code", sa.Text),
    sa.Column("error_detail", sa.Text),
    # Who embeds for it, and until when that holds off the others.
    sa.Column("leased_by", sa.Text),
    sa.Column("leased_until", Time, nullable=False),
    sa.Column("created_at", Time, nullable=False),
    sa.Column("finished_at", Time),
)
sa.Index("ix_reindexes_catalog", reindexes.c.catalog_pk, reindexes.c.status)

# Pictures of two products that look the same; ``first`` < ``second``.
duplicates = sa.Table(
    "duplicates",
    metadata,
    _ref("catalog_pk", "catalogs.pk"),
    _ref("first", "images.pk"),
    _ref("second", "images.pk"),
    sa.Column("score", sa.Float, nullable=False),
    sa.PrimaryKeyConstraint("first", "second"),
)
sa.Index("ix_duplicates_score", duplicates.c.catalog_pk, duplicates.c.score)
sa.Index("ix_duplicates_second", duplicates.c.second)

imports = sa.Table(
    "imports",
    metadata,
    _pk(),
    sa.Column("id", sa.String(36), nullable=False, unique=True),
    _ref("catalog_pk", "catalogs.pk"),
    sa.Column("accepted", BigInt, nullable=False),
    sa.Column("mode", sa.String(16), nullable=False),
    sa.Column("media", sa.String(16), nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("planned", sa.Boolean, nullable=False),
    # Counts the readings of its file: a fence, never the same number twice.
    sa.Column("attempt", sa.Integer, nullable=False),
    # Counts the readings that failed by themselves, from 1.
    sa.Column("tries", sa.Integer, nullable=False, server_default="1"),
    # The worker that reads it; null while a message is on its way.
    sa.Column("planner", sa.Text),
    # Which dependency it waits for, and since when.
    sa.Column("waiting_for", sa.Text),
    sa.Column("waiting_since", Time),
    sa.Column("items", sa.Integer),
    sa.Column("fetched", sa.Integer, nullable=False),
    sa.Column("decoded", sa.Integer, nullable=False),
    sa.Column("embedded", sa.Integer, nullable=False),
    sa.Column("searchable", sa.Integer, nullable=False),
    sa.Column("failed", sa.Integer, nullable=False),
    # Those of the failed ones whose work failed on every try.
    sa.Column("given_up", sa.Integer, nullable=False, server_default="0"),
    sa.Column("error_code", sa.Text),
    sa.Column("error_detail", sa.Text),
    # It cannot be tried again: what it was made of, or its ledger, is going or gone.
    sa.Column("final", sa.Boolean, nullable=False, server_default=sa.false()),
    # The share of the catalog that a replace may remove; null: the server's setting.
    sa.Column("guard", sa.Float),
    sa.Column("request_id", sa.Text, nullable=False),
    sa.Column("created_at", Time, nullable=False),
    sa.Column("changed_at", Time, nullable=False),
    sa.Column("finished_at", Time),
)
sa.Index("ix_imports_status", imports.c.status)
sa.Index("ix_imports_catalog", imports.c.catalog_pk, imports.c.id)
# Uploaded files among many single products.
sa.Index(
    "ix_imports_files",
    imports.c.catalog_pk,
    imports.c.id,
    sqlite_where=sa.text("media != 'blobs'"),
    postgresql_where=sa.text("media != 'blobs'"),
)

# Which of them are made of an uploaded file.
sa.Index(
    "ix_imports_source",
    imports.c.source,
    sqlite_where=sa.text("source != ''"),
    postgresql_where=sa.text("source != ''"),
)

import_items = sa.Table(
    "import_items",
    metadata,
    _ref("import_pk", "imports.pk"),
    sa.Column("item", sa.Integer, nullable=False),
    sa.Column("chunk", sa.Integer, nullable=False),
    sa.Column("path", sa.Text, nullable=False),
    sa.Column("product_id", sa.Text, nullable=False),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("locator", sa.JSON, nullable=False),
    sa.Column("stage", sa.String(16), nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("code", sa.Text),
    sa.Column("detail", sa.Text),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("sha256", sa.String(64)),
    sa.Column("thumbnail", sa.String(64)),
    # The row of ``import_rows`` that says what the picture shows.
    sa.Column("row", sa.Integer, nullable=False, server_default="0"),
    sa.PrimaryKeyConstraint("import_pk", "item"),
)
# With the item, or SQLite takes the primary key, for its order, and looks at the whole import.
_c = import_items.c
sa.Index("ix_import_items_chunk", _c.import_pk, _c.chunk, _c.item)
sa.Index("ix_import_items_product", _c.import_pk, _c.product_id)
sa.Index(
    "ix_import_items_failed",  # few among a million
    _c.import_pk,
    _c.item,
    sqlite_where=sa.text("status = 'failed'"),
    postgresql_where=sa.text("status = 'failed'"),
)

# What a row of the file says about its product, once for all its pictures; a row that says nothing
# is left out.
import_rows = sa.Table(
    "import_rows",
    metadata,
    _ref("import_pk", "imports.pk"),
    sa.Column("row", sa.Integer, nullable=False),
    sa.Column("title", sa.Text),
    sa.Column("url", sa.Text),
    sa.Column("description", sa.Text),
    sa.Column("attributes", sa.JSON, nullable=False),
    sa.PrimaryKeyConstraint("import_pk", "row"),
)

chunks = sa.Table(
    "chunks",
    metadata,
    _ref("import_pk", "imports.pk"),
    sa.Column("chunk", sa.Integer, nullable=False),
    sa.Column("stage", sa.String(16), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    # Counts the claims of its whole life: a fence, never the same number twice.
    sa.Column("attempt", sa.Integer, nullable=False),
    # Counts the tries of its present stage, from 1.
    sa.Column("tries", sa.Integer, nullable=False, server_default="1"),
    # Counts how often a worker let go of it untried, though nothing that it needs was away.
    sa.Column("returned", sa.Integer, nullable=False, server_default="0"),
    # Counts how often it was sent back from ``embed`` to be decoded again.
    sa.Column("restarted", sa.Integer, nullable=False, server_default="0"),
    sa.Column("worker", sa.Text),
    sa.Column("pixels", sa.String(64)),
    # The encoder for which the pixels were made.
    sa.Column("fingerprint", sa.Text),
    # Where its pictures could not be fetched: it is not sent before this time (0: at any time),
    # how many tries to fetch them count, and since when it is put off.
    sa.Column("not_before", Time, nullable=False, server_default="0"),
    sa.Column("fetches", sa.Integer, nullable=False, server_default="0"),
    sa.Column("late_since", Time),
    sa.Column("changed_at", Time, nullable=False),
    sa.PrimaryKeyConstraint("import_pk", "chunk"),
)
sa.Index("ix_chunks_state", chunks.c.state, chunks.c.changed_at)
sa.Index("ix_chunks_import_state", chunks.c.import_pk, chunks.c.state, chunks.c.chunk)
# The few that are put off.
sa.Index(
    "ix_chunks_not_before",
    chunks.c.not_before,
    sqlite_where=sa.text("not_before > 0"),
    postgresql_where=sa.text("not_before > 0"),
)

# What was made for an idempotency key: ``name`` is a digest of the key and of where it was sent,
# ``fingerprint`` one of the request, ``resource`` the id of what it makes.
idempotency = sa.Table(
    "idempotency",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("fingerprint", sa.String(64), nullable=False),
    sa.Column("resource", sa.String(36), nullable=False),
    sa.Column("status", sa.Integer),
    sa.Column("location", sa.Text),
    sa.Column("created_at", Time, nullable=False),
)
sa.Index("ix_idempotency_created_at", idempotency.c.created_at)

# Blobs that nothing names, and since when that is known.
trash = sa.Table(
    "trash",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("found_at", Time, nullable=False),
)

outbox = sa.Table(
    "outbox",
    metadata,
    _pk(),
    sa.Column("task", sa.Text, nullable=False),
    sa.Column("payload", sa.JSON, nullable=False),
    sa.Column("created_at", Time, nullable=False),
)

generations = sa.Table(
    "generations",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    _ref("catalog_pk", "catalogs.pk"),
    sa.Column("revision", BigInt, nullable=False),
    sa.Column("fingerprint", sa.Text, nullable=False),
    sa.Column("count", sa.Integer, nullable=False),
    sa.Column("recall", sa.Float),
    sa.Column("target_recall", sa.Float, nullable=False, server_default="0.98"),
    # The layout of its files: one of another layout can no longer be opened.
    sa.Column("format", sa.Integer, nullable=False, server_default="1"),
    sa.Column("created_at", Time, nullable=False),
    # When a worker could not open it; null again once it was found sound in the store.
    sa.Column("refused_at", Time),
)
sa.Index("ix_generations_catalog", generations.c.catalog_pk, generations.c.id)
