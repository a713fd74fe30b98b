"""A real Chromium on a real system; every page is watched for errors and foreign requests."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect, sync_playwright
from shop import FETCHING
from system import System, archive, picture

from visearch.demo import write_archive, write_samples

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# The browser itself logs every unsuccessful response; the pages explain those.
ANSWERED = ("Failed to load resource", "EventSource's response has a MIME type")
PATIENCE_MS = 20_000
N_PRODUCTS = 12
N_DRAWN = 24


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """One browser for all tests."""
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("NO CHROMIUM: the pages are NOT tested; install chromium to test them")
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def system(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A running system with a small drawn demo, which all browser tests share.

    `up` draws 600 pictures for the demo; these are the first of the same ones.
    """
    running = System(tmp_path_factory.mktemp("pages") / "home", **FETCHING).start()
    write_samples(running.home / "samples")
    file = running.home.with_name("demo.zip")
    write_archive(file, N_DRAWN)
    demo = running.create_catalog("demo", title="Demo (drawn products)")
    running.finish(running.upload(demo, file.read_bytes()))
    yield running
    assert running.stop() == 0, running.output()


@pytest.fixture(scope="session")
def shelf(system: System) -> str:
    """A catalog of drawn pictures: product ``p3`` is ``picture(3)``, titled "Thing 3"."""
    rows = ["id,image,title,url,colour"]
    rows += [f"p{i},p{i}.jpg,Thing {i},https://shop.example/{i},c{i}" for i in range(N_PRODUCTS)]
    files = [(f"p{i}.jpg", picture(i)) for i in range(N_PRODUCTS)]
    catalog = system.create_catalog("shelf", title="The shelf")
    system.finish(
        system.upload(catalog, archive([("manifest.csv", "\n".join(rows).encode()), *files]))
    )
    return catalog


@dataclass
class Watch:
    """Records what a page did that none of our pages may do."""

    home: str
    sins: list[str] = field(default_factory=list)

    def console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not message.text.startswith(ANSWERED):
            self.sins.append(f"console {message.type}: {message.text}")

    def request(self, request: Request) -> None:
        if not request.url.startswith((self.home, "blob:", "data:")):
            self.sins.append(f"request to another host: {request.url}")


VIOLATIONS = """
document.addEventListener("securitypolicyviolation",
  (event) => console.error(`CSP: ${event.violatedDirective} ${event.blockedURI}`));
"""


def watched(browser: Browser, system: System, **options: Any) -> tuple[Page, Watch]:
    """Open an empty page in its own context, under watch."""
    context = browser.new_context(base_url=system.url, **options)
    context.set_default_timeout(PATIENCE_MS)
    context.add_init_script(VIOLATIONS)
    page, watch = context.new_page(), Watch(system.url)
    page.on("console", watch.console)
    page.on("pageerror", lambda error: watch.sins.append(f"page error: {error}"))
    page.on("request", watch.request)
    return page, watch


@pytest.fixture
def page(chromium: Browser, system: System) -> Iterator[Page]:
    """A page that must end without an error, a violation or a request to another host."""
    page, watch = watched(chromium, system)
    yield page
    page.context.close()
    assert watch.sins == []


@pytest.fixture
def phone(chromium: Browser, system: System) -> Iterator[Page]:
    """The same on a small phone."""
    size = {"width": 360, "height": 740}
    page, watch = watched(chromium, system, viewport=size, has_touch=True, is_mobile=True)
    yield page
    page.context.close()
    assert watch.sins == []


@pytest.fixture
def query(tmp_path: Path) -> Path:
    """The picture of product ``p3`` as a file."""
    file = tmp_path / "query.jpg"
    file.write_bytes(picture(3))
    return file
