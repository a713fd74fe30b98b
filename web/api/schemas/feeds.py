"""Shapes of feeds and of their runs."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field
from pydantic_core import PydanticCustomError

from visearch.fields import Fraction
from visearch.schedule import Schedule, normal, schedule_problem
from visearch.store.feed_runs import Cause, Status
from web.api.fields import PictureUrl
from web.api.schemas.base import Problem, Request


def _sound(schedule: Schedule) -> Schedule:
    if problem := schedule_problem(schedule):
        raise PydanticCustomError("schedule", "{problem}", {"problem": problem})
    return normal(schedule)


_Seconds = Annotated[int, Field(strict=True, ge=0, lt=2**31)]
FeedSchedule = Annotated[
    str | dict[str, _Seconds],
    AfterValidator(_sound),
    Field(examples=["30 4 * * *", {"every": 3600}]),
]


class FeedSettings(Request):
    """A file behind a URL, when it is fetched, and how it is imported.

    ``schedule`` is cron (minute, hour, day, month, weekday, in UTC) or ``{"every": seconds}``;
    without it the feed runs only when it is asked to. What kind of file it is, its content tells.
    """

    url: PictureUrl
    schedule: FeedSchedule | None = None
    format: Literal["auto"] = "auto"
    mode: Literal["upsert", "replace"] = "upsert"
    guard: Fraction | None = None
    paused: bool = False


class FeedDifference(BaseModel):
    """How many products a run added, changed, left alone and removed, and how many have failed.

    What was added or changed and failed is counted in both.
    """

    added: int
    changed: int
    unchanged: int
    removed: int
    failed: int


class FeedRun(BaseModel):
    """One try to make the catalog as the feed's file says.

    It waits, is ``importing``, and ends as its import does; ``unchanged`` if there was nothing new.
    The ledger of its import, ``import_id``, has every picture's fate.
    """

    id: str
    cause: Cause
    whole: bool
    status: Status
    tries: int
    next_try_at: datetime | None
    import_id: str | None
    difference: FeedDifference
    error: Problem | None
    created_at: datetime
    finished_at: datetime | None


class Feed(BaseModel):
    """A feed, when it runs next, and how it ran last."""

    name: str
    catalog: str
    url: str
    schedule: str | dict[str, int] | None
    format: Literal["auto"]
    mode: Literal["upsert", "replace"]
    guard: float | None
    paused: bool
    next_run_at: datetime | None
    last_run: FeedRun | None
    created_at: datetime
    updated_at: datetime


class FeedList(BaseModel):
    """The feeds of a catalog."""

    items: list[Feed]
    next_cursor: None


class FeedRunList(BaseModel):
    """A page of runs, newest first."""

    items: list[FeedRun]
    next_cursor: str | None
