"""Products' attributes laid out by attribute, for filters and facets; the few items that failed."""

from collections import defaultdict

import sqlalchemy as sa
from alembic import op

from visearch.store.attributes import PICTURES, column_name, members
from visearch.store.columns import BLOCK, EMPTY

revision = "0012"
down_revision = "0011"

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_products = sa.table(
    "products",
    sa.column("pk", _BIG),
    sa.column("catalog_pk", _BIG),
    sa.column("attributes", sa.JSON()),
    sa.column("deleted", sa.Boolean()),
)
_images = sa.table(
    "images",
    sa.column("pk", _BIG),
    sa.column("catalog_pk", _BIG),
    sa.column("product_pk", _BIG),
    sa.column("removed", _BIG),
)


def upgrade() -> None:
    columns = op.create_table(
        "attribute_columns",
        sa.Column("catalog_pk", _BIG, nullable=False),
        sa.Column("block", _BIG, nullable=False),
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["catalog_pk"],
            ["catalogs.pk"],
            name="fk_attribute_columns_catalog_pk",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("catalog_pk", "block", "name", name="pk_attribute_columns"),
    )
    failed = sa.text("status = 'failed'")
    op.create_index(
        "ix_import_items_failed",
        "import_items",
        ["import_pk", "item"],
        sqlite_where=failed,
        postgresql_where=failed,
    )
    connection, first = op.get_bind(), 0
    while True:  # a block at a time: there may be many products
        next_one = sa.select(sa.func.min(_products.c.pk)).where(_products.c.pk >= first)
        pk = connection.execute(next_one).scalar_one()
        if pk is None:
            return
        block = pk // BLOCK
        rows = [
            {"catalog_pk": catalog, "block": block, "name": name, "data": data}
            for (catalog, name), data in _packed(connection, block).items()
        ]
        if rows:
            connection.execute(sa.insert(columns), rows)
        first = (block + 1) * BLOCK


def _packed(connection: sa.Connection, block: int) -> dict[tuple[int, str], bytes]:
    """Return the columns of a block by catalog and name."""
    first, last = block * BLOCK, (block + 1) * BLOCK - 1
    entries: dict[tuple[int, str], list[tuple[int, object]]] = defaultdict(list)
    query = sa.select(_products.c.pk, _products.c.catalog_pk, _products.c.attributes).where(
        _products.c.pk.between(first, last), _products.c.deleted.is_(sa.false())
    )
    for pk, catalog, attributes in connection.execute(query):
        for name, value in attributes.items():
            own = entries[catalog, column_name(name)]
            own.extend((pk - first, member) for member in members(value))
    query = sa.select(_images.c.pk, _images.c.catalog_pk, _images.c.product_pk).where(
        _images.c.product_pk.between(first, last), _images.c.removed.is_(None)
    )
    for pk, catalog, product_pk in connection.execute(query):
        entries[catalog, PICTURES].append((product_pk - first, pk))
    return {key: EMPTY.changed((), own).pack() for key, own in entries.items() if own}
