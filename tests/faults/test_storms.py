"""Every role is killed, stopped and restarted under load, again and again.

``STORM_ROUNDS`` is how often each role gets each signal; without it each gets one of them once.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import pytest
from storm import Storm
from system import System, eventually

ROUNDS = int(os.environ.get("STORM_ROUNDS", "0"))
ROLES = ("web", "search", "plan", "ingest", "embed", "maintain", "beat", "redis")
OURS = tuple(role for role in ROLES if role != "redis")
TOGETHER = 3
SIGNALS = (signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM)


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system that notices a hung process soon, and whose imports are many chunks.

    A search may wait for the one worker there is to be restarted, beside other tests too.
    """
    home = tmp_path_factory.mktemp("storms") / "home"
    settings = {"chunk_items": "4", "silence_limit_s": "6", "search_deadline_s": "30"}
    running = System(home, **settings).start()
    Storm(running).prepare()
    yield running
    assert running.stop() == 0, running.output()


def away_s(system: System) -> float:
    """Return how long web may be away: silent until that is noticed, and then starting."""
    return 3 * system.settings.silence_limit_s + 20.0


def strike(system: System, roles: Sequence[str], number: signal.Signals) -> None:
    """Send a signal to these roles at once, and wait until all are back.

    What a process may obey goes to it alone, the rest to its whole group.
    """
    pids = {role: system.pids()[role] for role in roles}
    for pid in pids.values():
        if number == signal.SIGTERM:
            os.kill(pid, number)
        else:
            os.killpg(pid, number)
    for role, pid in pids.items():
        system.wait_restarted(role, pid)
    what = f"readiness after {number.name} of {', '.join(roles)}"
    eventually(system.api.ready, seconds=60, what=what)
    # Those too that searches do not need: one that hangs while it starts is given ten minutes.
    eventually(lambda: all_beat(system, pids), seconds=60, what=f"heartbeats, not only {what}")


def all_beat(system: System, roles: Iterable[str]) -> bool:
    """Tell whether each of these roles that has a heartbeat has sent one since it was started."""
    names = [each["name"] for each in system.http.get("/v1/system").json()["workers"]]
    now = {role: pid for role, pid in system.pids().items() if role in roles}
    return all(
        any(f".{pid}." in name for name in names)
        for role, pid in now.items()
        if role not in ("web", "redis")
    )


def strikes() -> Iterator[tuple[list[str], signal.Signals]]:
    """Yield which roles are struck with what, in order."""
    chance = random.Random(ROUNDS)
    for number in SIGNALS * ROUNDS:
        roles = chance.sample(ROLES, len(ROLES))
        yield from ((roles[at : at + TOGETHER], number) for at in range(0, len(roles), TOGETHER))
    if not ROUNDS:
        for at, number in enumerate(SIGNALS):
            yield [*ROLES[at :: len(SIGNALS)]], number


@pytest.mark.timeout(7200)
def test_nothing_is_lost_whatever_is_killed(system: System) -> None:
    start, count = time.monotonic(), Counter[str]()
    with Storm(system, web_away_s=away_s(system)).blowing() as seen:
        for roles, number in strikes():
            strike(system, roles, number)
            count[number.name] += len(roles)
    print(f"{dict(count)} in {time.monotonic() - start:.0f} s; {len(seen.imports)} imports")
    assert seen.searches["succeeded"] > count.total() and seen.imports


@pytest.mark.timeout(3600)
def test_a_rolling_restart_fails_no_search(system: System) -> None:
    """Each role in turn, as in an upgrade; Redis, which is no role of ours, is not restarted."""
    with Storm(system, web_away_s=away_s(system)).blowing() as seen:
        for _ in range(max(ROUNDS, 1)):
            for role in OURS:
                strike(system, [role], signal.SIGTERM)
    assert seen.searches.keys() == {"succeeded"}, seen.searches
    assert seen.writes.keys() == {"202"}, seen.writes
