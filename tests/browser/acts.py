"""What a shopper does on the search page, and what they must see."""

from __future__ import annotations

import base64

from playwright.sync_api import Locator, Page, expect

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
