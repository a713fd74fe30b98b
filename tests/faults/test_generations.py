"""Generations under attack: their builder is killed at any moment, their files lose a bit."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from stock import Vector, add, nearest, points
from system import System, eventually

from visearch.backend import LoneBackend
from visearch.index.generation import open_generation
from visearch.records import Catalog
from visearch.store import catalogs
from visearch.store.blobs import Blobs
from visearch.store.database import Database
from visearch.store.generations import current
from visearch.store.schema import generations
from visearch.upkeep import purge as purging

KILLS = int(os.environ.get("BUILDER_KILLS", "4"))
"""How often the builder is killed. 20 take ten minutes: the supervisor restarts ever later."""

PRODUCTS = 3000
SMALL = 300
QUERIES = ("p0", "p1", "p2", "p3")


class Attacked:
    """A running system, a way past its API into its store, and what its answers should be."""

    def __init__(self, home: Path) -> None:
        # One change is enough for a build; each catalog here gets a tree.
        settings = {"compact_min": "1", "compact_ratio": "0.000001", "brute_force_limit": "256"}
        settings["silence_limit_s"] = "3600"  # the clock is stopped for a while
        self.system = System(home, **settings).start()
        self.settings = self.system.settings
        self.database = Database(self.settings.database)
        self.blobs = Blobs(self.settings.blobs, home / "cache")
        self.models: dict[str, dict[str, Vector]] = {}
        self._asked = 0

    def fill(self, name: str, n: int, seed: int) -> None:
        """Create a catalog that promises to find everything, so that its answers are exact."""
        self.system.create_catalog(name, target_recall=1.0)
        dimension = self.catalog(name).dimension
        self.models[name] = {f"p{i}": v for i, v in enumerate(points(n, dimension, seed))}
        add(self.database, self.blobs, name, self.models[name])

    def change(self, name: str, step: int) -> None:
        """Replace the second answer of one query by a new product that is nearer."""
        model, query = self.models[name], QUERIES[step % len(QUERIES)]
        second = nearest(model, model[query], 2)[1]
        path = f"/v1/catalogs/{name}/products/{second}"
        assert self.system.http.delete(path).status_code == 204
        between = model[query] + model.pop(second)
        model[f"new-{step}"] = between / (between @ between) ** 0.5
        add(self.database, self.blobs, name, {f"new-{step}": model[f"new-{step}"]})

    def catalog(self, name: str) -> Catalog:
        with self.database.read() as connection:
            return catalogs.get(connection, name)

    def state(self, name: str) -> dict[str, Any]:
        """Return a catalog's line of the operator's view."""
        view = self.system.http.get("/v1/system").raise_for_status().json()
        (found,) = (each for each in view["catalogs"] if each["name"] == name)
        return dict(found)

    def ask(self, name: str, product: str) -> dict[str, Any]:
        """Search for what is like a product; no answer comes from the cache."""
        self._asked += 1
        body = {"catalog": name, "product": {"id": product}, "limit": 5}
        body["min_score"] = -1 + self._asked / 1e6
        record = self.system.api.finished_search(json=body)
        assert record["status"] == "succeeded" and not record["cached"], record
        return record

    def assert_answers(self, name: str) -> None:
        """Each query is answered as the model answers it, once the last change is covered."""
        now, model = time.time(), self.models[name]
        eventually(lambda: _fresh_to(self.ask(name, "p0")) >= now, what="a fresh index")
        for query in QUERIES:
            found = [hit["product_id"] for hit in self.ask(name, query)["results"]]
            assert found == nearest(model, model[query], 5), (name, query)

    def folder(self, generation: str) -> Path:
        return self.blobs.local_folder(f"generations/{generation}")

    def wait_built(self, name: str) -> str:
        """Wait until a generation holds every change, and is served; returns its name."""
        return eventually(lambda: self._built(name), seconds=60, what=f"a build of {name}")

    def _built(self, name: str) -> str | None:
        catalog = self.catalog(name)
        with self.database.read() as connection:
            row = current(connection, catalog)
        state = self.state(name)
        whole = row is not None and row.revision == catalog.revision and not row.refused
        return (
            catalog.generation if whole and (state["serving"], state["refused"]) == (1, 0) else None
        )


def _fresh_to(record: dict[str, Any]) -> float:
    return datetime.fromisoformat(record["index"]["fresh_to"]).timestamp()


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacked]:
    attacked = Attacked(tmp_path_factory.mktemp("generations") / "home")
    yield attacked
    attacked.database.close()
    assert attacked.system.stop() == 0, attacked.system.output()


def until(check: Any, seconds: float = 60.0) -> float:
    """Wait for ``check()`` as closely as can be; returns the moment."""
    end = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < end
        time.sleep(0.0005)  # between two looks
    return time.monotonic()


def test_a_killed_builder_harms_nothing(
    attacked: Attacked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At random moments of a build, every other time of its end, where it publishes."""
    system, rng, outcomes = attacked.system, random.Random(7), Counter[str]()
    workshop = system.home / "cache" / "build"
    attacked.fill("killed", PRODUCTS, seed=1)
    began = until(lambda: any(workshop.glob("*")))
    length = until(lambda: attacked.catalog("killed").generation) - began
    for step in range(KILLS):
        before = attacked.catalog("killed").generation
        known, at_work = attacked.blobs.folders("generations"), {*workshop.iterdir()}
        attacked.change("killed", step)
        until(lambda at_work=at_work: {*workshop.iterdir()} - at_work)
        if step % 2:
            until(lambda known=known: attacked.blobs.folders("generations") - known)
            time.sleep(rng.uniform(0, 0.01))  # the moment of the kill
        else:
            time.sleep(rng.uniform(0, length))  # the moment of the kill
        pid = system.kill("maintain")
        after = attacked.catalog("killed").generation
        new = attacked.blobs.folders("generations") - known
        outcomes["published" if after != before else "uploading" if new else "building"] += 1
        assert after == before or after in new
        open_generation(
            attacked.folder(after or ""), fingerprint=attacked.catalog("killed").fingerprint
        )
        attacked.assert_answers("killed")
        system.wait_restarted("maintain", pid)
    live = attacked.wait_built("killed")
    attacked.assert_answers("killed")
    assert attacked.ask("killed", "p0")["index"]["generation"] == live
    assert not list(workshop.iterdir()), "the next builder removes what a killed one left"
    print(f"a build takes {length:.2f} s; {KILLS} kills hit it {dict(outcomes)}")
    monkeypatch.setattr(purging, "BUILDING_S", -1)
    backend = LoneBackend(attacked.settings, lambda *_: None)
    purging.purge(backend)
    backend.database.close()
    with attacked.database.read() as connection:
        published = {*connection.execute(sa.select(generations.c.id)).scalars()}
    assert attacked.blobs.folders("generations") == published


