"""Pictures made to break their reader: they fail alone, each with a reason, and nobody dies."""

from __future__ import annotations

import io
import tarfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import vulnerable
from system import System, archive, picture
from vulnerable import EATS, HANGS, KILLS

DECODE_LIMIT_S, SEARCH_DECODE_LIMIT_S = 8, 2

IMPATIENT = f"""

class _Impatient(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name != "workers.ingest":
            return None
        spec = PathFinder.find_spec(name, path, target)

        def exec_module(module):
            source = spec.loader.get_source(name)
            line = "DECODE_LIMIT_S = 60\\n"
            assert source.count(line) == 1, "the limit has moved; adapt this test"
            source = source.replace(line, "DECODE_LIMIT_S = {DECODE_LIMIT_S}\\n")
            exec(compile(source, spec.origin, "exec"), module.__dict__)

        spec.loader.exec_module = exec_module
        return spec


sys.meta_path.insert(0, _Impatient())
"""


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system with a vulnerable decoder and little time for it."""
    folder = tmp_path_factory.mktemp("hostile")
    limit = str(SEARCH_DECODE_LIMIT_S)
    running = System(folder / "home", chunk_items="16", decode_timeout_s=limit)
    patch = vulnerable.write(folder / "patch", IMPATIENT)
    paths = [patch, running.env.get("PYTHONPATH", "")]
    running.env["PYTHONPATH"] = ":".join(filter(None, paths))
    running.start()
    yield running
    assert running.stop() == 0, running.output()


def codes(system: System, record: dict[str, Any]) -> dict[str, str | None]:
    """Return the code of every item by its path."""
    return {item["path"]: item["code"] for item in system.items(record)}


def test_the_hostile_archive(system: System, shared: Path) -> None:
    """371 files of fuzzers and test suites: searchable, or failed with why."""
    pids, data = system.pids(), without_tables(shared / "hostile" / "images.tar")
    children = ingest_children(system)
    record = system.upload(system.create_catalog("hostile"), data, media="application/x-tar")
    memory = 0
    while system.read_import(record)["finished_at"] is None:
        memory = max(memory, *(resident(pid) for pid in ingest_children(system)))
    done = system.finish(record)
    outcome = Counter(codes(system, record).values())
    print(f"hostile archive: {outcome[None]} searchable, {dict(outcome)}")
    print(f"largest decoder: {memory >> 20} MiB")
    assert done["counts"]["items"] == 371
    assert outcome[None] == done["counts"]["searchable"] >= 45
    vague = {"internal_error", "worker_lost", "decode_crashed", "decode_timeout", "out_of_memory"}
    assert not vague & outcome.keys(), outcome
    assert system.pids() == pids
    assert ingest_children(system) == children
    assert memory < 1 << 30


def test_a_picture_that_kills_its_decoder_fails_alone(system: System) -> None:
    done, found = import_with(system, "kills", KILLS)
    assert found.pop("bad.jpg") == "decode_crashed"
    assert set(found.values()) == {None}
    assert done["status"] == "partial"
    (item,) = system.items(done, status="failed")
    assert item["attempts"] == 3


def test_a_picture_that_hangs_its_decoder_fails_alone(system: System) -> None:
    _, found = import_with(system, "hangs", HANGS)
    assert found.pop("bad.jpg") == "decode_timeout"
    assert set(found.values()) == {None}


def test_memory_that_runs_out_stops_no_worker(system: System) -> None:
    pids = system.pids()
    _, found = import_with(system, "eats", EATS)
    assert found.pop("bad.jpg") == "out_of_memory"
    assert set(found.values()) == {None}
    assert system.pids() == pids


def without_tables(path: Path) -> bytes:
    """Return a tar without its index, which lists no products and would refuse the import."""
    out = io.BytesIO()
    with tarfile.open(path) as source, tarfile.open(fileobj=out, mode="w") as target:
        for member in source:
            if member.isfile() and not member.name.endswith(".csv"):
                target.addfile(member, source.extractfile(member))
    return out.getvalue()


def import_with(
    system: System, catalog: str, mark: bytes
) -> tuple[dict[str, Any], dict[str, str | None]]:
    """Import a chunk of pictures with a marked one in the middle; everything must end."""
    files = [(f"p{i}.jpg", picture(i, side=96)) for i in range(14)]
    files.insert(7, ("bad.jpg", picture(99, side=96) + mark))
    done = system.finish(system.upload(system.create_catalog(catalog), archive(files)))
    assert system.query("SELECT count(*) FROM chunks WHERE state != 'done'") == [(0,)]
    return done, codes(system, done)


def ingest_children(system: System) -> list[int]:
    parent = psutil.Process(system.pids()["ingest"])
    return sorted(child.pid for child in parent.children())


def resident(pid: int) -> int:
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.NoSuchProcess:
        return 0
