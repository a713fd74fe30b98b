"""The maintain role: repairs, index generations, cleaning up; the clock is ``beat``."""

from __future__ import annotations

import structlog

from visearch.contract import COMPACT, COMPARE, FEEDS, GOLDEN, PURGE, RECONCILE
from visearch.importing import feed_files, feeds
from visearch.importing.reconcile import Reconciler
from visearch.store.redis import presence
from visearch.store.redis.client import answering
from visearch.upkeep import golden
from visearch.upkeep.compaction import compact_all
from visearch.upkeep.duplicates import Resting, compare_all
from visearch.upkeep.purge import purge as purge_store
from visearch.upkeep.trash import Bin
from workers.app import app, at_start, context, on_time, one_at_a_time
from workers.hands import Hands

log = structlog.get_logger(__name__)


@at_start
def watch() -> presence.Watch:
    """Who was alive when the reconciler looked last."""
    return presence.Watch()


@at_start
def reconciler() -> Reconciler:
    """What the reconciler has seen so far."""
    return Reconciler()


@at_start
def resting() -> Resting:
    """The catalogs that the search for duplicates leaves alone for now."""
    return {}


@at_start
def trash_bin() -> Bin:
    """When the trash was emptied last."""
    return Bin()


@at_start
def fetchers() -> Hands:
    """The threads that fetch feeds: a host may take half an hour to send a file."""
    return Hands("feed", 8)


def _queue_depth(queue: str) -> int:
    with answering():
        return context.redis.llen(queue)


@app.task(name=RECONCILE)
@on_time(RECONCILE)
@one_at_a_time
def reconcile() -> None:
    """Repair what the queue lost or a dead worker held."""
    reconciler().look(context, watch().look(context.redis), _queue_depth)


@app.task(name=COMPACT)
@on_time(COMPACT)
@one_at_a_time
def compact() -> None:
    """Build the index generations that are due."""
    for name in compact_all(context):
        log.info("generation_published", catalog=name)


@app.task(name=COMPARE)
@on_time(COMPARE)
@one_at_a_time
def compare() -> None:
    """Find the pictures of different products that look the same."""
    compare_all(context, resting())


@app.task(name=PURGE)
@on_time(PURGE)
@one_at_a_time
def purge() -> None:
    """Remove what nobody can need any more."""
    purge_store(context)
    trash_bin().empty_if_due(context)


@app.task(name=FEEDS)
@on_time(FEEDS)
@one_at_a_time
def look_at_feeds() -> None:
    """Begin the feeds that are due, have files fetched, settle what has ended."""
    if feeds.look(context):
        fetchers().help(lambda: feed_files.fetch_next(context, context.name))


@app.task(name=GOLDEN)
@on_time(GOLDEN)
@one_at_a_time
def check_golden_queries() -> None:
    """Check the golden queries that are new, asked for, or not of the present index."""
    golden.look(context, context.name)
