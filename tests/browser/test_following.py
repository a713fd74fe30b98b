"""Pages follow searches and imports by their events, and ask where there are none."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from acts import expect_found, hand_over, open_catalog, open_search
from playwright.sync_api import Page, Request, expect
from system import System, archive, eventually, picture

FOLLOWED = re.compile(r"/v1/(?:searches|catalogs/[^/]+/imports)/[^/]+(/events)?$")
HIDE = """(hidden) => {
  Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


class Asked:
    """What a page asks of the searches and imports that it waits for."""

    def __init__(self, page: Page) -> None:
        self.streams: list[Request] = []
        self.questions: list[Request] = []
        self.ended: list[Request] = []
        page.on("request", self._note)
        # Chromium calls a request that is cancelled just as its answer begins a finished one.
        page.on("requestfailed", self._end)
        page.on("requestfinished", self._end)

    def _note(self, request: Request) -> None:
        found = FOLLOWED.search(request.url)
        if found and request.method == "GET":
            (self.streams if found[1] else self.questions).append(request)

    def _end(self, request: Request) -> None:
        self.ended.append(request)

    def wait_ended(self, page: Page, request: Request) -> None:
        """Wait until a request is over, whether or not it had an answer."""

        def is_over() -> bool:
            page.wait_for_timeout(50)
            return request in self.ended

        eventually(is_over, what=f"an end of {request.url}")


@pytest.fixture
def asked(page: Page) -> Asked:
    return Asked(page)


def fresh(seed: int) -> bytes:
    """A picture of a product whose answer is not in the cache: no other test sends it as PNG."""
    return picture(seed, form="PNG")


@contextmanager
def held(system: System, role: str) -> Iterator[None]:
    """Stop a role meanwhile: what it has to do waits."""
    pid = system.pids()[role]
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def begin_import(page: Page, catalog: str, folder: Path) -> None:
    """Upload six pictures and wait until they are decoded; ``embed`` is held."""
    file = folder / "six.zip"
    file.write_bytes(archive((f"p{i}.jpg", picture(i)) for i in range(6)))
    open_catalog(page, catalog)
    page.set_input_files("#archive", file)
    page.get_by_role("button", name="Upload", exact=True).click()
    page.get_by_role("button", name="Start import").click()
    expect(page.locator('[data-step="decoded"]')).to_have_text("opened6")


def expect_imported(page: Page) -> None:
    expect(page.locator("#job-status")).to_have_text("Succeeded")
    expect(page.locator('[data-step="searchable"]')).to_have_text("searchable6")


def test_a_search_is_told_when_it_is_over(
    page: Page, asked: Asked, system: System, shelf: str
) -> None:
    open_search(page, shelf)
    with held(system, "search"):
        with page.expect_request("**/events"):
            hand_over(page, "paste", fresh(8))
        expect(page.get_by_role("status")).to_have_text("Searching…")
    expect_found(page, "p8", "Thing 8")
    assert len(asked.streams) == 1 and asked.questions == []


def test_an_import_tells_its_progress(
    page: Page, asked: Asked, system: System, tmp_path: Path
) -> None:
    system.create_catalog("told")
    with held(system, "embed"):
        begin_import(page, "told", tmp_path)
    expect_imported(page)
    assert len(asked.streams) == 1 and asked.questions == []


def test_where_streams_are_refused_the_page_asks(
    page: Page, asked: Asked, system: System, shelf: str
) -> None:
    catalog = system.create_catalog("asked")
    most = system.settings.web_threads // 8
    with ExitStack() as streams:
        with held(system, "embed"):
            record = system.upload(catalog, archive([("a.jpg", picture(1))]))
            path = f"/v1/catalogs/{catalog}/imports/{record['id']}/events"

            def fill() -> bool:  # other tests' streams may not have ended yet
                one = streams.enter_context(system.http.stream("GET", path))
                return one.status_code == 200

            for _ in range(most):
                eventually(fill, what="a free stream")
            open_catalog(page, catalog)
            expect(page.locator('[data-step="decoded"]')).to_have_text("opened1")
        expect(page.locator("#job-status")).to_have_text("Succeeded")
    assert len(asked.streams) == 1 and len(asked.questions) > 1
    assert {answer.status for r in asked.streams if (answer := r.response())} == {503}


def test_where_streams_end_early_the_page_asks(page: Page, asked: Asked, shelf: str) -> None:
    cut = {"content_type": "text/event-stream", "body": "retry: 10\n\n"}
    page.route("**/events", lambda route: route.fulfill(**cut))
    open_search(page, shelf)
    hand_over(page, "paste", fresh(4))
    expect_found(page, "p4", "Thing 4")
    tried = len(asked.streams)
    assert tried > 1 and len(asked.questions) == 1
    hand_over(page, "paste", fresh(5))
    expect_found(page, "p5", "Thing 5")
    assert len(asked.streams) == tried, "it has learnt"


def test_a_restart_of_web_is_survived(
    page: Page, asked: Asked, system: System, tmp_path: Path
) -> None:
    system.create_catalog("restarted")
    with held(system, "embed"):
        begin_import(page, "restarted", tmp_path)
        system.wait_restarted("web", system.kill("web"))
        with page.expect_response("**/events", timeout=60_000) as resumed:
            pass
    # A page that has waited for ten seconds asks until there is an answer, and begins anew.
    assert asked.questions or resumed.value.request.all_headers()["last-event-id"]
    answered = len(asked.questions)
    expect_imported(page)
    assert len(asked.questions) == answered


def test_another_search_closes_the_stream(
    page: Page, asked: Asked, system: System, shelf: str
) -> None:
    # The server does not hear that the search is withdrawn, and so does not end its stream.
    page.route("**/v1/searches/*", lambda route: route.fulfill(status=204))
    open_search(page, shelf)
    with held(system, "search"):
        with page.expect_request("**/events"):
            hand_over(page, "paste", fresh(6))
        hand_over(page, "paste", fresh(7))
        asked.wait_ended(page, asked.streams[0])
        first = system.http.get(asked.streams[0].url.removesuffix("/events")).json()
        assert first["status"] == "queued"
    expect_found(page, "p7", "Thing 7")
    assert len(asked.streams) == 2 and asked.questions == []


def test_a_hidden_page_holds_no_stream(
    page: Page, asked: Asked, system: System, tmp_path: Path
) -> None:
    system.create_catalog("hidden")
    with held(system, "embed"):
        begin_import(page, "hidden", tmp_path)
        page.evaluate(HIDE, True)
        asked.wait_ended(page, asked.streams[0])
    record = system.http.get("/v1/catalogs/hidden/imports").json()["items"][0]
    system.finish(record)
    assert asked.questions == [] and len(asked.streams) == 1
    expect(page.locator("#job-status")).to_have_text("Running")
    page.evaluate(HIDE, False)
    expect_imported(page)
