"""A PostgreSQL server of its own for tests: the machine's binaries, a temporary folder."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import psycopg

from visearch.cli.own_system import free_port


def binaries() -> Path | None:
    """Return the folder of initdb and pg_ctl, newest version first; None without them."""
    if found := shutil.which("initdb"):
        return Path(found).parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)
    return versions[0].parent if versions else None


class Server:
    """A server that a test may stop, restart and ask for databases.

    PostgreSQL refuses to run as root, so then it runs as the user its package made.
    """

    def __init__(self, programs: Path) -> None:
        self._programs, self._port = programs, free_port()
        self._home = Path(tempfile.mkdtemp(prefix="visearch-pg-"))
        self._as_user: list[str] = []
        if os.geteuid() == 0:
            account = pwd.getpwnam("postgres")
            os.chown(self._home, account.pw_uid, account.pw_gid)
            self._as_user = ["runuser", "-u", "postgres", "--"]
        self._run("initdb", "-A", "trust", "-U", "visearch", "-E", "UTF8")

    def start(self) -> None:
        """Start it and wait until it answers."""
        options = (
            f"-p {self._port} -c listen_addresses=127.0.0.1 -c max_connections=400 "
            f"-c unix_socket_directories={self._home} -c fsync=off"
        )
        self._run("pg_ctl", "-w", "-l", str(self._home / "log"), "-o", options, "start")

    def stop(self, mode: str = "immediate") -> None:
        """Stop it: ``immediate`` as a crash does, ``fast`` as an operator does."""
        self._run("pg_ctl", "-m", mode, "-w", "stop")

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Let every one of its processes hang for the time of the block."""
        pid = int((self._home / "data" / "postmaster.pid").read_text().split()[0])
        processes = [psutil.Process(pid), *psutil.Process(pid).children()]
        for process in processes:
            process.suspend()
        try:
            yield
        finally:
            for process in processes:
                process.resume()

    def url(self, database: str = "postgres") -> str:
        """Return the SQLAlchemy URL of a database."""
        return f"postgresql://visearch@127.0.0.1:{self._port}/{database}"

    def new_database(self) -> str:
        """Make an empty database; returns its URL."""
        name = f"d{uuid.uuid4().hex}"
        self.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def execute(self, statement: str) -> int:
        """Run a statement outside any transaction; returns the number of its rows."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            return connection.execute(statement.encode()).rowcount

    def remove(self) -> None:
        """Remove its files."""
        shutil.rmtree(self._home, ignore_errors=True)

    def _run(self, program: str, *arguments: str) -> None:
        data = str(self._home / "data")
        command = [*self._as_user, str(self._programs / program), "-D", data, *arguments]
        subprocess.run(command, check=True, cwd=self._home, stdout=subprocess.DEVNULL)


@contextmanager
def server(programs: Path) -> Iterator[Server]:
    """Run a server for the time of the block."""
    made = Server(programs)
    try:
        made.start()
        yield made
        made.stop()
    finally:
        made.remove()
