"""``visearch up`` as an operator meets it: refusals, a stop, a restart, a killed supervisor."""

from __future__ import annotations

import json
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from system import System, archive, eventually, picture

ITEMS = 200


@pytest.fixture
def stopped(tmp_path: Path) -> Iterator[System]:
    """A system that a test starts itself; whatever is left of it is stopped."""
    system = System(tmp_path / "home", chunk_items="8")
    yield system
    if system.process is not None and system.process.poll() is None:
        system.stop()


def refusal(home: Path, *command: str, **settings: str) -> str:
    """Run a command that must fail; returns its one line."""
    system = System(home, **settings)
    done = system.cli(*command)
    output = done.stdout + done.stderr
    assert done.returncode == 1, output
    assert "Traceback" not in output
    lines = output.strip().splitlines()
    assert len(lines) == 1, output
    return lines[0]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"port": "70000"}, "there is no port 70000"),
        ({"port": "many"}, "VISEARCH_PORT='many' is not a valid int"),
        ({"prot": "1"}, "unknown setting VISEARCH_PROT"),
        ({"host": "0.0.0.0"}, "VISEARCH_OPEN_ACCESS"),
        ({"redis_url": "carrier-pigeon://"}, "VISEARCH_REDIS_URL is no Redis URL"),
        ({"database_url": "nonsense"}, "VISEARCH_DATABASE_URL"),
        ({"blobs_url": "nonsense"}, "VISEARCH_BLOBS_URL"),
        ({"encoder": "nonsense"}, "unknown encoder 'nonsense'"),
    ],
)
def test_a_bad_setting_is_refused_in_one_line(
    tmp_path: Path, settings: dict[str, str], said: str
) -> None:
    assert said in refusal(tmp_path / "home", "up", **settings)


def test_a_home_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert "cannot write to" in refusal(tmp_path / "file" / "deep" / "home", "up")


def test_a_taken_port_is_refused(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert f"cannot listen on 127.0.0.1:{port}" in refusal(
            tmp_path / "home", "up", port=str(port)
        )


def test_the_doctor_names_every_trouble(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    bad = System(tmp_path / "file" / "deep" / "home", encoder="nonsense", port="70000")
    done = bad.cli("doctor", "--json")
    assert done.returncode == 1
    checks = {check["name"]: check for check in json.loads(done.stdout)}
    assert {name for name, check in checks.items() if not check["ok"]} == {
        "home",
        "port",
        "encoder",
    }
    words = bad.cli("doctor")
    assert (words.returncode, words.stdout.count("FAIL"), words.stderr) == (1, 3, "")
    fine = System(tmp_path / "home").cli("doctor")
    assert (fine.returncode, fine.stdout.count("FAIL")) == (0, 0), fine.stdout


def test_an_import_survives_a_stop_and_a_killed_supervisor(stopped: System) -> None:
    """Stopped in the middle, started; killed in the middle, started: the import ends by itself."""
    stopped.start()
    assert "another `visearch up` runs" in refusal(stopped.home, "up")
    record = upload(stopped, "stopped")
    wait_for_items(stopped, record, 16)
    pids = family(stopped)
    started = time.monotonic()
    assert stopped.stop() == 0, stopped.output()
    print(f"stopped in {time.monotonic() - started:.1f} s")
    assert not survivors(pids)
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
    assert stopped.stop() == 0


def test_nothing_outlives_a_killed_supervisor(stopped: System) -> None:
    """Also without a new start."""
    stopped.start()
    pids = family(stopped)
    assert len(pids) >= 8
    assert stopped.process is not None
    stopped.process.send_signal(signal.SIGKILL)
    stopped.process.wait()
    started = time.monotonic()
    eventually(lambda: not survivors(pids), seconds=20, what="the end of the orphans")
    print(f"no orphans after {time.monotonic() - started:.1f} s")


def upload(system: System, catalog: str) -> dict[str, object]:
    files = ((f"p{i}.jpg", picture(i, side=96)) for i in range(ITEMS))
    return system.upload(system.create_catalog(catalog), archive(files))


def wait_for_items(system: System, record: dict[str, object], n: int) -> None:
    eventually(
        lambda: system.read_import(record)["counts"]["searchable"] >= n, what=f"{n} items"
    )
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
    system.home.with_suffix(".out").unlink()
    system.http = httpx.Client(base_url=system.url, timeout=60)
    system.start()
