"""Draw the curves from ``index.py --curves``: queries per second against recall@10, by engine.

python bench/index_plot.py curves.json --out curves.svg
"""

from __future__ import annotations

import argparse
import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

WAYS = {"qps": "one query at a time", "qps_batched": "all queries at once"}
NAMES = {"ours": "visearch", "scann": "bare ScaNN", "scann-alike": "bare ScaNN, our settings"}
NAMES |= {"faiss-hnsw": "faiss HNSW"}
NAMES |= {"faiss-ivfpq": "faiss IVF-PQ fast scan"}
LEAST_RECALL = 0.8


def front(curve: list[dict[str, Any]], way: str) -> list[tuple[float, float]]:
    """Return (recall, queries per second) of the settings that no other beats at both."""
    points = sorted(((p["recall"], p[way]) for p in curve), reverse=True)
    best: list[tuple[float, float]] = []
    for recall, speed in points:
        if recall >= LEAST_RECALL and (not best or speed > best[-1][1]):
            best.append((recall, speed))
    return best


def draw(result: dict[str, Any], out: Path) -> None:
    """Draw one chart for each way of asking, side by side."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    # Text stays text, and the same curves give the same file.
    matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "visearch"})
    figure, charts = pyplot.subplots(1, len(WAYS), figsize=(10, 4), sharey=True)
    for chart, (way, title) in zip(charts, WAYS.items(), strict=True):
        for (name, engine), marker in zip(result["engines"].items(), "os^DvP", strict=False):
            if points := front(engine["curve"], way):
                chart.plot(*zip(*points, strict=True), marker=marker, label=NAMES.get(name, name))
        chart.set(title=title, xlabel="recall@10", yscale="log", xlim=(LEAST_RECALL, 1.005))
        chart.grid(which="both", alpha=0.3)
    charts[0].set_ylabel("queries per second, one thread")
    charts[0].legend()
    figure.suptitle(f"{result['count']:,} vectors of {result['dimension']} numbers")
    figure.tight_layout()
    figure.savefig(out, metadata={"Date": None})


def main() -> None:
    """Parse the command line and draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("curves", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    if find_spec("matplotlib") is None:
        raise SystemExit("matplotlib is not installed. Run `pip install matplotlib`.")
    draw(json.loads(options.curves.read_text()), options.out)


if __name__ == "__main__":
    main()
