"""The shopper's page: every way to provide a picture, and what can be done with the results."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from acts import choose_file, expect_found, first_hit, hand_over, open_search, reach
from playwright.sync_api import Browser, Page, Route, expect
from system import System, picture

# Chromium does not show tests the body of a form with a file.
KEEP_BOXES = """
window.boxes = [];
const set = FormData.prototype.set;
FormData.prototype.set = function (name, ...rest) {
  if (name === "box") window.boxes.push(rest[0]);
  return set.call(this, name, ...rest);
};
"""


def test_a_chosen_file_finds_the_product(page: Page, shelf: str, tmp_path: Path) -> None:
    fresh = tmp_path / "fresh.png"  # bytes no other test sends: the answer is not in the cache
    fresh.write_bytes(picture(3, form="PNG"))
    open_search(page, shelf)
    page.set_input_files("#file", fresh)
    expect_found(page, "p3", "Thing 3")
    expect(page.get_by_role("status")).to_contain_text("12 products found among 12 pictures")
    expect(page.get_by_role("status")).to_contain_text(re.compile(r"pictures in [\d.]+ m?s"))
    expect(first_hit(page)).to_contain_text(re.compile(r"(9\d|100)% similar"))
    expect(first_hit(page).locator(".tags")).to_contain_text("colour c3")
    link = first_hit(page).get_by_role("link")
    expect(link).to_have_attribute("href", "https://shop.example/3")
    expect(link).to_have_attribute("rel", "noopener noreferrer")
    assert page.evaluate("document.getElementById('query-picture').naturalWidth") == 160


def test_a_dropped_picture_is_searched(page: Page, shelf: str) -> None:
    open_search(page, shelf)
    hand_over(page, "dragenter", picture(5))
    expect(page.get_by_text("Drop the picture to search")).to_be_visible()
    hand_over(page, "drop", picture(5))
    expect_found(page, "p5", "Thing 5")
    expect(page.get_by_text("Drop the picture to search")).to_be_hidden()


def test_a_pasted_picture_is_searched(page: Page, shelf: str) -> None:
    open_search(page, shelf)
    hand_over(page, "paste", picture(7))
    expect_found(page, "p7", "Thing 7")


def test_a_picture_may_come_before_the_page_is_ready(page: Page, shelf: str) -> None:
    held: list[Route] = []
    page.route("**/v1/catalogs?*", lambda route: held.append(route))
    page.route("**/samples", lambda route: held.append(route))
    with page.expect_request("**/v1/catalogs?*"):  # the page listens by then
        page.goto(f"/?catalog={shelf}")
    hand_over(page, "paste", picture(6))
    held.pop(0).continue_()
    expect_found(page, "p6", "Thing 6")
    while held:
        held.pop(0).continue_()
    expect_found(page, "p6", "Thing 6")


def test_a_sample_query_finds_its_drawn_product(page: Page, system: System) -> None:
    listed = system.http.get("/v1/catalogs/demo/products", params={"limit": 100}).json()["items"]
    drawn = {product["id"] for product in listed}
    samples = system.http.get("/samples").json()
    sample = next(each for each in samples if each["product_id"] in drawn)
    page.goto("/")
    expect(page.get_by_text("These products are drawn by a program")).to_be_visible()
    page.get_by_role("button", name=f"Search with: {sample['alt']}").click()
    expect(first_hit(page)).to_be_visible()
    found = page.locator(".hit").evaluate_all("hits => hits.map((hit) => hit.dataset.product)")
    assert sample["product_id"] in found[:3]
    assert len(set(found)) == len(drawn), "a product is missing or appears twice"


def test_the_catalog_choice_is_remembered(page: Page, system: System, shelf: str) -> None:
    page.goto("/")
    catalogs = system.http.get("/v1/catalogs").json()["items"]
    first = next(catalog["name"] for catalog in catalogs if catalog["products"])
    assert first != shelf
    expect(page.get_by_label("Search in")).to_have_value(first)
    page.get_by_label("Search in").select_option(shelf)
    page.goto("/")
    expect(page.get_by_label("Search in")).to_have_value(shelf)


def test_a_part_of_the_picture_is_searched_again(page: Page, shelf: str, query: Path) -> None:
    page.add_init_script(KEEP_BOXES)
    open_search(page, shelf)
    page.set_input_files("#file", query)
    expect_found(page, "p3", "Thing 3")
    area = page.locator("#crop").bounding_box()
    assert area is not None
    x, y, width, height = area["x"], area["y"], area["width"], area["height"]
    with page.expect_request("**/v1/searches"):
        page.mouse.move(x + 0.25 * width, y + 0.25 * height)
        page.mouse.down()
        page.mouse.move(x + 0.5 * width, y + 0.5 * height)
        page.mouse.move(x + 0.75 * width, y + 0.75 * height)
        page.mouse.up()
    assert len(page.evaluate("window.boxes")) == 1
    box = json.loads(page.evaluate("window.boxes[0]"))
    assert box == pytest.approx([0.25, 0.25, 0.75, 0.75], abs=0.02)
    expect(page.locator("#hits")).to_have_attribute("aria-busy", "false")
    expect(first_hit(page)).not_to_contain_text("100% similar")
    page.get_by_role("button", name="Search the whole picture").click()
    expect(first_hit(page)).to_contain_text(re.compile(r"(99|100)% similar"))


def test_more_like_this_searches_with_the_product(page: Page, shelf: str, query: Path) -> None:
    open_search(page, shelf)
    page.set_input_files("#file", query)
    expect_found(page, "p3", "Thing 3")
    second = page.locator(".hit").nth(1)
    title = second.get_by_role("heading").inner_text()
    second.get_by_role("button", name="More like").click()
    expect(page.get_by_text(f"Like “{title}”")).to_be_visible()
    expect(first_hit(page).get_by_role("heading")).to_have_text(title)
    page.go_back()
    expect_found(page, "p3", "Thing 3")
    expect(page.get_by_role("img", name="Your query: query.jpg")).to_be_visible()


def test_the_address_of_a_result_shows_it_again(
    page: Page, chromium: Browser, shelf: str, query: Path
) -> None:
    open_search(page, shelf)
    page.set_input_files("#file", query)
    expect_found(page, "p3", "Thing 3")
    expect(page).to_have_url(re.compile(r"\?catalog=shelf&search=."))
    other = chromium.new_page()
    other.goto(page.url)
    expect_found(other, "p3", "Thing 3")
    other.close()
    page.goto("/?search=00000000-0000-7000-8000-000000000000")
    expect(page.get_by_role("alert")).to_contain_text("There is no search")


def test_the_keyboard_alone_is_enough(page: Page, shelf: str, query: Path) -> None:
    # Playwright begins to catch choosers some time after it is asked to.
    page.on("filechooser", lambda _: None)
    open_search(page, shelf)
    choose_file(page, page.locator("#file"), query)
    expect_found(page, "p3", "Thing 3")
    page.locator("#crop-fields summary").focus()
    page.keyboard.press("Enter")
    reach(page, page.get_by_label("Left"))
    with page.expect_request("**/v1/searches"):
        page.keyboard.press("ArrowUp")
    expect(page.get_by_label("Left")).to_have_value("1")
    expect(page.locator("#hits")).to_have_attribute("aria-busy", "false")
    first_hit(page).get_by_role("button").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("Like “")).to_be_visible()
    expect(page.get_by_role("heading", name="Most similar products")).to_be_focused()
