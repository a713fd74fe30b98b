"""What the web process holds: its backend, and the slots of requests that wait."""

from __future__ import annotations

import threading
from typing import cast

from celery import Celery
from flask import Flask, current_app
from kombu.exceptions import OperationalError
from kombu.transport import redis

from visearch import contract
from visearch.backend import Backend, celery_sender
from visearch.settings import Settings
from visearch.store.redis import broker
from visearch.store.redis.bell import Bell
from web.by_url import SearchesByUrl

EXTENSION = "visearch"


class Services(Backend):
    """The backend behind the routes; one per web process."""

    statement_timeout_s = 20.0  # a client has given up by then
    most_decoders = 1  # for the pictures of golden queries

    def __init__(self, settings: Settings) -> None:
        broker.mend(redis.Transport)
        celery = Celery("visearch-web", broker=settings.broker, set_as_current=False)
        shared = contract.celery_config()
        # A request answers 503 at once rather than wait for the queue.
        once = {"max_retries": 0, "interval_start": 0}
        celery.conf.update(
            shared,
            broker_transport_options={**shared["broker_transport_options"], **once},
            broker_pool_limit=settings.web_threads,
            broker_pool_acquire_timeout=contract.REDIS_TIMEOUT_S,
        )
        send = celery_sender(celery.send_task, OperationalError, retry=False)
        super().__init__(settings, send)
        # What may hold threads at once. All together leave an eighth of them to other requests.
        # Requests that may wait (``Prefer: wait``).
        self.waiting = threading.BoundedSemaphore(max(1, settings.web_threads // 2))
        # Ledgers that may be downloaded: a client that reads slowly holds a thread.
        self.downloads = threading.BoundedSemaphore(max(1, settings.web_threads // 8))
        # Requests that may wait for a file to be looked through (``dry_run``).
        self.previews = threading.BoundedSemaphore(max(1, settings.web_threads // 16))
        # Golden queries of which the picture may be fetched or decoded, by one decoder.
        self.golden = threading.BoundedSemaphore(max(1, settings.web_threads // 16))
        # Event streams that may be open: each holds a thread until it is over.
        self.streams = threading.BoundedSemaphore(max(1, settings.web_threads // 8))
        self.by_url = SearchesByUrl(self)
        # Rung by every commit that changes a catalog.
        self.changes = Bell(self.redis, contract.CHANGED_CHANNEL)


def services() -> Services:
    """Return the services of the app that handles this request."""
    return cast(Services, current_app.extensions[EXTENSION])


def close(app: Flask) -> None:
    """End what an app that serves no more has begun."""
    cast(Services, app.extensions[EXTENSION]).by_url.close()
