"""The maintain role: repairs, index generations, cleaning up; the clock is ``beat``."""

from __future__ import annotations

import threading

import structlog

from visearch.contract import COMPACT, COMPARE, PURGE, RECONCILE
from visearch.importing.reconcile import reconcile as reconcile_work
from visearch.store.redis import presence
from visearch.store.redis.client import answering
from visearch.upkeep.compaction import compact_all
from visearch.upkeep.duplicates import Resting, compare_all
from visearch.upkeep.purge import purge as purge_store
from workers.app import app, context

log = structlog.get_logger(__name__)
_building = threading.Lock()
_reconciling = threading.Lock()
_comparing = threading.Lock()
_resting: Resting = {}
_purging = threading.Lock()
_watch = presence.Watch()


def _queue_depth(queue: str) -> int:
    with answering():
        return context.redis.llen(queue)


@app.task(name=RECONCILE)
def reconcile() -> None:
    """Repair what the queue lost or a dead worker held."""
    if _reconciling.acquire(blocking=False):
        try:
            reconcile_work(context, _watch.look(context.redis), _queue_depth)
        finally:
            _reconciling.release()


@app.task(name=COMPACT)
def compact() -> None:
    """Build the index generations that are due, one builder at a time."""
    if _building.acquire(blocking=False):
        try:
            for name in compact_all(context):
                log.info("generation_published", catalog=name)
        finally:
            _building.release()


@app.task(name=COMPARE)
def compare() -> None:
    """Find the pictures of different products that look the same."""
    if _comparing.acquire(blocking=False):
        try:
            compare_all(context, _resting)
        finally:
            _comparing.release()


@app.task(name=PURGE)
def purge() -> None:
    """Remove what nobody can need any more."""
    if _purging.acquire(blocking=False):
        try:
            purge_store(context)
        finally:
            _purging.release()
