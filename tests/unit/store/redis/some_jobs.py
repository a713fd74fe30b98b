"""Search jobs whose messages a test reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from visearch.searches import SearchQuery
from visearch.settings import Settings
from visearch.store.redis.client import Client
from visearch.store.redis.jobs import SearchJob, SearchJobs


class Jobs(SearchJobs):
    """Search jobs that remember what they have queued."""

    def __init__(self, client: Client, **settings: Any) -> None:
        self.sent: list[str] = []
        super().__init__(client, Settings(**settings), self._remember)

    def _remember(self, task: str, payload: Mapping[str, Any], queue: str | None = None) -> None:
        self.sent.append(payload["search_id"])

    def ask(self, name: str, answer: str = "one", picture: bytes = b"picture") -> str:
        """Accept a search called ``name``; returns its status."""
        return self.accept(self.new(name, answer, picture)).status

    def new(self, name: str, answer: str = "one", picture: bytes = b"picture") -> SearchJob:
        """Return a search called ``name``."""
        return SearchJob(
            id=name,
            query=SearchQuery(limit=7),
            picture=picture,
            digest=f"digest of {answer}",
            answer=answer,
            request_id=f"request of {name}",
        )

    def status(self, name: str) -> str:
        """Return the status of a search."""
        return self.read(name).status
