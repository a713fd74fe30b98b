"""``visearch up``: every role on this machine under one supervisor."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator

import click
import httpx

from visearch import home_lock, listener, private
from visearch.cli import demo, doctor, redis_server
from visearch.cli.client import Client, until
from visearch.cli.pid_file import PidFile
from visearch.cli.process import KILL_S, Child
from visearch.cli.watchdog import Watchdog
from visearch.contract import MAX_SHARDS, READY_LINE, WEB_READY_LINE
from visearch.errors import DependencyUnavailable, VisearchError
from visearch.flag import Flag
from visearch.settings import Settings
from visearch.store.database import Database
from visearch.store.migrate import migrate
from visearch.store.redis.client import answering, connect, lives

ROLES = ("search", "embed", "plan", "ingest", "maintain", "beat")
STOP_S = 20.0
LOOK_S, READY_S = 0.1, 0.2
REDIS_START_S = 30.0
LOOK_REDIS_S = 0.05
SLOW_START_S = 90.0


class Supervisor:
    """Starts the roles, restarts what dies, stops everything in order."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._told_to_stop = Flag()
        logs = settings.home / "logs"
        private.make_folder(logs)
        env = {**os.environ, **settings.environ(), "PYTHONUNBUFFERED": "1"}
        self._redis: list[Child] = []
        if not settings.redis_url:
            command = redis_server.command(settings)
            word = redis_server.READY_WORD
            self._redis = [Child("redis", command, env, logs, tell, ready_word=word)]
        python = sys.executable
        self._workers = [
            Child(
                name,
                [python, "-m", "workers", role],
                env | shards,
                logs,
                tell,
                ready_word=READY_LINE,
            )
            for name, role, shards in _roles(settings)
        ]
        # Clients that come while web is restarted wait in this socket's queue.
        self._listener = listener.listen(settings)
        fd = self._listener.fileno()
        command = [python, "-m", "web", "--listener", str(fd)]
        self._web = [
            Child("web", command, env, logs, tell, descriptors=[fd], ready_word=WEB_READY_LINE)
        ]
        self._pids = PidFile(settings.home, tell)
        self._watchdog = Watchdog(settings, redis=self._redis, web=self._web, workers=self._workers)

    def run(self) -> None:
        """Run until SIGINT or SIGTERM."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: self._told_to_stop.set())
        try:
            for child in self._redis:
                child.start()
            if not wait_for_redis(self._settings, self._goes_on_after):
                return
            for child in (*self._web, *self._workers):
                child.start()
            self._write_pids()
            threading.Thread(target=self._announce, daemon=True, name="ready").start()
            self._watchdog.start()
            while self._goes_on_after(LOOK_S):
                for child in self._all():
                    child.watch()
                self._write_pids()
        finally:
            self._shut_down()

    def _goes_on_after(self, rest_s: float) -> bool:
        time.sleep(rest_s)
        return not self._told_to_stop.is_set()

    def _all(self) -> Iterator[Child]:
        yield from (*self._redis, *self._workers, *self._web)

    def _write_pids(self) -> None:
        self._pids.write({child.name: child.pid for child in self._all() if child.pid})

    def _announce(self) -> None:
        """Say ``ready`` when a search can succeed, after filling an empty store."""
        client = Client.of(self._settings)
        try:
            if not self._ready(client):
                return
            if self._settings.demo:
                demo.fill_if_empty(client, self._settings, tell)
            tell(f"ready {client.base_url}")
        except (VisearchError, httpx.HTTPError) as error:
            tell(f"not ready: {error}")

    def _ready(self, client: Client) -> bool:
        """Wait until a search can succeed; False if told to stop before."""
        slow = time.monotonic() + SLOW_START_S
        while self._goes_on_after(READY_S):
            if client.ready():
                return True
            if time.monotonic() > slow:
                slow = float("inf")
                tell(f"still starting; {client.base_url}/readyz says what is missing")
        return False

    def _shut_down(self) -> None:
        """Web first, so that no new work arrives; then the workers; Redis last."""
        self._watchdog.stop()
        self._listener.close()
        tell("stopping; running work may take some seconds to end")
        for group in (self._web, self._workers, self._redis):
            for child in group:
                child.ask_to_stop()
            end = time.monotonic() + STOP_S
            for child in group:
                if not child.wait(max(0.1, end - time.monotonic())):
                    tell(f"{child.name} did not stop in time; killed")
                child.kill()
                child.wait(KILL_S)
                child.close()
        self._pids.remove()


def wait_for_redis(settings: Settings, goes_on_after: Callable[[float], bool]) -> bool:
    """Wait until Redis answers, however long it reads its file; False if told to stop before.

    Raises:
        DependencyUnavailable: it has said nothing for ``REDIS_START_S``.
    """
    client = connect(settings.redis)
    heard = time.monotonic()
    while goes_on_after(LOOK_REDIS_S):
        try:
            with answering():
                client.ping()
            return True
        except DependencyUnavailable:
            if lives(client):
                heard = time.monotonic()
            elif time.monotonic() - heard > REDIS_START_S:
                raise
    return False


def _roles(settings: Settings) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Yield name, role and more environment of each worker."""
    workers = settings.shard_workers
    for role in ROLES:
        yield role, role, {"VISEARCH_SHARDS": "none"} if workers and role == "search" else {}
    for number in range(workers):
        held = ",".join(str(shard) for shard in range(number, MAX_SHARDS, workers))
        yield f"shard-{number}", "shard", {"VISEARCH_SHARDS": held}


def tell(line: str) -> None:
    """Print one line for the operator at once.

    Where nobody can be told, because a full disk or a closed terminal takes no more lines, the
    roles go on all the same.
    """
    with contextlib.suppress(OSError):
        click.echo(line)


def _outlive_predecessor(pids: PidFile) -> None:
    """Wait for the processes that a killed supervisor left to end; kill those that do not."""

    def gone() -> bool:  # they are not our children: there is nothing to wait on
        return not pids.left_over()

    try:
        until(gone, STOP_S, "The end of the former processes")
    except VisearchError as error:
        if error.code != "timeout":
            raise
        for pid in pids.left_over():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
        until(gone, STOP_S, "The end of the killed processes")


def up(settings: Settings) -> None:
    """Check the machine, prepare the store and run every role until told to stop.

    Raises:
        SettingsError: the machine or a setting does not allow the start.
    """
    settings.check_bind()
    private.keep()
    home_lock.acquire(settings.home)
    try:
        if private.close_folder(settings.home):
            tell(f"{settings.home.resolve()} was open to other users; now it is this user's own")
        _outlive_predecessor(PidFile(settings.home, tell))
        doctor.require(settings)
        migrate(Database(settings.database))
        tell(f"starting in {settings.home.resolve()}; logs in {settings.home / 'logs'}")
        Supervisor(settings).run()
        tell("stopped")
    finally:
        home_lock.release(settings.home)
