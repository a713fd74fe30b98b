"""One supervised child process: started, logged, restarted when it dies."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from logging.handlers import RotatingFileHandler
from pathlib import Path

from visearch.confine import die_with_parent
from visearch.errors import first_line

LOG_BYTES, LOG_FILES = 10 << 20, 3
HEALTHY_S = 30.0
KILL_S = 5.0
MAX_BACKOFF_S = 30.0


class Child:
    """A role's process. ``tell(line)`` speaks to the operator.

    The process inherits ``descriptors``, under the same numbers. If there is a ``ready_word``, it
    prints it, in small letters or large ones, when it has started.
    """

    def __init__(
        self,
        name: str,
        argv: list[str],
        env: Mapping[str, str],
        log_folder: Path,
        tell: Callable[[str], None],
        *,
        descriptors: Sequence[int] = (),
        ready_word: str | None = None,
    ) -> None:
        self.name, self._argv, self._env, self._tell = name, argv, dict(env), tell
        self._descriptors, self._ready_word = descriptors, ready_word
        self._process: subprocess.Popen[bytes] | None = None
        self._tail: deque[str] = deque(maxlen=20)
        self._restart_at, self._backoff, self._started = 0.0, 0.0, 0.0
        self._given_up: tuple[int, str] | None = None
        self._ready: subprocess.Popen[bytes] | None = None
        self._reader: threading.Thread | None = None
        self._log = logging.Logger(f"up.{name}")
        self._log_file = _LogFile(log_folder / f"{name}.log", tell)
        self._log.addHandler(self._log_file)

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self._process else None

    def has_begun(self, pid: int | None) -> bool:
        """Tell whether the process ``pid`` is this role's and has said that it is ready.

        Another thread may ask.
        """
        process = self._process
        return process is not None and process.pid == pid and process is self._ready

    def start(self) -> None:
        """Start the process in its own group, so that Ctrl-C reaches the supervisor alone."""
        self._started = time.monotonic()
        self._process = subprocess.Popen(
            self._argv,
            env=self._env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=self._descriptors,
            preexec_fn=partial(die_with_parent, signal.SIGTERM),
        )
        self._reader = threading.Thread(target=self._read, args=(self._process,), daemon=True)
        self._reader.start()

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None  # a pipe, asked for above
        with process.stdout as lines:
            for raw in lines:
                line = raw.decode(errors="replace").rstrip("\n")
                self._tail.append(line)
                if self._ready_word is not None and self._ready_word in line.lower():
                    self._ready = process
                self._log.info(line)

    def give_up(self, pid: int, why: str) -> None:
        """Have :meth:`watch` kill the process ``pid``, if it still is this role's.

        Another thread may call it.
        """
        self._given_up = self._given_up or (pid, why)

    def watch(self) -> None:
        """Restart the process if it has died or was given up; later with growing pauses."""
        if self._given_up is not None:
            (pid, why), self._given_up = self._given_up, None
            if self._process is not None and self._process.pid == pid:
                self._tell(f"{self.name} {why}; killed")
                self.kill()
                self.wait(KILL_S)
        if self._process is not None and self._process.poll() is not None:
            self._note_end(f"ended with status {self._process.returncode}")
            self.kill()
            self._process = None
        if self._process is None and time.monotonic() >= self._restart_at:
            try:
                self.start()
            except OSError as error:  # no memory, no processes left
                self._note_end(f"cannot be started ({error.strerror})")

    def _note_end(self, what: str) -> None:
        healthy = time.monotonic() - self._started > HEALTHY_S
        self._backoff = 0.2 if healthy else min(max(0.2, self._backoff * 2), MAX_BACKOFF_S)
        self._restart_at = time.monotonic() + self._backoff
        self._tell(f"{self.name} {what}; restarting")
        if not healthy:
            self._tell("\n".join(f"    {line}" for line in [*self._tail][-5:]))

    def kill(self) -> None:
        """Kill the process and its children; also those that outlive it."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def ask_to_stop(self) -> None:
        """Ask the process (not its children, whom it stops itself) to finish."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)

    def wait(self, timeout_s: float) -> bool:
        """Wait for the end; False if it still runs after ``timeout_s``."""
        if self._process is None:
            return True
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def close(self) -> None:
        """Close the log, with the last words of a process that has ended."""
        if self._reader is not None:
            self._reader.join(KILL_S)
        with contextlib.suppress(OSError):  # a full disk, which was told
            self._log_file.close()


class _LogFile(RotatingFileHandler):
    """A log file whose trouble, a full disk say, is told once and stops nobody."""

    def __init__(self, path: Path, tell: Callable[[str], None]) -> None:
        super().__init__(path, maxBytes=LOG_BYTES, backupCount=LOG_FILES, delay=True)
        self._tell, self._trouble = tell, ""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        before, self._trouble = self._trouble, ""
        super().emit(record)
        if self._trouble and not before:
            self._tell(f"cannot write {self.baseFilename} ({self._trouble}); lines are lost")

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  (logging's name)
        """Note what prevented the line from being written."""
        error = sys.exc_info()[1]
        self._trouble = first_line(error) if error else "it is not known why"
