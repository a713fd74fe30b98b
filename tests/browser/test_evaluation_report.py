"""The report of ``visearch evaluate`` in a browser: readable, whole, and inert."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page
from system import picture

from visearch.evaluation.failures import Failure, Shown
from visearch.evaluation.page import render
from visearch.evaluation.results import (
    ClassResult,
    Curve,
    EncoderResult,
    LevelResult,
    Point,
    Sheet,
    Study,
)
from visearch.evaluation.robustness import CORRUPTIONS
from visearch.evaluation.summary import Estimate

HOSTILE = "<script>window.hacked = 1</script>&\"'"
NAMES = ("bundled", "file:other.safetensors")


def encoder(name: str, recall: float) -> EncoderResult:
    metrics = {"recall@1": Estimate(recall, recall - 0.1, recall + 0.1)}
    metrics |= {name: Estimate(0.5, None, None) for name in ("precision@10", "map", "median_rank")}
    values = {name: each.value for name, each in metrics.items()}
    classes = [ClassResult("mug", 5, values), ClassResult(HOSTILE, 3, values)]
    curves = [
        Curve(c.name, c.unit, [Point(s, metrics["recall@1"]) for s in (None, *c.severities)])
        for c in CORRUPTIONS
    ]
    level = LevelResult("kind", 8, 10, 1, 2, 4, None, metrics, classes)
    return EncoderResult(name, f"{name}-0123", 256, None, [level], curves)


@pytest.fixture
def report(tmp_path: Path) -> Path:
    """A report on two encoders, with figures and failures made up."""
    gain = {
        "recall@1": Estimate(0.3, 0.1, 0.4),
        "precision@10": Estimate(-0.1, -0.2, 0.1),
        "map": Estimate(-0.2, -0.3, -0.1),
        "median_rank": Estimate(-2, -3, -1),
    }
    encoders = [encoder(NAMES[0], 0.4), encoder(NAMES[1], 0.7)]
    study = Study(10, "leave-one-out", "cosine", 0.95, 1000, 10, encoders, [gain])
    failure = Failure(
        Shown(0, "mug"), [Shown(1, HOSTILE), Shown(2, "mug"), Shown(3, "hat")], Shown(2, "mug"), 2
    )
    sheets = [Sheet(name, "kind", [failure]) for name in NAMES]
    path = tmp_path / "report.html"
    path.write_text(render(study, sheets, [picture(i) for i in range(4)]), encoding="utf-8")
    return path


@pytest.fixture
def opened(chromium: Browser, report: Path) -> Iterator[Page]:
    """The report on a small phone; any error or request for another file is a failure."""
    context = chromium.new_context(viewport={"width": 360, "height": 740})
    page, sins = context.new_page(), list[str]()
    page.on("console", lambda message: sins.append(message.text))
    page.on("pageerror", lambda error: sins.append(str(error)))
    home = report.as_uri()
    page.on("request", lambda r: None if r.url.startswith((home, "data:")) else sins.append(r.url))
    page.goto(home)
    yield page
    context.close()
    assert sins == []


def test_it_shows_figures_curves_and_failures(opened: Page) -> None:
    assert [th.inner_text() for th in opened.locator("table").first.locator("th").all()] == [
        "",
        *NAMES,
        "difference",
    ]
    assert opened.locator("svg").count() == len(CORRUPTIONS)
    assert opened.locator("polyline").count() == 2 * len(CORRUPTIONS)
    sizes = opened.locator("img").evaluate_all("all => all.map((img) => img.naturalWidth)")
    # The query, the one wrong answer before the right one, and that one, for each encoder.
    assert sizes == [112] * 6


def test_only_certain_differences_are_called_better_or_worse(opened: Page) -> None:
    verdicts = opened.locator("table").first.locator("td:last-child")
    classes = verdicts.evaluate_all("all => all.map((cell) => cell.className)")
    assert classes == ["better", "even", "worse", "better"]  # a lower median rank is better


def test_names_from_the_data_are_text(opened: Page) -> None:
    assert opened.evaluate("window.hacked") is None
    opened.locator("summary").click()
    assert opened.get_by_role("cell", name=HOSTILE, exact=True).count() == 1


def test_it_fits_a_phone(opened: Page) -> None:
    assert opened.evaluate("document.documentElement.scrollWidth") == 360
