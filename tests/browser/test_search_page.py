"""The shopper's page: every way a picture gets in, and everything that can go wrong."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect
from system import System, archive, picture

HAND_OVER = """([data, name, type, how]) => {
  const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
  const carried = new DataTransfer();
  carried.items.add(new File([bytes], name, { type }));
  const init = { bubbles: true, cancelable: true };
  if (how === "paste") {
    document.body.dispatchEvent(new ClipboardEvent("paste", { ...init, clipboardData: carried }));
  } else {
    document.body.dispatchEvent(new DragEvent(how, { ...init, dataTransfer: carried }));
  }
}"""


# Chromium does not show a test the body of a form with a file.
KEEP_BOXES = """
window.boxes = [];
const set = FormData.prototype.set;
FormData.prototype.set = function (name, ...rest) {
  if (name === "box") window.boxes.push(rest[0]);
  return set.call(this, name, ...rest);
};
"""


def open_search(page: Page, catalog: str) -> None:
    page.goto(f"/?catalog={catalog}")
    expect(page.get_by_label("Search in")).to_have_value(catalog)


def hand_over(page: Page, how: str, data: bytes) -> None:
    text = base64.b64encode(data).decode()
    page.evaluate(HAND_OVER, [text, "query.jpg", "image/jpeg", how])


def first_hit(page: Page) -> Locator:
    return page.locator(".hit").first


def expect_found(page: Page, product: str, title: str) -> None:
    """The product is first, its title is visible, and its picture really came."""
    hit = page.locator(f'.hits > li:first-child .hit[data-product="{product}"]')
    expect(hit.get_by_role("heading", name=title, exact=True)).to_be_visible()
    loaded = "(image) => image.complete && image.naturalWidth > 0"
    image = hit.get_by_role("img").element_handle()
    page.wait_for_function(loaded, arg=image)


def test_a_chosen_file_finds_the_product(page: Page, shelf: str, tmp_path: Path) -> None:
    fresh = tmp_path / "fresh.png"  # bytes no other test sends: the answer is not in the cache
    fresh.write_bytes(picture(3, form="PNG"))
    open_search(page, shelf)
    page.set_input_files("#file", fresh)
    expect_found(page, "p3", "Thing 3")
    expect(page.get_by_role("status")).to_contain_text("12 products out of 12 pictures")
    expect(page.get_by_role("status")).to_contain_text(re.compile(r"found in [\d.]+ m?s"))
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


def test_a_file_that_is_no_picture_is_explained(page: Page, shelf: str, tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("no picture at all")
    open_search(page, shelf)
    page.set_input_files("#file", text)
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("not a picture we can read")
    expect(alert).to_contain_text("convert it")
    page.set_input_files("#file", {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": picture(2)})
    expect_found(page, "p2", "Thing 2")
    expect(alert).to_be_empty()


def problem(status: int, code: str, **headers: str) -> dict[str, Any]:
    body = {"status": status, "code": code, "detail": f"{code} happened", "title": "x"}
    return {"status": status, "json": body, "headers": headers}


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (problem(503, "overloaded", **{"Retry-After": "7"}), "Wait 7 seconds"),
        (problem(413, "payload_too_large"), "too large"),
        (problem(500, "internal_error"), "Something went wrong on the server"),
        ({"status": 502, "body": "<html>proxy</html>"}, "status 502"),
        (None, "cannot be reached"),
    ],
)
def test_a_failure_says_what_to_do(
    page: Page, shelf: str, query: Path, answer: dict[str, Any] | None, words: str
) -> None:
    def refuse(route: Route) -> None:
        if answer is None:
            route.abort()
        else:
            route.fulfill(**answer)

    page.route("**/v1/searches", refuse)
    open_search(page, shelf)
    page.set_input_files("#file", query)
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text(words)
    if "too large" in words:
        return
    page.unroute("**/v1/searches")
    alert.get_by_role("button", name="Try again").click()
    expect_found(page, "p3", "Thing 3")


def test_a_slow_search_is_polled_and_a_new_one_withdraws_it(
    page: Page, shelf: str, query: Path
) -> None:
    slow = {"id": "slow", "status": "queued", "catalog": shelf, "results": None, "error": None}
    withdrawn: list[str] = []

    def job(route: Route) -> None:
        if route.request.method == "DELETE":
            withdrawn.append(route.request.url)
        route.fulfill(json=slow)

    page.route("**/v1/searches/slow", job)
    page.route("**/v1/searches", lambda route: route.fulfill(status=202, json=slow))
    open_search(page, shelf)
    with page.expect_request("**/v1/searches/slow") as polled:
        page.set_input_files("#file", query)
    assert polled.value.headers["prefer"] == "wait=5"
    expect(page.get_by_role("status")).to_have_text("Searching…")
    page.unroute("**/v1/searches")
    hand_over(page, "paste", picture(8))
    expect_found(page, "p8", "Thing 8")
    assert len(withdrawn) == 1
    slow.update(status="expired", error={"code": "search_expired", "detail": "x", "status": 503})
    page.route("**/v1/searches", lambda route: route.fulfill(status=202, json=slow))
    hand_over(page, "paste", picture(9))
    expect(page.get_by_role("alert")).to_contain_text("The search took too long")


def test_the_keyboard_alone_is_enough(page: Page, shelf: str, query: Path) -> None:
    open_search(page, shelf)
    reach(page, "file")
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files(query)
    expect_found(page, "p3", "Thing 3")
    page.locator("#crop-fields summary").focus()
    page.keyboard.press("Enter")
    reach(page, "crop-left")
    with page.expect_request("**/v1/searches"):
        page.keyboard.press("ArrowUp")
    expect(page.get_by_label("Left")).to_have_value("1")
    expect(page.locator("#hits")).to_have_attribute("aria-busy", "false")
    first_hit(page).get_by_role("button").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("Like “")).to_be_visible()
    expect(page.get_by_role("heading", name="Most similar products")).to_be_focused()


def reach(page: Page, name: str) -> None:
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == name:
            return
    pytest.fail(f"the Tab key does not reach #{name}")


def test_hostile_product_texts_stay_text(page: Page, system: System) -> None:
    evil = "<img src=x onerror=window.hacked=1>"
    rows = f'id,image,title,url,{evil}\n"{evil}",a.jpg,{evil},javascript:window.hacked=2,{evil}\n'
    catalog = system.create_catalog("hostile", title=evil)
    system.finish(
        system.upload(catalog, archive([("manifest.csv", rows.encode()), ("a.jpg", picture(1))]))
    )
    open_search(page, catalog)
    hand_over(page, "paste", picture(1))
    expect_found(page, evil.replace('"', '\\"'), evil)
    expect(first_hit(page).locator(".tags")).to_contain_text(f"{evil} {evil}")
    expect(first_hit(page).get_by_role("link")).to_have_count(0)
    page.goto(f"/merchant?catalog={catalog}")
    expect(page.get_by_role("heading", name=evil)).to_be_visible()
    assert page.evaluate("window.hacked") is None
