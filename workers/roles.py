"""The worker roles: queue, pool, concurrency, and what each may do without."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from visearch import contract
from visearch.settings import Settings


@dataclass(frozen=True)
class Role:
    """How one kind of worker runs. ``modules`` are imported by that role alone."""

    name: str
    queue: str
    pool: str
    concurrency: Callable[[Settings], int]
    modules: tuple[str, ...]


ROLES = {
    role.name: role
    for role in (
        Role("search", contract.SEARCH, "threads", lambda s: s.search_threads, ("workers.search",)),
        # Children are forked: this role never imports jax (a test checks), and opens its
        # connections after the fork. A child that is killed takes one chunk with it.
        Role(
            "ingest", contract.INGEST, "prefork", lambda s: s.ingest_processes, ("workers.ingest",)
        ),
        # Two threads: one chunk is stored while the next is encoded.
        Role("embed", contract.EMBED, "threads", lambda _: 2, ("workers.embed",)),
        # A thread per task: reconciling goes on while a generation is built and old ones purged.
        Role("maintain", contract.MAINTAIN, "threads", lambda _: 3, ("workers.maintain",)),
    )
}
