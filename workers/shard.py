"""The shard role: searches the shards it holds for search workers that do not."""

from __future__ import annotations

from visearch.contract import SEARCH_SHARD, ShardPayload, ShardQuery
from visearch.searching.indexes import Indexes
from visearch.searching.remote_shard import answer
from workers.app import app, at_start, context, tell
from workers.following import follow


@at_start
def indexes() -> Indexes:
    """The indexes of the shards that this worker holds, loaded and kept fresh."""
    made = Indexes(context.database, context.blobs, held=context.settings.held_shards)
    made.refresh()
    tell(lambda: {"catalogs": made.described()})
    follow(made)
    return made


@app.task(name=SEARCH_SHARD)
def search_shard(gather_id: str, shard: int, query: ShardQuery, deadline: float) -> None:
    """Answer one shard's part of a search, unless it is too late."""
    payload = ShardPayload(gather_id=gather_id, shard=shard, query=query, deadline=deadline)
    answer(context, indexes(), payload)
