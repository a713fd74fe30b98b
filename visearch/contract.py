"""What web and workers agree on: queues, task names, payloads, Redis names.

A sender imports this module, never a task. Payloads are small JSON; bytes are passed by name.
"""

from __future__ import annotations

from typing import Any, TypedDict

SEARCH, PLAN, INGEST, EMBED, MAINTAIN = "search", "plan", "ingest", "embed", "maintain"
QUEUES = (SEARCH, PLAN, INGEST, EMBED, MAINTAIN)
MAX_SHARDS = 64
"""Most shards a catalog may have."""

RUN_SEARCH = "visearch.search"
SEARCH_SHARD = "visearch.search_shard"
PLAN_IMPORT = "visearch.plan"
PREVIEW_UPLOAD = "visearch.preview"
DECODE_CHUNK = "visearch.decode"
MEND_THUMBNAIL = "visearch.thumbnail"
EMBED_CHUNK = "visearch.embed"
RECONCILE = "visearch.reconcile"
COMPACT = "visearch.compact"
COMPARE = "visearch.compare"
PURGE = "visearch.purge"
FEEDS = "visearch.feeds"
GOLDEN = "visearch.golden"
REINDEX = "visearch.reindex"

QUEUE_OF = {
    RUN_SEARCH: SEARCH,
    PLAN_IMPORT: PLAN,
    PREVIEW_UPLOAD: PLAN,
    DECODE_CHUNK: INGEST,
    MEND_THUMBNAIL: INGEST,
    EMBED_CHUNK: EMBED,
    RECONCILE: MAINTAIN,
    COMPACT: MAINTAIN,
    COMPARE: MAINTAIN,
    PURGE: MAINTAIN,
    FEEDS: MAINTAIN,
    GOLDEN: MAINTAIN,
    REINDEX: EMBED,
}

REDIS_TIMEOUT_S = 2.0
"""So long a connection to Redis is waited for, or an answer."""

READY_LINE = "worker_ready"
"""A worker that has started prints a line with this word."""

WEB_READY_LINE = "web_ready"
"""A web server does with this one."""

SENT_HEADER = "visearch_sent"
"""Message header: when the message was sent, in seconds since the epoch."""

CHANGED_CHANNEL = "visearch:changed"
"""Redis channel on which a commit that changes a catalog's index is announced."""


class PlanPayload(TypedDict):
    """Arguments of ``PLAN_IMPORT``."""

    import_id: str
    attempt: int
    request_id: str


class PreviewPayload(TypedDict):
    """Arguments of ``PREVIEW_UPLOAD``; what is asked lies in Redis under the preview's id."""

    preview_id: str
    request_id: str


class ChunkPayload(TypedDict):
    """Arguments of ``DECODE_CHUNK`` and ``EMBED_CHUNK``."""

    import_id: str
    chunk: int
    attempt: int
    request_id: str


class ThumbnailPayload(TypedDict):
    """Arguments of ``MEND_THUMBNAIL``."""

    digest: str


def plan_name(import_id: str, attempt: int) -> str:
    """Return the name by which a worker says that it is planning an import."""
    return f"{import_id}-plan-{attempt}"


def chunk_name(import_id: str, chunk: int, attempt: int) -> str:
    """Return the name by which a worker says that it holds a chunk; no other claim has it."""
    return f"{import_id}-{chunk}-{attempt}"


class ShardQuery(TypedDict):
    """What a search asks of a shard; ``vector`` is float32 [d] in base64."""

    catalog: str
    fingerprint: str
    vector: str
    k: int
    filter: dict[str, Any] | None


class ShardPayload(TypedDict):
    """Arguments of ``SEARCH_SHARD``.

    An answer after ``deadline``, in seconds of Redis's clock, is useless.
    """

    gather_id: str
    shard: int
    query: ShardQuery
    deadline: float


class SearchPayload(TypedDict):
    """Arguments of ``RUN_SEARCH``; what is searched lies in Redis under the search's id."""

    search_id: str
    request_id: str


def thumbnail_path(digest: str) -> str:
    """Return where the web serves a thumbnail, below its root."""
    return f"/thumbnails/{digest}.jpg"


def shard_queue(shard: int) -> str:
    """Return the queue for searches of one shard, for every catalog."""
    return f"shard.{shard}"


def celery_config() -> dict[str, Any]:
    """Return the Celery settings that sender and worker must share."""
    return {
        "task_serializer": "json",
        "accept_content": ["json"],
        "task_ignore_result": True,
        "task_routes": {name: {"queue": queue} for name, queue in QUEUE_OF.items()},
        "task_default_queue": MAINTAIN,
        "broker_connection_retry_on_startup": True,
        # The chunk's row, not the message, is authoritative. A message that a dead worker
        # held is redelivered after this long, as a stale duplicate, and is dropped.
        "broker_transport_options": {
            "visibility_timeout": 3600,
            "priority_steps": [0],  # we send no priorities: one key a queue, not four
            "socket_timeout": REDIS_TIMEOUT_S,
            "socket_connect_timeout": REDIS_TIMEOUT_S,
            "socket_keepalive": True,
            "health_check_interval": 5,
        },
    }
