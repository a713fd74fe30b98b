"""The guard of a replace: how much of a catalog may be removed without anybody saying so."""

from __future__ import annotations

from visearch.errors import ReplaceGuarded
from visearch.records import Import
from visearch.settings import Settings
from visearch.store import ledger, products
from visearch.store.database import Connection

FEW = 10
"""So few products may always be removed, unless the import itself names a share."""


def share_of(guard: float | None, settings: Settings) -> float:
    """Return the share of the catalog that may be removed: the import's, else the server's."""
    return settings.replace_guard if guard is None else guard


def stops(guard: float | None, settings: Settings, remove: int, live: int) -> bool:
    """Tell whether a replace that removes so many of the catalog's live products is stopped."""
    if guard is None and remove <= FEW:
        return False
    return remove > share_of(guard, settings) * live


def refusal(guard: float | None, settings: Settings, remove: int, live: int) -> ReplaceGuarded:
    """Return the error of a replace that was stopped, with the counts."""
    share = share_of(guard, settings)
    return ReplaceGuarded(
        f"The import would remove {remove:,} of the catalog's {live:,} products "
        f"({remove / live:.0%}); {share:.0%} may go (guard={share:g}). Nothing was changed. Add "
        "what the file lacks, or allow more with 'guard', a share from 0 to 1."
    )


def check(connection: Connection, record: Import, settings: Settings) -> None:
    """Raise ReplaceGuarded if the import of a file that was read to its end may not go on.

    Its caller holds the locks with which a replace ends (``progress.take_locks``).
    """
    if record.mode != "replace":
        return
    remove = to_remove(connection, record)
    live = products.count(connection, record.catalog_pk)[0] if remove else 0
    if stops(record.guard, settings, remove, live):
        raise refusal(record.guard, settings, remove, live)


def to_remove(connection: Connection, record: Import) -> int:
    """Count what a replace removes if every picture of the file that is there can be used.

    Without any, or with rows without an id, it removes nothing.
    """
    if not ledger.has_pending(connection, record.pk) or ledger.count_nameless(
        connection, record.pk
    ):
        return 0
    return ledger.count_unnamed(connection, record)
