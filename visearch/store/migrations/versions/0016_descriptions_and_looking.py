"""Descriptions of their own; what products are looked for by, laid out for it."""

from itertools import groupby
from operator import itemgetter

import sqlalchemy as sa
from alembic import op

from visearch.store.columns import BLOCK, EMPTY
from visearch.store.looking import TEXTS, text_of

revision = "0016"
down_revision = "0015"

_products = sa.table(
    "products",
    sa.column("pk", sa.BigInteger),
    sa.column("catalog_pk", sa.BigInteger),
    sa.column("external_id", sa.Text),
    sa.column("title", sa.Text),
    sa.column("deleted", sa.Boolean),
)
_columns = sa.table(
    "attribute_columns",
    sa.column("catalog_pk", sa.BigInteger),
    sa.column("block", sa.BigInteger),
    sa.column("name", sa.String),
    sa.column("data", sa.LargeBinary),
)


def upgrade() -> None:
    op.add_column("products", sa.Column("description", sa.Text()))
    op.add_column("import_rows", sa.Column("description", sa.Text()))
    connection, first = op.get_bind(), 0
    while True:  # a block at a time: there may be many products
        next_one = sa.select(sa.func.min(_products.c.pk)).where(_products.c.pk >= first)
        pk = connection.execute(next_one).scalar_one()
        if pk is None:
            return
        block = pk // BLOCK
        if rows := _packed(connection, block):
            connection.execute(sa.insert(_columns), rows)
        first = (block + 1) * BLOCK


def _packed(connection: sa.Connection, block: int) -> list[dict[str, object]]:
    """Return the columns of a block, one for each catalog that has products in it."""
    first = block * BLOCK
    query = (
        sa.select(
            _products.c.catalog_pk, _products.c.pk, _products.c.external_id, _products.c.title
        )
        .where(
            _products.c.pk.between(first, first + BLOCK - 1), _products.c.deleted.is_(sa.false())
        )
        .order_by(_products.c.catalog_pk)
    )
    out: list[dict[str, object]] = []
    for catalog, rows in groupby(connection.execute(query), key=itemgetter(0)):
        texts = [(pk - first, text_of(product_id, title)) for _, pk, product_id, title in rows]
        data = EMPTY.changed((), texts).pack()
        out.append({"catalog_pk": catalog, "block": block, "name": TEXTS, "data": data})
    return out
