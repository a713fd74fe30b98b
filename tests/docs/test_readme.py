"""Every command and program in the README does what the README says."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from system import System, archive, eventually, picture

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[str]:
    return [
        text for name, text in BLOCK.findall((ROOT / "README.md").read_text()) if name == language
    ]


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A first start: the store is empty, so the demo catalog is filled."""
    running = System(tmp_path_factory.mktemp("readme") / "home", demo="1").start()
    yield running
    assert running.stop() == 0, running.output()


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A folder with the files the README's commands name."""
    (tmp_path / "photo.jpg").write_bytes(picture(3))
    (tmp_path / "mug.jpg").write_bytes(picture(3))
    files = [(f"p{i}.jpg", picture(i)) for i in range(5)]
    (tmp_path / "catalog.zip").write_bytes(archive(files))
    return tmp_path


def run(command: str, system: System, desk: Path) -> str:
    """Run a README command against this test's system; returns what it printed."""
    command = command.replace(".venv/bin/visearch", str(Path(sys.executable).parent / "visearch"))
    command = command.replace("http://127.0.0.1:8000", system.url)
    done = subprocess.run(
        command, shell=True, cwd=desk, env=system.env, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_readme_has_the_commands_this_file_runs() -> None:
    assert [text.split()[0] for text in blocks("sh")] == [
        "make", "make", ".venv/bin/visearch", "curl", ".venv/bin/visearch", "curl",
        ".venv/bin/visearch",
    ]  # fmt: skip
    assert len(blocks("python")) == 1


@pytest.mark.parametrize("target", ["up", "test"])
def test_the_make_targets_exist(target: str) -> None:
    assert f"make {target}\n" in blocks("sh")
    subprocess.run(["make", "--dry-run", target], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def test_a_first_start_fills_the_demo_catalog(system: System) -> None:
    assert "demo catalog: 600 pictures searchable" in system.output()
    assert f"\nready {system.url}\n" in system.output()
    samples = system.http.get("/samples").json()
    assert len(samples) == 6
    right = 0
    for sample in samples:
        data = system.http.get(f"/samples/{sample['file']}").content
        found = system.search(data, "demo", limit=1, group="true")["results"]
        right += found[0]["product_id"] == sample["product_id"]
    assert right >= 5


def test_search_from_the_command_line(system: System, desk: Path) -> None:
    out = run(blocks("sh")[2], system, desk)
    assert "(drawn)" in out


def test_search_over_http(system: System, desk: Path) -> None:
    found = json.loads(run(blocks("sh")[3], system, desk))
    assert found["status"] == "succeeded"
    assert len(found["results"]) == 20


def test_import_from_the_command_line_and_over_http(system: System, desk: Path) -> None:
    assert "succeeded: 5 searchable, 0 failed" in run(blocks("sh")[4], system, desk)
    record = json.loads(run(blocks("sh")[5], system, desk))
    assert system.finish(record)["counts"]["searchable"] == 5
    assert "main" in run(blocks("sh")[6], system, desk)
    names = [
        row["name"] for row in json.loads(run(".venv/bin/visearch catalog ls --json", system, desk))
    ]
    assert names == ["demo", "shop"]
    run(".venv/bin/visearch catalog rm shop --yes", system, desk)
    eventually(lambda: system.http.get("/v1/catalogs/shop").status_code == 404)


def test_the_program_runs(desk: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", blocks("python")[0]],
        cwd=desk, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    score, product, title = done.stdout.strip().split(" ", 2)
    assert float(score) > 0.99
    assert (product, title) == ("mug-1", "Blue mug")