def damage(file: Path, rng: random.Random) -> None:
    """Flip one bit of a file where it lies."""
    with file.open("r+b") as opened:
        at = rng.randrange(file.stat().st_size)
        opened.seek(at)
        (byte,) = opened.read(1)
        opened.seek(at)
        opened.write(bytes([byte ^ 1 << rng.randrange(8)]))


def test_a_flipped_bit_in_any_file_is_refused_and_built_anew(attacked: Attacked) -> None:
    """One catalog per file, so that a single restart of the search role meets them all."""
    system, rng = attacked.system, random.Random(8)
    attacked.fill("flipped-0", SMALL, seed=2)
    first = attacked.folder(attacked.wait_built("flipped-0"))
    files = sorted(p.relative_to(first) for p in first.rglob("*") if p.is_file())
    damaged = {f"flipped-{i}": file for i, file in enumerate(files)}
    for i, name in enumerate(damaged):
        if i:
            attacked.fill(name, SMALL, seed=2 + i)
    built = {name: attacked.wait_built(name) for name in damaged}
    beat = system.pids()["beat"]
    os.kill(beat, signal.SIGSTOP)  # nothing is built until all has been seen
    try:
        for name, file in damaged.items():
            damage(attacked.folder(built[name]) / file, rng)
        system.wait_restarted("search", system.kill("search"))
        for name, file in damaged.items():
            attacked.assert_answers(name)
            assert attacked.ask(name, "p0")["index"]["generation"] is None
            eventually(lambda name=name: attacked.state(name)["refused"] == 1, what=name)
            log = system.log("search").splitlines()
            told = [line for line in log if "generation_refused" in line and built[name] in line]
            assert told and str(file) in told[0], (name, file, told)
    finally:
        os.kill(beat, signal.SIGCONT)
    for name in damaged:
        assert attacked.wait_built(name) != built[name]
        attacked.assert_answers(name)
    print(f"refused and built anew: {', '.join(map(str, files))}")


def test_the_former_generation_goes_on_where_the_next_is_damaged(attacked: Attacked) -> None:
    system, rng = attacked.system, random.Random(9)
    attacked.fill("former", SMALL, seed=90)
    old = attacked.wait_built("former")
    attacked.change("former", 0)
    new = attacked.wait_built("former")
    beat = system.pids()["beat"]
    os.kill(beat, signal.SIGSTOP)
    try:
        damage(attacked.folder(old) / "codes.npy", rng)
        shown = system.cli("catalog", "rollback-index", "former", "--json")
        assert json.loads(shown.stdout)["index"]["id"] == old
        eventually(lambda: attacked.state("former")["refused"] == 1, what="the refusal")
        attacked.assert_answers("former")
        assert attacked.ask("former", "p0")["index"]["generation"] == new
    finally:
        os.kill(beat, signal.SIGCONT)
    assert attacked.wait_built("former") not in (old, new)
    attacked.assert_answers("former")
