"""What became of products in an import: their items in the ledger, added up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field

import sqlalchemy as sa

from visearch.records import TERMINAL_IMPORT, Import
from visearch.store.ledger import reason_of_end
from visearch.store.schema import import_items

MOST_REASONS = 3
"""Reasons that are given of a product; it may have a thousand pictures."""


@dataclass
class Fate:
    """How many of a product's pictures have which status, and why the first ones failed.

    ``failures`` holds, for each of those, its path, code and detail.
    """

    statuses: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    failures: list[tuple[str, str, str]] = field(default_factory=list)


def of_products(
    connection: sa.Connection, record: Import, product_ids: Collection[str]
) -> dict[str, Fate]:
    """Return the fates of those of the named products that the ledger has.

    What has no fate when its import ends is failed for the reason that ended it.
    """
    over = record.status in TERMINAL_IMPORT
    columns = ("product_id", "path", "status", "code", "detail")
    query = (
        sa.select(*(import_items.c[name] for name in columns))
        .where(import_items.c.import_pk == record.pk, import_items.c.product_id.in_(product_ids))
        .order_by(import_items.c.item)
    )
    out: dict[str, Fate] = defaultdict(Fate)
    for product_id, path, status, code, detail in connection.execute(query):
        fate = out[product_id]
        if over and status == "pending":
            status, (code, detail) = "failed", reason_of_end(record)
        fate.statuses[status] += 1
        if status == "failed" and len(fate.failures) < MOST_REASONS:
            fate.failures.append((path, code or "", detail or ""))
    return dict(out)
