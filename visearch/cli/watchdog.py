"""The watchdog of ``visearch up``: notices a process that lives but does nothing any more.

What each process is asked for a sign of life: Redis by PING, web by ``GET /healthz``, workers and
``beat`` by their heartbeat in Redis, which comes only while their loop turns. All print that they
have started.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import httpx

from visearch.background import Loop
from visearch.cli.process import Child
from visearch.errors import DependencyUnavailable
from visearch.settings import Settings
from visearch.store.redis import presence
from visearch.store.redis.client import connect, lives

START_S = 600.0
"""A process that has not answered yet may take so long: an encoder is exported and compiled, Redis
reads its file."""

WEB_START_S = 60.0
"""Web has nothing of the kind to do."""

LOOKS = 15
"""Looks within the limit. A silence counts only after several of them: the supervisor itself may
have been stopped meanwhile."""

FEWEST_MISSED = 3
WEB_FACTOR = 3
"""A web server whose threads all wait for searches answers late, and a restart would not help."""

LEAVE_FACTOR = 4
"""A worker that was told to end finishes what it holds first: in so many times the limit, or others
do it again."""


@dataclass
class Silence:
    """For how long one process has given no sign of life; its successor starts anew."""

    limit_s: float
    start_s: float = START_S
    _pid: int | None = None
    _heard: bool = False
    _since: float = 0.0
    _missed: int = 0

    def bound_s(self, pid: int | None) -> float:
        """Return how long the process ``pid`` may be silent: longer before its first sign."""
        heard = self._heard and pid == self._pid
        return self.limit_s if heard else max(self.start_s, self.limit_s)

    def look(
        self, pid: int | None, sign: bool | None, at: float, *, has_begun: bool = False
    ) -> float | None:
        """Note a look at the time ``at``; returns the length of a silence that is too long.

        ``sign`` is None if nobody can tell, as when Redis does not answer: the silence that
        counts then begins anew. ``has_begun`` says that the process has started, whoever has heard
        of it: it may hang before the first look that could tell. The time that it took to start
        counts for nothing then.
        """
        if pid != self._pid:
            self._pid, self._heard, self._since, self._missed = pid, False, at, 0
        if has_begun and not self._heard:
            self._heard, self._since, self._missed = True, at, 0
        if pid is None:
            return None
        if sign is not False:
            self._heard = self._heard or sign is True
            self._since, self._missed = at, 0
            return None
        self._missed += 1
        silent_s = at - self._since
        too_long = silent_s > self.bound_s(pid) and self._missed >= FEWEST_MISSED
        return silent_s if too_long else None


@dataclass
class Farewell:
    """For how long one process has been about to end; its successor starts anew."""

    limit_s: float
    _pid: int | None = None
    _since: float | None = None

    def look(self, pid: int | None, is_leaving: bool, at: float) -> float | None:
        """Note a look at the time ``at``; returns the length of a farewell that is too long."""
        if pid != self._pid or not is_leaving:
            self._pid, self._since = pid, None
        if pid is None or not is_leaving:
            return None
        self._since = at if self._since is None else self._since
        return at - self._since if at - self._since > self.limit_s else None


class Watchdog:
    """Looks at the children again and again, each kind in a thread of its own."""

    def __init__(
        self,
        settings: Settings,
        *,
        redis: Sequence[Child],
        web: Sequence[Child],
        workers: Sequence[Child],
    ) -> None:
        limit_s = settings.silence_limit_s
        self._every_s = limit_s / LOOKS
        self._address = f"http://{settings.address}/healthz"
        self._redis = connect(settings.redis)
        self._workers = [
            (child, Silence(limit_s), Farewell(LEAVE_FACTOR * limit_s)) for child in workers
        ]
        self._loops = [
            *self._loops_of(redis, lambda _: lives(self._redis), limit_s),
            *self._loops_of(web, self._web_answers, WEB_FACTOR * limit_s, WEB_START_S),
            self._loop("workers", self._look_at_workers),
        ]

    def start(self) -> None:
        """Begin to look."""
        for loop in self._loops:
            loop.start()

    def stop(self) -> None:
        """Take no further look."""
        for loop in self._loops:
            loop.stop()

    def _loop(self, name: str, step: Callable[[], object]) -> Loop:
        return Loop(f"watch-{name}", step, every_s=self._every_s, rest_first=True)

    def _loops_of(
        self,
        children: Sequence[Child],
        lives: Callable[[float], bool],
        limit_s: float,
        start_s: float = START_S,
    ) -> Iterator[Loop]:
        for child in children:
            yield self._loop(child.name, partial(_look, child, Silence(limit_s, start_s), lives))

    def _look_at_workers(self) -> None:
        pids = [child.pid for child, *_ in self._workers]
        try:
            alive = presence.alive(self._redis)
        except DependencyUnavailable:
            alive = None
        for pid, (child, silence, farewell) in zip(pids, self._workers, strict=True):
            mine = f"@{socket.gethostname()}.{pid}."
            said = [each for name, each in (alive or {}).items() if mine in name]
            _note(child, silence, pid, None if alive is None else bool(said))
            if alive is not None:
                _note_farewell(child, farewell, pid, any(each.get("leaving") for each in said))

    def _web_answers(self, patience_s: float) -> bool:
        """Ask web. At its start the question waits in its queue, and is the first it answers."""
        try:
            return httpx.get(self._address, timeout=patience_s, trust_env=False).is_success
        except httpx.HTTPError:
            return False


def _look(child: Child, silence: Silence, lives: Callable[[float], bool]) -> None:
    pid = child.pid
    sign = lives(silence.bound_s(pid) / (FEWEST_MISSED + 1))
    # An answer is that of the process there is now, which may have started since it was asked; a
    # silence is that of the one before, for which its successor must not pay.
    _note(child, silence, (child.pid or pid) if sign else pid, sign)


def _note(child: Child, silence: Silence, pid: int | None, sign: bool | None) -> None:
    silent_s = silence.look(pid, sign, time.monotonic(), has_begun=child.has_begun(pid))
    if silent_s is not None and pid is not None:
        child.give_up(pid, f"has given no sign of life for {silent_s:.0f} s")


def _note_farewell(child: Child, farewell: Farewell, pid: int | None, is_leaving: bool) -> None:
    leaving_s = farewell.look(pid, is_leaving, time.monotonic())
    if leaving_s is not None and pid is not None:
        child.give_up(pid, f"was told to end {leaving_s:.0f} s ago, and has not")
