"""A shard of a catalog: what it is asked, what it answers, and the one held in this process.

A picture's shard is its key modulo the catalog's number of shards.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from visearch.index.live import LiveIndex
from visearch.records import Catalog, Neighbour

Vector = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Question:
    """What a search asks of every shard: the nearest pictures to ``vector``, float32 [d].

    ``allowed``, int64 [r], are the keys of the pictures that pass ``filter``; None: all do.
    """

    catalog: Catalog
    vector: Vector
    filter: Mapping[str, Any] | None
    allowed: npt.NDArray[np.int64] | None


@dataclass(frozen=True, kw_only=True)
class ShardAnswer:
    """What one shard answers: its nearest, how many pictures it holds, and of which state."""

    shard: int
    neighbours: list[Neighbour]
    size: int
    revision: int
    fresh_to: datetime

    def to_json(self) -> str:
        """Return it as text."""
        return json.dumps(asdict(self) | {"fresh_to": self.fresh_to.isoformat()})

    @classmethod
    def from_json(cls, text: bytes) -> ShardAnswer:
        """Read what ``to_json`` wrote."""
        body = json.loads(text)
        body["neighbours"] = [Neighbour(*each) for each in body["neighbours"]]
        return cls(**body | {"fresh_to": datetime.fromisoformat(body["fresh_to"])})


Pending = Callable[[], ShardAnswer | None]
"""Waits for a shard's answer; None if it has not come in time."""


class Shard(Protocol):
    """One shard, wherever it is held."""

    def ask(self, question: Question, k: int) -> Pending:
        """Begin to look for the ``k`` nearest; ask every shard before waiting for one."""


@dataclass(frozen=True)
class LocalShard:
    """A shard that this process holds."""

    number: int
    index: LiveIndex
    fresh_to: datetime

    def ask(self, question: Question, k: int) -> Pending:
        """Search when the answer is waited for: the others work meanwhile."""
        return lambda: self.answer(question.vector, k, question.allowed)

    def answer(self, vector: Vector, k: int, allowed: npt.NDArray[np.int64] | None) -> ShardAnswer:
        """Return the ``k`` nearest to ``vector``, float32 [d], among the keys ``allowed``."""
        return ShardAnswer(
            shard=self.number,
            neighbours=self.index.search(vector, k, allowed=allowed),
            size=self.index.size,
            revision=self.index.revision,
            fresh_to=self.fresh_to,
        )
