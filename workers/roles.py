"""The worker roles: queues, pool, concurrency and modules of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from visearch import contract
from visearch.settings import Settings


@dataclass(frozen=True)
class Role:
    """How one kind of worker runs; no other role imports its ``modules``."""

    name: str
    queues: Callable[[Settings], tuple[str, ...]]
    pool: str
    concurrency: Callable[[Settings], int]
    modules: tuple[str, ...]


def _only(queue: str) -> Callable[[Settings], tuple[str, ...]]:
    return lambda _: (queue,)


def _shard_queues(settings: Settings) -> tuple[str, ...]:
    held = settings.held_shards
    return tuple(
        contract.shard_queue(shard)
        for shard in range(contract.MAX_SHARDS)
        if held is None or shard in held
    )


_MAINTAIN_THREADS = 1 + sum(queue == contract.MAINTAIN for queue in contract.QUEUE_OF.values())
"""One for each task, so that reconciling goes on however long the others take, and one that takes
up a tick of a task that still runs, and drops it."""

ROLES = {
    role.name: role
    for role in (
        Role(
            "search",
            _only(contract.SEARCH),
            "threads",
            lambda s: s.search_threads,
            ("workers.search",),
        ),
        # No encoder, and threads of its own: a search that waits for shards must not keep
        # them from answering.
        Role("shard", _shard_queues, "threads", lambda s: s.search_threads, ("workers.shard",)),
        # Children are forked: this role never imports jax (a test checks), and opens its
        # connections after the fork. A child that is killed takes one chunk with it.
        Role(
            "ingest",
            _only(contract.INGEST),
            "prefork",
            lambda s: s.ingest_processes,
            ("workers.ingest",),
        ),
        Role("plan", _only(contract.PLAN), "prefork", lambda _: 2, ("workers.plan",)),
        # Two threads: one chunk is stored while the next is encoded.
        Role("embed", _only(contract.EMBED), "threads", lambda _: 2, ("workers.embed",)),
        Role(
            "maintain",
            _only(contract.MAINTAIN),
            "threads",
            lambda _: _MAINTAIN_THREADS,
            ("workers.maintain",),
        ),
    )
}
