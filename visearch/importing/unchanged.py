"""What of a feed's file its catalog has already: those products need no work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from visearch.records import Import, PlannedItem
from visearch.store import feed_rows, feed_runs, imports, ledger, products
from visearch.store.database import Connection
from visearch.store.feed_runs import Difference

Numbered = tuple[int, PlannedItem]


def is_compared(connection: Connection, record: Import) -> bool:
    """Tell whether the file of an import is compared with what a feed gave before."""
    run = feed_runs.of_import(connection, record.pk)
    return run is not None and run.finished_at is None


def compare(
    connection: Connection, record: Import, first: int, batch: Sequence[Numbered]
) -> Sequence[Numbered]:
    """Mark the items that need no work as done; note what the others are, and count both.

    Called once for each batch, which begins with item number ``first``, in the transaction that
    lists it. Every product counts as changed if somebody has asked for that, or if a write that was
    accepted earlier is still under way, over which this import is to win.
    """
    run = feed_runs.of_import(connection, record.pk, for_update=True)
    if run is None or run.finished_at is not None:
        return batch  # the feed was deleted meanwhile
    digests = {item.product_id: item.digest for _, item in batch if item.digest}
    same: set[str] = set()
    if not run.whole and not imports.any_earlier(connection, record):
        had = feed_rows.current(connection, run.feed_pk, record, digests)
        same = {product_id for product_id, digest in had.items() if digest == digests[product_id]}
    begun = {item.product_id for _, item in batch if not item.code}
    before = ledger.product_of(connection, record.pk, first - 1)
    if before is not None and before.product_id == batch[0][1].product_id:
        # The product began in the last batch, which has decided: it may have been written since.
        begun.discard(before.product_id)
        same.discard(before.product_id)
        if before.is_done:
            same.add(before.product_id)
    changed = {
        product_id: digest for product_id, digest in digests.items() if product_id not in same
    }
    feed_rows.note(connection, run.feed_pk, record, changed)
    live = products.live_among(connection, record.catalog_pk, begun - same)
    unchanged = len(begun & same)
    added = len(begun) - unchanged - len(live)
    feed_runs.count(connection, run, Difference(added, len(live), unchanged))
    return [
        (chunk, replace(item, done=True) if item.product_id in same else item)
        for chunk, item in batch
    ]
