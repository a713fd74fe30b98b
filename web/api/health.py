"""Health: whether the process is alive, and whether the system can answer a search."""

from __future__ import annotations

from flask import Response
from flask_openapi.blueprint import APIBlueprint
from pydantic import BaseModel

from visearch.contract import SEARCH
from visearch.errors import DependencyBroken, DependencyUnavailable
from visearch.store.redis import presence
from web.api.common import reply
from web.services import services

api = APIBlueprint("health", __name__)


class Ready(BaseModel):
    """What the server needs in order to answer searches.

    ``search_workers`` counts those that work; ``troubles`` says what is wrong with the others, and
    which workers' clocks are off.
    """

    ready: bool
    database: bool
    redis: bool
    search_workers: int
    troubles: list[str]


class Alive(BaseModel):
    """The process is running."""

    alive: bool


@api.get("/healthz", summary="Is the process alive?", responses={200: Alive})
def healthz() -> Response:
    """Answer without contacting any dependency."""
    return reply(Alive(alive=True))


@api.get(
    "/readyz",
    summary="Can searches be answered?",
    responses={200: Ready, 503: Ready},
)
def readyz() -> Response:
    """Check the database, Redis and that a search worker works; 503 says what is missing.

    A worker whose clock is off works, all the same.
    """
    try:
        services().database.ping()
        database = True
    except (DependencyUnavailable, DependencyBroken):
        database = False
    try:
        workers = presence.alive(services().redis)
        redis = True
    except DependencyUnavailable:
        redis, workers = False, {}
    health = {
        name: worker.get("troubles", [])
        for name, worker in sorted(workers.items())
        if worker["role"] == SEARCH
    }
    count = sum(not troubles for troubles in health.values())
    ready = database and redis and count > 0
    body = Ready(
        ready=ready,
        database=database,
        redis=redis,
        search_workers=count,
        troubles=[f"{name}: {each}" for name, troubles in health.items() for each in troubles]
        + presence.skews(workers),
    )
    return reply(body, 200 if ready else 503)
