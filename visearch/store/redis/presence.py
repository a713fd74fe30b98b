"""Who is alive: each worker process renews a key in Redis that expires without it.

A set names all of them, so that nobody has to scan for the keys.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any, cast

import structlog
from redis.client import PubSub

from visearch.contract import CHANGED_CHANNEL
from visearch.errors import DependencyUnavailable
from visearch.store.redis.client import Client, answering, seconds

log = structlog.get_logger(__name__)

BEAT_S = 2.0
LIFETIME_S = 8
_REMEMBERED = 1000
"""Looks for which a worker that is gone is remembered."""

SKEW_S = 5.0
"""A clock that differs by less from Redis's is not worth a word."""

# The number is that of the form: of a beat, the time by Redis's clock, a space, and JSON.
_NAMES, _PREFIX = "visearch:workers:2", "visearch:worker:2:"

# A full Redis refuses no write after a first that needs no memory: a worker is not dead for that.
_BEAT = """
redis.call('DEL', KEYS[1])
local time = redis.call('TIME')
local at = string.format('%d.%06d', time[1], time[2])
redis.call('SET', KEYS[1], at .. ' ' .. ARGV[1], 'EX', ARGV[2])
redis.call('SADD', KEYS[2], ARGV[3])
"""


def beat(client: Client, name: str, role: str, **details: Any) -> None:
    """Say that the worker ``name`` is alive and ready, and what its clock shows."""
    body = json.dumps({"role": role, "clock": time.time(), **details})
    with answering():
        client.eval(_BEAT, 2, _PREFIX + name, _NAMES, body, str(LIFETIME_S), name)


def leave(client: Client, name: str) -> None:
    """Say that the worker stops."""
    with answering():
        client.delete(_PREFIX + name)
        client.srem(_NAMES, name)


def alive(client: Client) -> dict[str, dict[str, Any]]:
    """Return the live workers by name.

    ``last_seen`` is by Redis's clock; the worker's is ``ahead_s`` seconds ahead of it. A worker
    that spoke later than now has spoken before that clock was set back, and Redis keeps its word
    for too long: it has to speak again.
    """
    with answering():
        now = seconds(client.time())
        names = [name.decode() for name in cast("set[bytes]", client.smembers(_NAMES))]
        keys = [_PREFIX + name for name in names]
        values = cast("list[bytes | None]", client.mget(keys)) if names else []
        said = [value and _worker(value) for value in values]
        heard = [each if each and each["last_seen"] < now + LIFETIME_S else None for each in said]
        found = dict(zip(names, heard, strict=True))
        if gone := [name for name, value in found.items() if value is None]:
            client.srem(_NAMES, *gone)  # one that lives after all is back with its next beat
    return {name: worker for name, worker in found.items() if worker}


def _worker(value: bytes) -> dict[str, Any]:
    at, _, body = value.partition(b" ")
    told = json.loads(body)
    return {**told, "last_seen": float(at), "ahead_s": round(told["clock"] - float(at), 3)}


def skews(workers: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Say whose clock differs from Redis's. No search and no import suffers from it."""
    return [
        f"{name}: its clock is {skew(worker['ahead_s'])} Redis's"
        for name, worker in sorted(workers.items())
        if abs(worker["ahead_s"]) > SKEW_S
    ]


def skew(ahead_s: float) -> str:
    """Write how far a clock is off: ``3.1 s ahead of``."""
    return f"{abs(ahead_s):.1f} s {'ahead of' if ahead_s >= 0 else 'behind'}"


class Watch:
    """Remembers what each worker said last, and for how many looks it has been silent.

    A Redis that was emptied or restarted has forgotten everyone until their next beat;
    looks lie further apart than beats, so two in a row miss only the dead.
    """

    def __init__(self) -> None:
        self._said: dict[str, dict[str, Any]] = {}
        self._silent: dict[str, int] = {}

    def look(self, client: Client) -> dict[str, dict[str, Any]]:
        """Look once more; returns the last heartbeat of each worker by name.

        With ``unheard`` where a worker is missed for the first time, ``gone`` from the second on.
        """
        seen = alive(client)
        self._silent = {name: n + 1 for name, n in self._silent.items() if n < _REMEMBERED}
        self._silent |= dict.fromkeys(seen, 0)
        self._said = {name: d for name, d in (self._said | seen).items() if name in self._silent}
        return {name: said | _silence(self._silent[name]) for name, said in self._said.items()}


def _silence(looks: int) -> dict[str, bool]:
    return {} if not looks else {"unheard": True} if looks == 1 else {"gone": True}


def announce_change(client: Client, catalog_pk: int) -> None:
    """Wake the search workers: a commit has changed this catalog.

    Only a hint: they look for changes twice a second anyway, so its loss fails nobody.
    """
    try:
        with answering():
            client.publish(CHANGED_CHANNEL, str(catalog_pk))
    except DependencyUnavailable as error:
        log.warning("change_not_announced", error=error.detail)


def await_change(events: PubSub, seconds: float) -> None:
    """Return when a change is announced, or after ``seconds``.

    Takes all announcements there are: one look finds every change, and who looked once for
    each would fall behind where they come faster than looks are done.

    Raises:
        DependencyUnavailable: Redis does not answer.
    """
    with answering():
        if not events.subscribed:
            events.subscribe(CHANGED_CHANNEL)
        told = events.get_message(timeout=seconds)
        while told is not None:
            told = events.get_message(timeout=0.0)
