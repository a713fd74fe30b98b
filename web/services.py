"""What the web process holds: settings, database, blobs, Redis and a queue to send to."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any, cast

from celery import Celery
from flask import current_app
from kombu.exceptions import OperationalError

from visearch import contract
from visearch.errors import DependencyUnavailable
from visearch.indexing.pipeline import Pipeline
from visearch.settings import Settings
from visearch.store import presence
from visearch.store.blobs import Blobs
from visearch.store.database import Database
from visearch.store.jobs import SearchJobs
from visearch.store.redis import connect

EXTENSION = "visearch"


class Services:
    """The adapters behind the routes; one per web process."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.database = Database(settings.database)
        self.blobs = Blobs(settings.blobs, settings.home / "cache")
        self.redis = connect(settings.redis)
        self.jobs = SearchJobs(self.redis, settings)
        # Requests that may wait at once (``Prefer: wait``); the other threads serve.
        self.waiting = threading.BoundedSemaphore(max(1, settings.web_threads // 2))
        self._celery = Celery("visearch-web", broker=settings.broker, set_as_current=False)
        self._celery.conf.update(contract.celery_config())
        self.pipeline = Pipeline(self.database, self.blobs, settings, self.send, self.announce)

    def send(self, task: str, payload: Mapping[str, Any]) -> None:
        """Put a message on the task's queue; raises DependencyUnavailable."""
        try:
            self._celery.send_task(
                task,
                kwargs=dict(payload),
                queue=contract.QUEUE_OF[task],
                headers={contract.SENT_HEADER: time.time()},
                retry=False,
            )
        except OperationalError as error:
            raise DependencyUnavailable(f"the queue does not answer: {error}") from error

    def announce(self, catalog_pk: int) -> None:
        """Tell the search workers that a catalog has changed."""
        presence.announce_change(self.redis, catalog_pk)


def services() -> Services:
    """Return the services of the app that handles this request."""
    return cast(Services, current_app.extensions[EXTENSION])
