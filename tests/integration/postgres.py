"""A PostgreSQL server of its own for a test: the machine's binaries, a temporary folder."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from system import free_port


def binaries() -> Path | None:
    """Return the folder of initdb and pg_ctl, newest version first; None without them."""
    if found := shutil.which("initdb"):
        return Path(found).parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)
    return versions[0].parent if versions else None


@contextmanager
def server(programs: Path) -> Iterator[str]:
    """Run a server; yields its SQLAlchemy URL. PostgreSQL refuses to run as root, so then
    it runs as the user its package made.
    """
    home = Path(tempfile.mkdtemp(prefix="visearch-pg-"))
    as_user: list[str] = []
    if os.geteuid() == 0:
        account = pwd.getpwnam("postgres")
        os.chown(home, account.pw_uid, account.pw_gid)
        as_user = ["runuser", "-u", "postgres", "--"]
    data, port = str(home / "data"), free_port()

    def run(program: str, *arguments: str) -> None:
        command = [*as_user, str(programs / program), "-D", data, *arguments]
        subprocess.run(command, check=True, cwd=home, stdout=subprocess.DEVNULL)

    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={home}"
    try:
        run("initdb", "-A", "trust", "-U", "visearch", "-E", "UTF8")
        run("pg_ctl", "-w", "-l", str(home / "log"), "-o", options, "start")
        yield f"postgresql://visearch@127.0.0.1:{port}/postgres"
        run("pg_ctl", "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(home, ignore_errors=True)
