"""What a worker process holds: settings, database, blobs, Redis; opened on first use."""

from __future__ import annotations

import os
import secrets
import socket
import time
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from celery import Celery
from kombu.exceptions import OperationalError

from visearch import contract
from visearch.errors import DependencyUnavailable
from visearch.indexing.pipeline import Pipeline
from visearch.settings import Settings
from visearch.store import presence
from visearch.store.blobs import Blobs
from visearch.store.database import Database
from visearch.store.jobs import SearchJobs
from visearch.store.redis import Client, connect


class Context:
    """The adapters of one worker process, made lazily so that forks never share them."""

    def __init__(self, app: Celery, settings: Settings, role: str) -> None:
        self.app, self.settings, self.role = app, settings, role
        # In a container every start has the same host and pid: without the token a worker
        # would vouch for what its dead predecessor held.
        self.name = f"{role}@{socket.gethostname()}.{os.getpid()}.{secrets.token_hex(3)}"
        self._inherited: list[object] = []

    @cached_property
    def database(self) -> Database:
        """The database."""
        return Database(self.settings.database)

    @cached_property
    def blobs(self) -> Blobs:
        """The blob store."""
        return Blobs(self.settings.blobs, self.settings.home / "cache")

    @cached_property
    def redis(self) -> Client:
        """Redis."""
        return connect(self.settings.redis)

    @cached_property
    def jobs(self) -> SearchJobs:
        """The search jobs."""
        return SearchJobs(self.redis, self.settings)

    @cached_property
    def pipeline(self) -> Pipeline:
        """The adapters of the indexing use case."""
        return Pipeline(self.database, self.blobs, self.settings, self.send, self.announce)

    def send(self, task: str, payload: Mapping[str, Any], queue: str | None = None) -> None:
        """Put a message on a queue, by default the task's; raises DependencyUnavailable."""
        try:
            self.app.send_task(
                task,
                kwargs=dict(payload),
                queue=queue or contract.QUEUE_OF[task],
                headers={contract.SENT_HEADER: time.time()},
            )
        except OperationalError as error:
            raise DependencyUnavailable(f"the queue does not answer: {error}") from error

    def announce(self, catalog_pk: int) -> None:
        """Tell the search workers that a catalog has changed."""
        presence.announce_change(self.redis, catalog_pk)

    def forked(self) -> None:
        """Forget what the parent opened; the worker's name stays the parent's.

        Forgotten, not closed: closing would speak to Redis and SQLite on the parent's behalf.
        """
        for name in ("database", "blobs", "redis", "jobs", "pipeline"):
            if name in self.__dict__:
                self._inherited.append(self.__dict__.pop(name))
