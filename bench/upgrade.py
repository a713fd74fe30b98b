"""A model upgrade under load: a catalog gets another encoder and goes back, always in service.

Starts its own system and imports the archive. While clients search continuously with edited
pictures, a reindex to ``--encoder`` runs, is compared and activated, and is then rolled back;
meanwhile products are added and deleted. Afterwards the scores of sampled answers are recomputed
with the encoder that each answer names, which would reveal a vector of the other one. It fails if
a search failed, a score is wrong, the old encoder answered after the activation, or a change was
lost.

    python bench/upgrade.py --archive fashion.zip --limit 8000 --encoder file:new.safetensors --json
"""

from __future__ import annotations

import argparse
import csv
import io
import sys
import tempfile
import time
import zipfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from common import import_archive, machine, percentiles, pictures, products, show
from own_system import OwnSystem, own_system
from serve import make_queries
from upgrade_load import Answer, Query, Shopkeeper, Shoppers, late

from visearch.cli.client import until
from visearch.encoders.encoder import Encoder
from visearch.encoders.runtimes.options import RunOptions
from visearch.images import decode

CATALOG = "upgrade"
WHERE = f"/v1/catalogs/{CATALOG}"
QUERIES = 300
CHANGES = 200
"""Products kept back for the shopkeeper to add; as many may be deleted."""

CHECKED = 100
TOLERANCE = 0.01
REINDEX_S = 7200.0
SWITCH_S = 60.0
FAULTS = ("failed", "scores_off", "late_answers", "undead", "lost", "refused")


def cut(whole: Path, labels: Path | None, limit: int, into: Path) -> tuple[Path, dict[str, bytes]]:
    """Write an archive of ``limit`` pictures; return it and some pictures that are not in it.

    ``labels`` is a CSV that describes the pictures, with columns sku and image.
    """
    data = pictures(whole)
    order = np.random.default_rng(0).permutation(sorted(data))[: limit + CHANGES].tolist()
    kept, spare = order[:-CHANGES], order[-CHANGES:]
    path = into / "cut.zip"
    with zipfile.ZipFile(path, "w") as file:
        for name in kept:
            file.writestr(name, data[name])
        if labels:
            file.writestr("manifest.csv", _manifest(labels, set(kept)))
    return path, {f"new-{Path(name).stem}": data[name] for name in spare}


def _manifest(labels: Path, kept: set[str]) -> str:
    with labels.open(newline="") as file:
        rows = [{"id": row.pop("sku"), **row} for row in csv.DictReader(file)]
    out = io.StringIO()
    writer = csv.DictWriter(out, rows[0])
    writer.writeheader()
    writer.writerows(row for row in rows if row["image"] in kept)
    return out.getvalue()


class Upgrade:
    """The upgrade and the way back; ``marks`` are the start times of its parts (monotonic)."""

    def __init__(self, system: OwnSystem, encoder: str, rest: float) -> None:
        self._client = system.client()
        self._encoder, self._rest = encoder, rest
        self.marks: dict[str, float] = {}
        self.reindex: dict[str, Any] = {}
        self.former = ""
        self.embedded_s = 0.0
        self.held: str | None = None

    def run(self, shoppers: Shoppers) -> None:
        """Rest, reindex, rest, roll back, rest."""
        self.former = self._client.call("GET", WHERE)["fingerprint"]
        self._mark("before")
        time.sleep(self._rest)  # searches go on
        self._mark("during")
        body = {"encoder": self._encoder}
        self.reindex = self._client.call("POST", f"{WHERE}/reindex", json=body)
        until(self._is_active, REINDEX_S, "The end of the reindex")
        self._switched(shoppers, self.reindex["fingerprint"])
        self._mark("after")
        time.sleep(self._rest)  # searches go on
        self._mark("back")
        self._client.call("POST", f"{WHERE}/rollback")
        self._switched(shoppers, self.former)
        time.sleep(self._rest)  # searches go on
        self._mark("end")

    def _mark(self, name: str) -> None:
        self.marks[name] = time.monotonic()

    def _is_active(self) -> bool:
        """Read the reindex; activate one that is held back, as an operator might."""
        one = f"{WHERE}/reindex/{self.reindex['id']}"
        self.reindex = self._client.call("GET", one)
        counts = self.reindex["counts"]
        if counts["embedded"] == counts["images"] and not self.embedded_s:
            self.embedded_s = time.monotonic() - self.marks["during"]
        if self.reindex["status"] == "failed":
            raise SystemExit(f"The reindex failed: {self.reindex['detail']}")
        if self.reindex["code"] == "held" and self.held is None:
            self.held = self.reindex["detail"]
            self._client.call("POST", f"{one}/activate")
        return bool(self.reindex["status"] == "active")

    def _switched(self, shoppers: Shoppers, encoder: str) -> None:
        """Wait until ``encoder`` answers the searches."""
        until(lambda: shoppers.answers[-1].encoder == encoder, SWITCH_S, f"An answer of {encoder}")


