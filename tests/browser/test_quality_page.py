"""Quality on the merchant's page: recall in a sentence, golden queries and their places."""

from __future__ import annotations

from pathlib import Path

import pytest
from acts import expect_usable
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


def open_quality(page: Page, catalog: str) -> Locator:
    page.goto(f"/merchant?catalog={catalog}")
    return page.get_by_role("region", name="Quality")


def make(page: Page, quality: Locator, name: str, file: Path, products: str) -> Locator:
    """Make a golden query by keyboard; returns its entry."""
    quality.get_by_role("button", name="New golden query").focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="New golden query")
    expect(dialog.get_by_label("Name")).to_be_focused()
    page.keyboard.type(name)
    page.keyboard.press("Tab")
    expect(dialog.get_by_label("Picture")).to_be_focused()
    dialog.get_by_label("Picture").set_input_files(file)
    page.keyboard.press("Tab")
    page.keyboard.type(products)
    page.keyboard.press("Tab")
    expect(dialog.get_by_role("button", name="Save")).to_be_focused()
    page.keyboard.press("Enter")
    return quality.get_by_role("listitem").filter(has_text=name)


def test_a_golden_query_is_made_and_checked(
    page: Page, system: System, catalog: str, query: Path
) -> None:
    quality = open_quality(page, catalog)
    expect(quality).to_contain_text("There is no index yet")
    expect(quality).to_contain_text("There are no golden queries yet.")
    entry = make(page, quality, "mugs", query, "p5\np3")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(quality.get_by_role("button", name="New golden query")).to_be_focused()
    expect(entry).to_contain_text("Found first")
    expect(entry).to_contain_text("Ought to find p5 or p3")
    loaded = "(image) => image.complete && image.naturalWidth > 0"
    page.wait_for_function(loaded, arg=entry.locator("img").element_handle())
    expect(quality).to_contain_text(
        "Of one golden query, 1 found a product first, 1 among the first ten."
    )
    for product in ("p3", "p5"):
        system.http.delete(f"/v1/catalogs/{catalog}/products/{product}").raise_for_status()
    check = quality.get_by_role("button", name="Check now")
    check.focus()
    page.keyboard.press("Enter")
    expect(entry).to_contain_text("Not found")
    expect(quality).to_contain_text("1 found nothing that was expected")
    expect(check).to_be_focused()


def test_what_is_missing_or_unknown_is_told(
    page: Page, catalog: str, query: Path, tmp_path: Path
) -> None:
    quality = open_quality(page, catalog)
    make(page, quality, "bad", query, "nobody")
    dialog = page.get_by_role("dialog", name="New golden query")
    alert = dialog.get_by_role("alert")
    expect(alert).to_contain_text("The catalog has no product 'nobody'.")
    text = tmp_path / "text.png"
    text.write_text("no picture")
    dialog.get_by_label("Picture").set_input_files(text)
    dialog.get_by_label("IDs of the products").fill("p1")
    save = dialog.get_by_role("button", name="Save")
    save.click()
    expect(alert).to_contain_text("not a picture we can read")
    dialog.get_by_label("IDs of the products").fill(" \n")
    save.click()
    expect(alert).to_contain_text("a picture and the ID of a product")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(quality.get_by_role("listitem")).to_have_count(0)


def test_a_golden_query_is_deleted_after_a_question(
    page: Page, system: System, catalog: str, query: Path
) -> None:
    quality = open_quality(page, catalog)
    entry = make(page, quality, "gone", query, "p3")
    remove = entry.get_by_role("button", name="Delete the golden query gone")
    remove.click()
    page.keyboard.press("Escape")
    expect(entry).to_have_count(1)
    remove.click()
    page.get_by_role("dialog").get_by_role("button", name="Delete", exact=True).click()
    expect(entry).to_have_count(0)
    expect(quality.get_by_role("heading", name="Quality")).to_be_focused()
    assert system.http.get(f"/v1/catalogs/{catalog}/golden").json()["items"] == []


def test_the_recall_and_the_place_before_are_in_words(
    page: Page, system: System, catalog: str
) -> None:
    at, before = "2026-03-04T05:06:07Z", {"generation": "one", "encoder": "a", "checked_at": None}
    shown = {
        "name": "sofa",
        "products": ["p1"],
        "image_url": "/static/logo.svg",
        "updated_at": at,
        "checked_at": at,
        "generation": "two",
        "encoder": "a",
        "error": {"detail": "No worker answered before the deadline."},
    }
    items = [
        {**shown, "rank": 4, "previous": {**before, "rank": None}},
        {**shown, "name": "lamp", "rank": 37, "error": None, "previous": {**before, "rank": 1}},
        {**shown, "name": "rug", "rank": None, "encoder": "b", "previous": {**before, "rank": 12}},
    ]
    golden = {"queries": 3, "first": 0, "in_ten": 1, "not_found": 1, "unchecked": 0}
    said = {"generation": "two", "recall": 0.9912, "target_recall": 0.98, "measured_at": at}
    page.route(
        "**/golden?*", lambda route: route.fulfill(json={"items": items, "next_cursor": None})
    )
    page.route("**/quality", lambda route: route.fulfill(json={**said, "golden": golden}))
    quality = open_quality(page, catalog)
    expect(quality).to_contain_text("Of the ten nearest products a search finds 99.1 % (measured")
    expect(quality).to_contain_text("aim 98 %)")
    entries = quality.get_by_role("listitem")
    expect(entries.nth(0)).to_contain_text("Found at place 4")
    expect(entries.nth(0)).to_contain_text("With the index before: not found among the first 100")
    expect(entries.nth(0)).to_contain_text("The last check failed: No worker answered")
    expect(entries.nth(1)).to_contain_text("Found at place 37")
    expect(entries.nth(1)).to_contain_text("With the index before: found first")
    expect(entries.nth(2)).to_contain_text("Not found")
    expect(entries.nth(2)).to_contain_text("With the encoder before: found at place 12")


def test_quality_fits_on_a_phone_and_is_usable(phone: Page, catalog: str, query: Path) -> None:
    quality = open_quality(phone, catalog)
    entry = make(phone, quality, "a-name-of-many-letters-" + "x" * 40, query, "p3")
    expect(entry).to_contain_text("Found first")
    wide = "document.documentElement.scrollWidth"
    assert phone.evaluate(wide) == 360
    expect_usable(phone)
    quality.get_by_role("button", name="New golden query").tap()
    dialog = phone.get_by_role("dialog", name="New golden query")
    expect(dialog).to_be_visible()
    assert phone.evaluate(wide) == 360
    assert dialog.evaluate("(each) => each.scrollWidth <= each.clientWidth")
    expect_usable(phone)
