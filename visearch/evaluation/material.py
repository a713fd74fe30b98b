"""Pictures to evaluate on: their bytes, labels, groups, and roles as query or gallery."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from visearch.errors import InvalidRequest
from visearch.evaluation.protocol import Labels, Retrieval, leave_one_out, query_to_gallery


@dataclass(frozen=True)
class Level:
    """One way to label all n pictures: labels int32 [n], -1 for none, and class names."""

    name: str
    labels: Labels
    classes: Sequence[str]


@dataclass(frozen=True)
class Material:
    """n encoded pictures and what is known about them.

    Pictures of one group in ``groups`` int [n] are not independent of each other, such as
    those of one sender. ``in_gallery`` bool [n] marks the gallery that the others query;
    without it every picture queries all others.
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
            InvalidRequest: no query has an answer.
        """
        if self.in_gallery is None:
            task = leave_one_out(level.labels)
        else:
            task = query_to_gallery(level.labels, self.in_gallery)
        if not len(task.queries):
            raise InvalidRequest(
                f"No query has an answer at label {level.name!r}: none shares its label with "
                "a picture it could find. Name other columns, or add pictures."
            )
        return task