def scores_off(
    answers: list[Answer], queries: list[Query], shown: dict[str, bytes], encoder: str
) -> int:
    """Count the first hits whose score is not what the named encoder gives the two pictures."""
    network = Encoder.open(encoder, (64,), RunOptions(shared=True))
    mine = [a for a in answers if a.encoder == network.fingerprint and a.found]
    step = max(1, len(mine) // CHECKED)
    checked = [a for a in mine[::step] if a.found[0]["product_id"] in shown]
    least = network.preprocess.at_least

    def vectors(data: list[bytes]) -> np.ndarray:
        return np.asarray(network.embed([decode(raw, at_least=least) for raw in data]))

    asked = vectors([queries[a.query][1] for a in checked])
    found = vectors([shown[a.found[0]["product_id"]] for a in checked])
    scores = np.array([a.found[0]["score"] for a in checked])
    return int((np.abs((asked * found).sum(1) - scores) > TOLERANCE).sum())


def phases(upgrade: Upgrade, answers: list[Answer], queries: list[Query]) -> dict[str, Any]:
    """Return latencies, rates and the share of correct first hits, by part of the upgrade."""
    out = {}
    for name, end in pairwise(upgrade.marks):
        start, stop = upgrade.marks[name], upgrade.marks[end]
        mine = [each for each in answers if start <= each.began < stop]
        out[name] = {
            "seconds": round(stop - start, 1),
            "searches": len(mine),
            "search_ms": percentiles([1e3 * each.seconds for each in mine]),
            "own_first": round(sum(e.is_right(queries) for e in mine) / len(mine), 4),
        }
    return out


def measure(system: OwnSystem, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Import, upgrade and roll back under load; return the figures."""
    labels = Path(options.labels) if options.labels else None
    path, spare = cut(Path(options.archive), labels, options.limit, folder)
    with system.open_http() as client:
        *_, record = import_archive(client, CATALOG, path)
    queries = make_queries(path, QUERIES, 0)
    asked = set().union(*(right for right, _ in queries))
    owner = products(path)
    shown = {owner[name]: data for name, data in pictures(path).items()}
    doomed = [name for name in shown if name not in asked][:CHANGES]
    shoppers = Shoppers(system, CATALOG, queries)
    keeper = Shopkeeper(system, CATALOG, spare, doomed)
    upgrade = Upgrade(system, options.encoder, options.rest)
    shoppers.start(options.clients)
    keeper.start()
    try:
        until(lambda: shoppers.answers, SWITCH_S, "The first answer")
        upgrade.run(shoppers)
    finally:
        keeper.stop()
        shoppers.stop()
    return {
        "imported": record["counts"],
        **_reindex(upgrade),
        "answers": len(shoppers.answers),
        "failed": len(shoppers.failed),
        "phases": phases(upgrade, shoppers.answers, queries),
        "encoders": _encoders(shoppers.answers),
        "late_answers": _late(upgrade, shoppers.answers),
        "scores_off": sum(
            scores_off(shoppers.answers, queries, shown | spare, encoder)
            for encoder in ("bundled", options.encoder)
        ),
        "changes": {"added": len(keeper.added), "deleted": len(keeper.deleted)},
        "undead": keeper.undead(shoppers.answers),
        "lost": len(lost := keeper.lost()),
        "refused": len(keeper.refused),
        "examples": [*shoppers.failed[:5], *lost[:5], *keeper.refused[:5]],
    }


def _reindex(upgrade: Upgrade) -> dict[str, Any]:
    images = upgrade.reindex["counts"]["images"]
    return {
        "reindex_s": round(upgrade.marks["after"] - upgrade.marks["during"], 1),
        "reindex_images_per_s": round(images / upgrade.embedded_s, 1),
        "comparison": upgrade.reindex["comparison"],
        "held": upgrade.held,
    }


def _late(upgrade: Upgrade, answers: list[Answer]) -> int:
    """Count an encoder's answers after its successor's first, in both directions."""
    turn = upgrade.marks["back"]
    there = [each for each in answers if each.began < turn]
    back = [each for each in answers if each.began >= turn]
    return late(there, upgrade.reindex["fingerprint"]) + late(back, upgrade.former)


def _encoders(answers: list[Answer]) -> dict[str, int]:
    names = [each.encoder for each in answers]
    return {name: names.count(name) for name in dict.fromkeys(names)}


def main() -> None:
    """Parse the command line, measure, print; exit 1 if something was lost or mixed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--archive", required=True, help="zip of pictures")
    parser.add_argument("--labels", help="CSV that describes the pictures: sku, image, attributes")
    parser.add_argument("--limit", type=int, default=40_000, help="pictures taken")
    parser.add_argument("--encoder", required=True, help="the new one")
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument(
        "--rest", type=float, default=15.0, help="seconds to rest before and after the changes"
    )
    parser.add_argument("--share", type=float, default=0.5, help="see VISEARCH_REINDEX_SHARE")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="visearch-bench-") as folder,
        own_system(reindex_share=str(options.share), encoders=options.encoder) as system,
    ):
        result = measure(system, options, Path(folder))
    broken = [name for name in FAULTS if result[name]]
    facts = {"bench": "upgrade", "clients": options.clients, "reindex_share": options.share}
    show({**facts, **result, "broken": broken, **machine()}, as_json=options.json)
    sys.exit(bool(broken))


if __name__ == "__main__":
    main()
