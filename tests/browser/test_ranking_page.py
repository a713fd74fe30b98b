"""What counts in a search: weights on the merchant's page, and what a shopper looks for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from acts import expect_usable, first_hit, open_search
from playwright.sync_api import Locator, Page, expect
from system import System, archive, picture


@pytest.fixture
def catalog(system: System, request: pytest.FixtureRequest) -> str:
    """A catalog of the test's own with the products ``p0`` to ``p5``."""
    name = request.node.name.removeprefix("test_").replace("_", "-").split("[")[0][:50]
    made = system.create_catalog(name)
    files = [(f"p{n}.jpg", picture(n)) for n in range(6)]
    system.finish(system.upload(made, archive(files)))
    return made


def open_ranking(page: Page, catalog: str) -> Locator:
    page.goto(f"/merchant?catalog={catalog}")
    ranking = page.get_by_role("region", name="What counts in a search")
    expect(ranking).to_be_visible()
    return ranking


def weights_of(system: System, catalog: str) -> Any:
    return system.http.get(f"/v1/catalogs/{catalog}/ranking").json()["weights"]


def test_weights_are_set_by_keyboard_and_taken_back(
    page: Page, system: System, catalog: str
) -> None:
    ranking = open_ranking(page, catalog)
    expect(ranking).to_contain_text("The weights are the encoder's own.")
    kind = ranking.get_by_label("Which kind of product it is")
    kind.focus()
    page.keyboard.press("Home")
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    expect(ranking.locator("output").nth(1)).to_have_text("0.50")
    page.keyboard.press("Tab")  # to the next slider, and to the button
    page.keyboard.press("Tab")
    expect(ranking.get_by_role("button", name="Use these weights")).to_be_focused()
    page.keyboard.press("Enter")
    expect(ranking).to_contain_text("The weights are those that were set here.")
    assert weights_of(system, catalog) == {"general": 1, "kind": 0.5, "instance": 1}
    page.reload()
    expect(kind).to_have_value("0.5")
    ranking.get_by_role("button", name="Fit to the pictures").click()
    expect(ranking).to_contain_text("The weights are the encoder's own.")
    assert weights_of(system, catalog) is None


def test_weights_that_are_all_none_are_refused_in_a_sentence(page: Page, catalog: str) -> None:
    ranking = open_ranking(page, catalog)
    for slider in ranking.get_by_role("slider").all():
        slider.fill("0")
    ranking.get_by_role("button", name="Use these weights").click()
    expect(ranking.get_by_role("alert").filter(has_text="one above 0")).to_be_visible()


def test_a_shopper_looks_for_a_kind(page: Page, system: System, catalog: str, query: Path) -> None:
    open_search(page, catalog)
    looks_for = page.get_by_label("Look for")
    expect(looks_for).to_be_visible()
    page.get_by_label("Choose a picture").set_input_files(query)
    expect(first_hit(page)).to_be_visible()
    hits = page.locator(".hit")
    plain = hits.all_inner_texts()
    looks_for.select_option("The same kind of product")
    found = system.search(picture(3), catalog, focus="kind", group=True)["results"]
    for place, hit in enumerate(found):
        expect(hits.nth(place)).to_have_attribute("data-product", hit["product_id"])
    assert hits.all_inner_texts() != plain, "other scores"


@pytest.mark.parametrize("width", [360, 1280])
def test_the_weights_are_usable(page: Page, catalog: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    open_ranking(page, catalog)
    expect_usable(page)


def test_a_shopper_keeps_looking_for_it_in_another_catalog(
    page: Page, system: System, catalog: str, query: Path
) -> None:
    other = system.create_catalog(f"{catalog[:40]}-other")
    files = [(f"p{n}.jpg", picture(n)) for n in range(6)]
    system.finish(system.upload(other, archive(files)))
    open_search(page, catalog)
    page.get_by_label("Look for").select_option("The same kind of product")
    page.get_by_label("Choose a picture").set_input_files(query)
    expect(first_hit(page)).to_be_visible()
    first = page.url
    of_its_kind = page.locator(".hit").all_inner_texts()
    page.get_by_label("Search in").select_option(other)
    expect(page).not_to_have_url(first)
    expect(page.get_by_label("Look for")).to_have_value("kind")
    assert page.locator(".hit").all_inner_texts() == of_its_kind, "other scores"
    page.get_by_label("Look for").select_option("")
    expect(page.locator("#bench")).to_have_attribute("data-state", "result")
    page.go_back()
    expect(page).to_have_url(first)
    expect(page.get_by_label("Look for")).to_have_value("kind")


def test_sliders_stay_as_the_user_moves_them(page: Page, system: System, catalog: str) -> None:
    ranking = open_ranking(page, catalog)
    kind = ranking.get_by_label("Which kind of product it is")
    kind.fill("2")
    kind.focus()
    weights = {"general": 1, "kind": 0.25, "instance": 1}
    system.http.put(f"/v1/catalogs/{catalog}/ranking", json={"weights": weights})
    expect(ranking).to_contain_text("set here", timeout=20_000)
    expect(kind).to_have_value("2")
    expect(kind).to_be_focused()


def test_what_cannot_be_read_is_said(page: Page, catalog: str) -> None:
    page.route("**/ranking", lambda route: route.fulfill(status=503, json={
        "type": "about:blank", "title": "Away", "status": 503, "code": "dependency_unavailable",
        "detail": "The database is away.", "request_id": "r", "retryable": True,
    }))  # fmt: skip
    page.goto(f"/merchant?catalog={catalog}")
    ranking = page.get_by_role("region", name="What counts in a search")
    said = ranking.get_by_role("alert").filter(has_text="Part of the server is down")
    expect(said).to_be_visible()
    expect(ranking.get_by_role("button", name="Use these weights")).to_be_hidden()
