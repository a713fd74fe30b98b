"""Pictures to evaluate on: their bytes, labels at one or more levels, groups, roles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from visearch.errors import InvalidRequest
from visearch.evaluation.protocol import Labels, Retrieval, leave_one_out, query_to_gallery


@dataclass(frozen=True)
class Level:
    """One way to label all n pictures: int32 [n], -1 for none, and the classes' names."""

    name: str
    labels: Labels
    classes: Sequence[str]


@dataclass(frozen=True)
class Material:
    """n pictures as encoded bytes, with what is known about them.

    ``groups`` int [n] tells which pictures are not independent of one another (one
    sender's, say). ``in_gallery`` bool [n] makes the rest query these; without it every
    picture queries all others.
    """

    pictures: Sequence[bytes]
    levels: tuple[Level, ...]
    groups: npt.NDArray[np.integer]
    in_gallery: npt.NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.pictures)

    @property
    def protocol(self) -> str:
        """``leave-one-out`` or ``query-to-gallery``."""
        return "leave-one-out" if self.in_gallery is None else "query-to-gallery"

    def task(self, level: Level) -> Retrieval:
        """Return the retrieval task of a level.

        Raises:
            InvalidRequest: no query has anything to find.
        """
        if self.in_gallery is None:
            task = leave_one_out(level.labels)
        else:
            task = query_to_gallery(level.labels, self.in_gallery)
        if not len(task.queries):
            raise InvalidRequest(
                f"nothing to find at label {level.name!r}: no query shares its label with "
                "another picture it is to find; name other columns, or give more pictures"
            )
        return task
