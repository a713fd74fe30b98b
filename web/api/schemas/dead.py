"""Work that was given up."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel


class Dead(BaseModel):
    """An import of which some ``pictures``, or the reading of its file, were given up; or a failed
    reindex, and how many ``pictures`` have no vector of its encoder.

    ``url`` is the import or the reindex itself; a POST to ``retry`` sends the work again.
    """

    kind: Literal["import", "reindex"]
    id: str
    catalog: str
    pictures: int
    code: str | None
    detail: str | None
    created_at: datetime
    finished_at: datetime | None
    url: str
    retry: str


class DeadList(BaseModel):
    """A page of work that was given up."""

    items: list[Dead]
    next_cursor: str | None
