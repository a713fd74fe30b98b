"""The server itself: who gets a connection, a thread and room on the disk, and how it stops."""

from __future__ import annotations

import os
import resource
import signal
import socket
import sys
import tempfile
import time
from wsgiref.types import WSGIApplication

import structlog
from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.server import TcpWSGIServer
from waitress.task import ThreadedTaskDispatcher

from visearch.contract import WEB_READY_LINE
from visearch.errors import SettingsError
from visearch.importing.admission import disk_problem
from visearch.settings import Settings
from web.serving.channel import Channel

log = structlog.get_logger(__name__)

STOP_S, LINGER_S = 10.0, 1.0
ACCEPTED = 32
MAX_HELD = 4 << 30
"""Bytes of bodies and answers held for all clients, besides the files being uploaded."""

FILES_EACH, OTHER_FILES = 3, 512
"""Descriptors: a connection has a socket and up to two files; the rest of the process has some."""


class Server(TcpWSGIServer):  # type: ignore[misc]  # waitress has no types
    """waitress's server, which makes room for new clients and stops in order."""

    channel_class = Channel

    def __init__(self, app: WSGIApplication, settings: Settings, listener: socket.socket) -> None:
        self.settings, self.stopping = settings, False
        self._limit = _affordable(settings.web_connections)
        adjustments = Adjustments(
            sockets=[listener],
            threads=settings.web_threads,
            ident="visearch",
            connection_limit=sys.maxsize,  # ours makes room instead
            max_request_body_size=sys.maxsize,  # ours depends on the route
            max_request_header_size=64 * 1024,
            recv_bytes=64 * 1024,
            inbuf_overflow=256 * 1024,
            outbuf_overflow=256 * 1024,
            outbuf_high_watermark=4 << 20,
            cleanup_interval=1,
            asyncore_use_poll=True,
            log_socket_errors=False,
        )
        # /healthz has a thread of its own: it answers however many requests wait for theirs.
        self._spare = ThreadedTaskDispatcher()
        self._spare.set_thread_count(1)
        super().__init__(
            app,
            _sock=listener,
            adj=adjustments,
            sockinfo=(listener.family, listener.type, listener.proto, listener.getsockname()),
            bind_socket=False,
        )

    def add_task(self, task: Channel) -> None:
        """Queue a connection whose next request is complete."""
        healthz = task.requests[0].path == "/healthz"
        (self._spare if healthz else self.task_dispatcher).add_task(task)

    def has_files_enough(self) -> bool:
        """Tell whether the file that begins to arrive is one too many."""
        receiving = sum(each.receives_file for each in list(self.active_channels.values()))
        return bool(receiving > self.settings.web_uploads)

    @property
    def coming(self) -> int:
        """Bytes of bodies that clients have announced and not sent yet."""
        return sum(each.coming for each in list(self.active_channels.values()))

    def readable(self) -> bool:
        """Accept clients as long as there is room, or it can be made."""
        return bool(super().readable() and (self._has_room() or self._longest_waiting()))

    def handle_accept(self) -> None:
        """Accept clients; for each one too many, close the connection that waits longest.

        A client that sends its requests is never the one that waits longest.
        """
        for _ in range(ACCEPTED):  # one in each turn would be slow when there are many
            known = len(self.active_channels)
            super().handle_accept()
            if len(self.active_channels) == known:
                return
            if not self._has_room() and (longest := self._longest_waiting()):
                longest.will_close = True

    def _has_room(self) -> bool:
        return len(self.active_channels) <= self._limit

    def _longest_waiting(self) -> Channel | None:
        channels = list(self.active_channels.values())  # a worker thread may close one
        waiting = [(since, at) for at, c in enumerate(channels) if (since := c.waits_since)]
        return channels[min(waiting)[1]] if waiting else None

    def maintenance(self, now: float) -> None:
        """Close what is too slow; and while too much is held, whoever it is held for."""
        channels = list(self.active_channels.values())
        for channel in channels:
            channel.check_time(time.monotonic())
        held = sum(channel.held for channel in channels)
        for channel in sorted(channels, key=lambda each: each.held, reverse=True):
            if held <= MAX_HELD:
                break
            log.warning("client_dropped", bytes=channel.held)
            held -= channel.held
            channel.drop()
        self._keep_reserve(channels)

    def _keep_reserve(self, channels: list[Channel]) -> None:
        """While the disk has less than its reserve left, refuse the largest body that arrives.

        One of unknown length may grow for long, and others than our clients fill the disk too.
        """
        for channel in sorted(channels, key=lambda each: each.arriving, reverse=True):
            request = channel.request
            if request is None or request.bound is None or request.held <= self.adj.inbuf_overflow:
                return
            if problem := disk_problem(self.settings, share=request.bound.reserve):
                log.warning("body_refused", bytes=request.held, error=problem.detail)
                channel.give_up(problem)

    def stop(self) -> None:
        """Stop soon; may be called from a signal handler."""
        self.stopping = True
        self.pull_trigger()

    def run(self) -> None:
        """Serve until :meth:`stop`; then answer what has arrived, for at most ``STOP_S``.

        A client that sends its next request just then is told to open another connection; one
        that has none is cut off after ``LINGER_S``.
        """
        while not self.stopping:
            self._turn()
        now = time.monotonic()
        linger, end = now + LINGER_S, now + STOP_S
        self._turn(0.0)  # accept who has come meanwhile
        wasyncore.dispatcher.close(self)  # the listening socket
        while self.active_channels and time.monotonic() < end:
            self._turn(0.1)
            if time.monotonic() > linger:
                for channel in list(self.active_channels.values()):
                    channel.will_close = channel.will_close or not channel.busy
        if self.active_channels:
            log.warning("clients_cut_off", connections=len(self.active_channels))

    def _turn(self, timeout_s: float = 1.0) -> None:
        wasyncore.loop(timeout=timeout_s, use_poll=True, map=self._map, count=1)


def _affordable(connections: int) -> int:
    """Return how many connections the limit on open files allows, which is raised if it can be.

    Raises:
        SettingsError: it allows none.
    """
    needed = connections * FILES_EACH + OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(hard, needed)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return connections
    affordable = (soft - OTHER_FILES) // FILES_EACH
    if affordable < 1:
        raise SettingsError(f"The limit of {soft} open files is too low. Raise it (ulimit -n).")
    log.warning("fewer_connections", open_files=soft, connections=affordable)
    return affordable


def serve(app: WSGIApplication, settings: Settings, listener: socket.socket) -> None:
    """Serve the app to the clients of ``listener`` until SIGTERM or SIGINT.

    Raises:
        SettingsError: the limit on open files is too low.
    """
    # Bodies and answers above 256 kB wait in files without a name, which end with the process.
    folder = settings.home.resolve() / "cache" / "bodies"
    folder.mkdir(parents=True, exist_ok=True)
    tempfile.tempdir = str(folder)
    server = Server(app, settings, listener)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: server.stop())
    log.info(WEB_READY_LINE, pid=os.getpid())
    server.run()
