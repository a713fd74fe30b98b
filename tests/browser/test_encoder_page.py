"""Another encoder for a catalog, on the merchant's page: there, compared, and back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from acts import expect_usable
from playwright.sync_api import Locator, Page, expect
from system import System, archive, picture


@pytest.fixture(scope="module")
def half(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the other encoder is going to lie."""
    return tmp_path_factory.mktemp("encoders") / "half.safetensors"


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory, half: Path) -> Iterator[System]:
    """A system that offers another encoder: the half of the bundled one."""
    settings = {"reindex_share": "1.0", "encoders": f"file:{half}"}
    running = System(tmp_path_factory.mktemp("moved") / "home", **settings).start()
    made = running.cli("weights", "cut", "bundled", "--dimension", "128", "--out", str(half))
    assert made.returncode == 0, made.stderr
    yield running
    assert running.stop() == 0, running.output()


def filled(system: System, name: str) -> str:
    system.create_catalog(name)
    files = [(f"p{n}.jpg", picture(n)) for n in range(12)]
    system.finish(system.upload(name, archive(files)))
    return name


def open_encoder(page: Page, catalog: str) -> Locator:
    page.goto(f"/merchant?catalog={catalog}")
    part = page.get_by_role("region", name="Encoder")
    expect(part).to_contain_text("The pictures are compared by the encoder")
    return part


def test_a_catalog_moves_to_another_encoder_and_back(
    page: Page, system: System, half: Path
) -> None:
    part = open_encoder(page, filled(system, "moved"))
    expect(part).to_contain_text("“bundled”")
    part.get_by_label("Move to").select_option(f"file:{half}")
    part.get_by_label("Switch by itself if nothing gets worse").uncheck()
    part.get_by_role("button", name="Move to this encoder").press("Enter")
    expect(part).to_contain_text("is ready.", timeout=60_000)
    table = part.get_by_role("table")
    expect(table).to_contain_text("A picture, edited, finds its own product first")
    expect_usable(page)
    page.set_viewport_size({"width": 360, "height": 740})
    expect_usable(page)
    part.get_by_role("button", name="Switch to this encoder").click()
    dialog = page.get_by_role("dialog", name="Switch to this encoder?")
    dialog.get_by_role("button", name="Switch").click()
    expect(part).to_contain_text(f"by the encoder “file:{half}”")
    assert system.search(picture(3), "moved")["results"][0]["product_id"] == "p3"
    part.get_by_role("button", name="Back to the former encoder").click()
    dialog = page.get_by_role("dialog", name="Back to the former encoder?")
    dialog.get_by_role("button", name="Go back").click()
    expect(part).to_contain_text("by the encoder “bundled”")


def test_a_move_is_cancelled(page: Page, system: System, half: Path) -> None:
    part = open_encoder(page, filled(system, "kept"))
    part.get_by_label("Switch by itself if nothing gets worse").uncheck()
    part.get_by_role("button", name="Move to this encoder").click()
    part.get_by_role("button", name="Cancel").click()
    expect(part.get_by_role("button", name="Move to this encoder")).to_be_visible()
    expect(part).to_contain_text("by the encoder “bundled”")
    assert system.search(picture(3), "kept")["results"][0]["product_id"] == "p3"
