"""The shard role: searches the shards it holds for search workers that do not."""

from __future__ import annotations

from visearch.contract import SEARCH_SHARD, ShardPayload, ShardQuery
from visearch.searching.indexes import Indexes
from visearch.searching.remote_shard import answer
from workers.app import app, at_start, context, tell
from workers.following import follow

_indexes: Indexes | None = None


def indexes() -> Indexes:
    """Return the role's indexes; ``worker_init`` has loaded them."""
    assert _indexes is not None, "the shard role was not initialised"
    return _indexes


@at_start
def _initialise() -> None:
    """Load the shards before the worker takes its first search."""
    global _indexes
    held = context.settings.held_shards
    _indexes = Indexes(context.database, context.blobs, held=held)
    _indexes.refresh()
    tell(lambda: {"catalogs": indexes().described()})
    follow(_indexes)


@app.task(name=SEARCH_SHARD)
def search_shard(gather_id: str, shard: int, query: ShardQuery, deadline: float) -> None:
    """Answer one shard's part of a search, unless it is too late."""
    payload = ShardPayload(gather_id=gather_id, shard=shard, query=query, deadline=deadline)
    answer(context, indexes(), payload)
