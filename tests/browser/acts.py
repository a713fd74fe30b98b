"""What users do on the pages, and what they must see there."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, expect

AXE = Axe()
RULES = {"resultTypes": ["violations"], "rules": {"target-size": {"enabled": True}}}
"""All of axe-core's rules for pages, and the size that WCAG 2.2 wants of what is tapped."""

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


def open_search(page: Page, catalog: str) -> None:
    page.goto(f"/?catalog={catalog}")
    expect(page.get_by_label("Search in")).to_have_value(catalog)


def open_catalog(page: Page, catalog: str) -> None:
    """Open a catalog on the merchant's page; what is chosen before it is there is forgotten."""
    page.goto(f"/merchant?catalog={catalog}")
    expect(page.locator("#desk")).to_be_visible()


def hand_over(page: Page, how: str, data: bytes) -> None:
    text = base64.b64encode(data).decode()
    page.evaluate(HAND_OVER, [text, "query.jpg", "image/jpeg", how])


def first_hit(page: Page) -> Locator:
    return page.locator(".hit").first


def expect_found(page: Page, product: str, title: str) -> None:
    """The product is first, its title is visible, and its picture was loaded."""
    hit = page.locator(f'.hits > li:first-child .hit[data-product="{product}"]')
    expect(hit.get_by_role("heading", name=title, exact=True)).to_be_visible()
    loaded = "(image) => image.complete && image.naturalWidth > 0"
    image = hit.get_by_role("img").element_handle()
    page.wait_for_function(loaded, arg=image)


def reach(page: Page, place: Locator, most: int = 150) -> None:
    """Press Tab until a place has the focus."""
    for _ in range(most):
        page.keyboard.press("Tab")
        if place.evaluate("(each) => each === document.activeElement"):
            return
    pytest.fail(f"the Tab key does not reach {place}")


def press(page: Page, button: Locator) -> None:
    """Use a button by keyboard alone."""
    reach(page, button)
    page.keyboard.press("Enter")


def choose_file(page: Page, place: Locator, file: Path) -> None:
    """Choose a file by keyboard alone; the page must have been told of choosers before."""
    reach(page, place)
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files(file)


def expect_usable(page: Page) -> None:
    """Nothing that is shown now is out of reach of anybody, as far as axe-core can tell."""
    found = AXE.run(page, options=RULES).response["violations"]
    assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in found] == []
