"""A client of the HTTP API, and waiting for what a server does in its own time."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import httpx

from visearch.errors import VisearchError
from visearch.importing.sources import ANY, Source, read
from visearch.settings import Settings

T = TypeVar("T")
CONNECT_S, ANSWER_S, UPLOAD_S = 5.0, 60.0, 3600.0
POLL_S = 0.2

Record = dict[str, Any]
"""A resource as the API describes it: an import, a search, a catalog."""


def until(check: Callable[[], T], seconds: float, what: str, *, every_s: float = POLL_S) -> T:
    """Call ``check`` until its result is truthy; returns that result.

    Raises:
        VisearchError: ``what`` did not come within ``seconds`` (code ``timeout``).
    """
    end = time.monotonic() + seconds
    while not (value := check()):
        if time.monotonic() > end:
            raise VisearchError(f"{what} did not come within {seconds:g} s.", code="timeout")
        time.sleep(every_s)
    return value


class Client:
    """Talks to a visearch server by ``http``; every refusal is raised as a VisearchError."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http

    @classmethod
    def of(cls, settings: Settings, server: str | None = None) -> Client:
        """Make a client of ``server``, a URL; without one, of the server of these settings."""
        http = httpx.Client(
            base_url=(server or f"http://{settings.address}").rstrip("/"),
            timeout=httpx.Timeout(ANSWER_S, connect=CONNECT_S),
            trust_env=server is not None,  # no proxy leads to our own machine
        )
        return cls(http)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    @property
    def base_url(self) -> str:
        """The server's address, without a slash at its end."""
        return str(self._http.base_url).rstrip("/")

    def call(self, method: str, path: str, **options: Any) -> Any:
        """Send a request; returns the decoded JSON, or None without a body.

        Raises:
            VisearchError: the server refused, or cannot be reached; says why.
        """
        try:
            response = self._http.request(method, path, **options)
        except httpx.HTTPError as error:
            raise VisearchError(
                f"Cannot reach {self.base_url} ({error}). Is `visearch up` running?",
                code="unreachable",
            ) from error
        if response.is_error:
            raise _refusal(response)
        return response.json() if response.content else None

    def pages(self, path: str, **params: Any) -> Iterator[Record]:
        """Yield every item of a list, page by page."""
        cursor = None
        while True:
            query = {"limit": 500, **params} | ({"cursor": cursor} if cursor else {})
            page = self.call("GET", path, params=query)
            yield from page["items"]
            if (cursor := page["next_cursor"]) is None:
                return

    def ready(self) -> bool:
        """Tell whether searches can be answered now."""
        try:
            return self._http.get("/readyz").is_success
        except httpx.TransportError:
            return False

    def catalogs(self) -> list[Record]:
        """Return every catalog."""
        return list(self.pages("/v1/catalogs"))

    def ensure_catalog(self, name: str, **settings: Any) -> None:
        """Create the catalog if it does not exist."""
        self.call("PUT", f"/v1/catalogs/{name}", json=settings)

    def upload(
        self,
        catalog: str,
        archive: Path | bytes,
        *,
        mode: str = "upsert",
        media: str = ANY,
        sent: Callable[[int], object] = lambda _: None,
    ) -> Record:
        """Upload an archive as an import; ``sent(bytes)`` is told of every piece of it."""
        if isinstance(archive, bytes):
            source = Source("", media, len(archive), lambda: iter([archive]))
        else:
            source = Source(archive.name, media, archive.stat().st_size, lambda: read(archive))
        return self.send(catalog, source, sent, mode=mode)

    def send(
        self, catalog: str, source: Source, sent: Callable[[int], object], **params: Any
    ) -> Record:
        """Post a file to a catalog's imports; returns the import, or with ``dry_run`` a preview."""

        def pieces() -> Iterator[bytes]:
            for data in source.pieces():
                yield data
                sent(len(data))

        record: Record = self.call(
            "POST",
            f"/v1/catalogs/{catalog}/imports",
            params=_given(params),
            content=pieces(),
            headers={"Content-Type": source.media, "Content-Length": str(source.size)},
            timeout=httpx.Timeout(UPLOAD_S, connect=CONNECT_S),
        )
        return record

    def send_no_more(
        self, catalog: str, upload: str, mapping: Mapping[str, Any], **params: Any
    ) -> Record:
        """As ``send``, for a file that was sent with a dry run before: ``upload`` names it."""
        record: Record = self.call(
            "POST",
            f"/v1/catalogs/{catalog}/imports",
            params=_given({"upload": upload, **params}),
            files={"mapping": (None, json.dumps(mapping))},
            timeout=httpx.Timeout(UPLOAD_S, connect=CONNECT_S),
        )
        return record

    def read_import(self, record: Mapping[str, Any]) -> Record:
        """Return an import as it stands now."""
        now: Record = self.call("GET", _path(record))
        return now

    def follow_import(
        self, record: Mapping[str, Any], seconds: float = math.inf, *, every_s: float = POLL_S
    ) -> Iterator[Record]:
        """Yield an import at once and as it goes on, at last finished.

        Raises:
            VisearchError: it is not finished within ``seconds`` (code ``timeout``).
        """
        end, now = time.monotonic() + seconds, dict(record)
        yield now
        while now["finished_at"] is None:
            if time.monotonic() > end:
                what = f"The end of import {record['id']}"
                raise VisearchError(f"{what} did not come within {seconds:g} s.", code="timeout")
            time.sleep(every_s)
            now = self.read_import(record)
            yield now

    def finished_import(
        self, record: Mapping[str, Any], seconds: float = math.inf, *, every_s: float = POLL_S
    ) -> Record:
        """Wait for the end of an import; returns it. Raises as :meth:`follow_import`."""
        *_, done = self.follow_import(record, seconds, every_s=every_s)
        return done

    def items(self, record: Mapping[str, Any], **params: Any) -> Iterator[Record]:
        """Yield the items of an import, those with ``status`` if it is given."""
        return self.pages(f"{_path(record)}/items", **params)

    def search(self, picture: Path | bytes, **fields: Any) -> Record:
        """Search by a picture file and wait for the end of the search, whatever it is."""
        data = picture if isinstance(picture, bytes) else picture.read_bytes()
        name = "query.jpg" if isinstance(picture, bytes) else picture.name
        form = {name: str(value) for name, value in fields.items() if value is not None}
        return self.finished_search(files={"image": (name, data)}, data=form)

    def finished_search(self, **request: Any) -> Record:
        """Post a search, given as httpx takes a body, and wait for its end."""
        wait = {"Prefer": "wait=10"}
        record: Record = self.call("POST", "/v1/searches", headers=wait, **request)
        while record["status"] in ("queued", "running"):
            record = self.call("GET", f"/v1/searches/{record['id']}", headers=wait)
        return record


def _path(record: Mapping[str, Any]) -> str:
    return f"/v1/catalogs/{record['catalog']}/imports/{record['id']}"


def _given(params: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in params.items() if value is not None}


def _refusal(response: httpx.Response) -> VisearchError:
    try:
        problem = response.json()
        return VisearchError(problem["detail"], code=problem["code"])
    except (ValueError, KeyError, TypeError):
        return VisearchError(f"{response.request.url} answered {response.status_code}.")
