"""``visearch up`` as an operator meets it: refusals, a stop, a restart, a killed supervisor."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import NoReturn

import httpx
import psutil
import pytest
from click.testing import CliRunner, Result
from system import System, archive, eventually, picture

from visearch.cli import up as supervisor
from visearch.cli.main import main

ITEMS = 200


@pytest.fixture
def stopped(tmp_path: Path) -> Iterator[System]:
    """A system that a test starts itself; whatever is left of it is stopped."""
    system = System(tmp_path / "home", chunk_items="8")
    yield system
    system.http.close()
    if system.process is not None and system.process.poll() is None:
        system.stop()


def invoke(home: Path, *command: str, **settings: str) -> Result:
    """Run a command in this process."""
    system = System(home, **settings)
    system.http.close()
    foreign = {name: None for name in os.environ if name.startswith("VISEARCH_")}
    return CliRunner().invoke(main, command, env=foreign | system.env)


def refusal(home: Path, **settings: str) -> str:
    """Start what must not start; returns the one line that says why."""
    done = invoke(home, "up", **settings)
    assert done.exit_code == 1, (done.output, done.exception)
    assert isinstance(done.exception, SystemExit), "a traceback"
    (line,) = done.output.strip().splitlines()
    return line


@pytest.fixture
def _nothing_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(*_: object) -> NoReturn:
        pytest.fail("it was not refused")

    monkeypatch.setattr(supervisor.Supervisor, "run", start)


@pytest.mark.usefixtures("_nothing_starts")
@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"port": "70000"}, "There is no port 70000"),
        ({"port": "many"}, "VISEARCH_PORT is 'many'. Use a whole number above 0."),
        ({"prot": "1"}, "VISEARCH_PROT: no such setting"),
        ({"host": "0.0.0.0"}, "VISEARCH_OPEN_ACCESS"),
        ({"redis_url": "carrier-pigeon://"}, "VISEARCH_REDIS_URL is not a Redis URL"),
        ({"database_url": "nonsense"}, "VISEARCH_DATABASE_URL"),
        ({"blobs_url": "nonsense"}, "VISEARCH_BLOBS_URL"),
        ({"encoder": "nonsense"}, "There is no encoder 'nonsense'"),
    ],
)
def test_a_bad_setting_is_refused_in_one_line(
    tmp_path: Path, settings: dict[str, str], said: str
) -> None:
    assert said in refusal(tmp_path / "home", **settings)


@pytest.mark.usefixtures("_nothing_starts")
def test_a_home_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert "Cannot write to" in refusal(tmp_path / "file" / "deep" / "home")


@pytest.mark.usefixtures("_nothing_starts")
def test_a_taken_port_is_refused(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = refusal(tmp_path / "home", port=str(port))
    assert f"Cannot listen on 127.0.0.1:{port}" in said


def test_the_doctor_names_every_trouble(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    home, bad = tmp_path / "file" / "deep" / "home", {"port": "70000", "encoder": "nonsense"}
    done = invoke(home, "doctor", "--json", **bad)
    assert done.exit_code == 1
    checks = {check["name"]: check for check in json.loads(done.stdout)}
    assert {name for name, check in checks.items() if not check["ok"]} == {
        "home",
        "port",
        "encoder",
    }
    words = invoke(home, "doctor", **bad)
    assert (words.exit_code, words.stdout.count("FAIL"), words.stderr) == (1, 3, "")
    fine = invoke(tmp_path / "home", "doctor")
    assert (fine.exit_code, fine.stdout.count("FAIL")) == (0, 0), fine.stdout


def test_an_import_survives_a_stop_and_a_killed_supervisor(stopped: System) -> None:
    """Stopped in the middle, started; killed in the middle, started: the import ends by itself."""
    stopped.start()
    second = stopped.cli("up")
    assert (second.returncode, second.stdout) == (1, "")
    assert second.stderr.startswith("Error: Another process runs visearch on"), second.stderr
    assert len(second.stderr.splitlines()) == 1
    record = upload(stopped, "stopped")
    wait_for_items(stopped, record, 16)
    pids = family(stopped)
    started = time.monotonic()
    assert stopped.stop() == 0, stopped.output()
    print(f"stopped in {time.monotonic() - started:.1f} s")
    assert not survivors(pids)
    with closing(sqlite3.connect(stopped.home / "visearch.db")) as database:
        held = "SELECT count(*) FROM chunks WHERE state = 'running'"
        assert database.execute(held).fetchall() == [(0,)]
    assert "killed" not in stopped.output(), stopped.output()

    start_again(stopped)
    assert complete(stopped, record)

    record = upload(stopped, "killed")
    wait_for_items(stopped, record, 16)
    pids = family(stopped)
    assert stopped.process is not None
    stopped.process.send_signal(signal.SIGKILL)
    stopped.process.wait()
    started = time.monotonic()
    start_again(stopped)
    print(f"ready again {time.monotonic() - started:.1f} s after the supervisor was killed")
    assert not survivors(pids)
    assert complete(stopped, record)

    pids = family(stopped)
    assert len(pids) >= 8
    stopped.process.send_signal(signal.SIGKILL)
    stopped.process.wait()
    started = time.monotonic()
    eventually(lambda: not survivors(pids), seconds=20, what="the end of the orphans")
    print(f"no orphans after {time.monotonic() - started:.1f} s")


def test_processes_that_are_told_to_end_many_times_end(stopped: System) -> None:
    """Linux tells orphans to end again with each thread that their parent loses."""
    stopped.start()
    record = upload(stopped, "told")
    wait_for_items(stopped, record, 16)
    assert stopped.process is not None
    pids = family(stopped)
    stopped.process.send_signal(signal.SIGSTOP)  # or it would start them again
    try:
        told_until = time.monotonic() + 0.5
        while time.monotonic() < told_until:
            for each in pids:
                with suppress(ProcessLookupError):
                    os.kill(each.pid, signal.SIGTERM)
            time.sleep(0.0001)  # a signal that is pending already is not sent twice
        eventually(lambda: not survivors(pids), seconds=20, what="the end of all processes")
    finally:
        stopped.process.kill()
        stopped.process.wait()
        kill_survivors(pids)
    start_again(stopped)
    assert complete(stopped, record)


def kill_survivors(family: list[psutil.Process]) -> None:
    for each in survivors(family):
        with suppress(psutil.NoSuchProcess):
            each.kill()


def upload(system: System, catalog: str) -> dict[str, object]:
    files = ((f"p{i}.jpg", picture(i, side=96)) for i in range(ITEMS))
    return system.upload(system.create_catalog(catalog), archive(files))


def wait_for_items(system: System, record: dict[str, object], n: int) -> None:
    eventually(lambda: system.read_import(record)["counts"]["searchable"] >= n, what=f"{n} items")
    assert system.read_import(record)["finished_at"] is None, "over already; make it longer"


def complete(system: System, record: dict[str, object]) -> bool:
    done = system.finish(record)
    catalog = system.http.get(f"/v1/catalogs/{record['catalog']}").json()
    counts = (done["counts"]["searchable"], catalog["products"], catalog["images"])
    return (done["status"], *counts) == ("succeeded", ITEMS, ITEMS, ITEMS)


def family(system: System) -> list[psutil.Process]:
    """Return every process of a system but its supervisor."""
    assert system.process is not None
    return psutil.Process(system.process.pid).children(recursive=True)


def survivors(family: list[psutil.Process]) -> list[psutil.Process]:
    return [p for p in family if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


def start_again(system: System) -> None:
    """Start on the same home: its output and its connections are new."""
    system.http.close()
    system.home.with_suffix(".out").unlink()
    system.http = httpx.Client(base_url=system.url, timeout=60)
    system.start()
