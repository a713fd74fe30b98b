"""A client of the HTTP API, for the command line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx

from visearch.errors import VisearchError
from visearch.settings import Settings

CONNECT_S, ANSWER_S, UPLOAD_S = 5.0, 60.0, 3600.0
READ_BYTES = 1 << 20


class Client:
    """Talks to a visearch server; every refusal is raised as a VisearchError."""

    def __init__(self, settings: Settings, base_url: str | None = None) -> None:
        self.base_url = (base_url or f"http://{settings.address}").rstrip("/")
        self._http = httpx.Client(
            base_url=self.base_url,
            timeout=httpx.Timeout(ANSWER_S, connect=CONNECT_S),
            trust_env=base_url is not None,  # no proxy leads to our own machine
        )

    def call(self, method: str, path: str, **options: Any) -> Any:
        """Send a request; returns the decoded JSON, or None without a body.

        Raises:
            VisearchError: the server refused, or cannot be reached; says why.
        """
        try:
            response = self._http.request(method, path, **options)
        except httpx.HTTPError as error:
            raise VisearchError(
                f"cannot reach {self.base_url} ({error}); is `visearch up` running?",
                code="unreachable",
            ) from error
        if response.is_error:
            raise _refusal(response)
        return response.json() if response.content else None

    def ready(self) -> bool:
        """Tell whether searches can be answered now."""
        try:
            return self._http.get("/readyz").is_success
        except httpx.TransportError:
            return False

    def ensure_catalog(self, name: str, **settings: Any) -> None:
        """Create the catalog if it does not exist."""
        self.call("PUT", f"/v1/catalogs/{name}", json=settings)

    def catalogs(self) -> list[dict[str, Any]]:
        """Return every catalog."""
        return list(self._pages("/v1/catalogs"))

    def _pages(self, path: str) -> Iterator[dict[str, Any]]:
        cursor = None
        while True:
            params = {"limit": 500} | ({"cursor": cursor} if cursor else {})
            page = self.call("GET", path, params=params)
            yield from page["items"]
            if (cursor := page["next_cursor"]) is None:
                return

    def upload(
        self,
        catalog: str,
        path: Path,
        *,
        mode: str = "upsert",
        sent: Callable[[int], None] = lambda _: None,
    ) -> dict[str, Any]:
        """Upload an archive as an import; ``sent(bytes)`` is told of every piece."""

        def pieces() -> Iterator[bytes]:
            with path.open("rb") as file:
                while data := file.read(READ_BYTES):
                    yield data
                    sent(len(data))

        record: dict[str, Any] = self.call(
            "POST",
            f"/v1/catalogs/{catalog}/imports",
            params={"mode": mode},
            content=pieces(),
            headers={
                "Content-Type": "application/octet-stream",
                "Content-Length": str(path.stat().st_size),
            },
            timeout=httpx.Timeout(UPLOAD_S, connect=CONNECT_S),
        )
        return record

    def read_import(self, catalog: str, import_id: str) -> dict[str, Any]:
        """Return an import as it stands."""
        record: dict[str, Any] = self.call("GET", f"/v1/catalogs/{catalog}/imports/{import_id}")
        return record

    def failures(self, catalog: str, import_id: str) -> list[dict[str, Any]]:
        """Return the first failed items of an import."""
        path = f"/v1/catalogs/{catalog}/imports/{import_id}/items"
        page = self.call("GET", path, params={"status": "failed", "limit": 20})
        items: list[dict[str, Any]] = page["items"]
        return items

    def search(self, path: Path, **options: Any) -> dict[str, Any]:
        """Search by a picture file and wait for the result."""
        data = {name: str(value) for name, value in options.items() if value is not None}
        with path.open("rb") as file:
            record: dict[str, Any] = self.call(
                "POST",
                "/v1/searches",
                files={"image": (path.name, file)},
                data=data,
                headers={"Prefer": "wait=10"},
            )
        while record["status"] in ("queued", "running"):
            address = f"/v1/searches/{record['id']}"
            record = self.call("GET", address, headers={"Prefer": "wait=10"})
        return record


def _refusal(response: httpx.Response) -> VisearchError:
    try:
        problem = response.json()
        return VisearchError(problem["detail"], code=problem["code"])
    except (ValueError, KeyError, TypeError):
        return VisearchError(f"{response.request.url} answered {response.status_code}")
