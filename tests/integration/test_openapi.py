"""The document at /openapi.json: well formed, complete against the contract, readable at /docs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
from jsonschema import Draft202012Validator
from system import System

C = "/v1/catalogs/{catalog}"
CONTRACT = {
    ("post", "/v1/searches"): "200 202 403 404 413 415 422 503",
    ("get", "/v1/searches/{search_id}"): "200 304 403 404 410 503",
    ("get", "/v1/searches/{search_id}/events"): "200 403 404 410 503",
    ("get", f"{C}/imports/{{import_id}}/events"): "200 403 404 503",
    ("delete", "/v1/searches/{search_id}"): "200 403 404 410 503",
    ("get", "/v1/catalogs"): "200 403 422 503",
    ("put", C): "200 201 403 409 413 422 503",
    ("get", C): "200 403 404 503",
    ("delete", C): "204 403 404 503",
    ("get", f"{C}/products"): "200 403 404 422 503",
    ("put", f"{C}/products/{{product_id}}"): "202 403 404 413 415 422 503",
    ("get", f"{C}/products/{{product_id}}"): "200 403 404 422 503",
    ("patch", f"{C}/products/{{product_id}}"): "200 403 404 413 415 422 503",
    ("delete", f"{C}/products/{{product_id}}"): "204 403 404 422 503",
    ("get", f"{C}/duplicates"): "200 403 404 422 503",
    ("post", f"{C}/duplicates/merge"): "200 403 404 409 413 422 503",
    ("get", "/v1/encoders"): "200 403 503",
    ("get", f"{C}/reindex"): "200 403 404 503",
    ("post", f"{C}/reindex"): "202 403 404 409 413 422 503",
    ("get", f"{C}/reindex/{{id}}"): "200 403 404 503",
    ("get", f"{C}/reindex/{{id}}/failures"): "200 403 404 422 503",
    ("delete", f"{C}/reindex/{{id}}"): "204 403 404 409 503",
    ("post", f"{C}/reindex/{{id}}/activate"): "202 403 404 409 503",
    ("post", f"{C}/rollback"): "202 403 404 409 503",
    ("post", f"{C}/index/rollback"): "200 403 404 409 503",
    ("post", f"{C}/imports"): "200 202 403 404 409 410 413 415 422 503",
    ("get", f"{C}/mapping"): "200 403 404 503",
    ("put", f"{C}/mapping"): "200 403 404 413 422 503",
    ("delete", f"{C}/mapping"): "204 403 404 503",
    ("get", f"{C}/feeds"): "200 403 404 503",
    ("get", f"{C}/feeds/{{name}}"): "200 403 404 503",
    ("put", f"{C}/feeds/{{name}}"): "200 201 403 404 413 422 503",
    ("delete", f"{C}/feeds/{{name}}"): "204 403 404 503",
    ("post", f"{C}/feeds/{{name}}/run"): "202 403 404 409 422 503",
    ("get", f"{C}/feeds/{{name}}/runs"): "200 403 404 422 503",
    ("get", f"{C}/feeds/{{name}}/runs/{{run_id}}"): "200 403 404 503",
    ("get", f"{C}/golden"): "200 403 404 422 503",
    ("get", f"{C}/golden/{{name}}"): "200 403 404 503",
    ("put", f"{C}/golden/{{name}}"): "200 201 403 404 413 415 422 503",
    ("delete", f"{C}/golden/{{name}}"): "204 403 404 503",
    ("get", f"{C}/golden/{{name}}/image"): "200 304 403 404 503",
    ("post", f"{C}/golden/check"): "202 403 404 503",
    ("get", f"{C}/quality"): "200 403 404 503",
    ("get", f"{C}/ranking"): "200 403 404 503",
    ("put", f"{C}/ranking"): "200 403 404 422 503",
    ("get", f"{C}/imports"): "200 403 404 422 503",
    ("get", f"{C}/imports/{{import_id}}"): "200 403 404 503",
    ("delete", f"{C}/imports/{{import_id}}"): "200 403 404 503",
    ("get", f"{C}/imports/{{import_id}}/items"): "200 403 404 409 410 422 503",
    ("post", f"{C}/imports/{{import_id}}/retry"): "202 403 404 409 410 503",
    ("get", "/v1/dead"): "200 403 422 503",
    ("post", "/v1/dead/{id}/retry"): "202 403 404 409 410 422 503",
    ("get", "/v1/system"): "200 403 503",
    ("get", "/healthz"): "200",
    ("get", "/readyz"): "200 503",
}
UPLOADS = {
    "application/zip", "application/x-tar", "application/gzip", "application/x-xz",
    "application/zstd", "text/csv", "text/tab-separated-values", "application/json",
    "application/x-ndjson", "application/xml", "text/xml", "multipart/form-data",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}  # fmt: skip
FIELDS = {
    "Search": "id status created_at finished_at catalog cached results total facets timings_ms "
    "index encoder error",
    "Hit": "product_id image_id score title image_url url attributes rank",
    "Import": "id catalog status counts progress eta_s created_at finished_at error",
    "Preview": "upload format encoding delimiter mapping products counts failures ignored",
    "PreviewCounts": "rows products pictures add change remove unchanged failed",
    "MappedColumn": "column field type example",
    "PreviewFailure": "line code detail",
    "Mapping": "columns",
    "Feed": "name url schedule format mode guard paused next_run_at last_run",
    "FeedRun": "id status import_id difference error created_at finished_at",
    "FeedDifference": "added changed removed failed",
    "GoldenQuery": "name products image_url rank checked_at generation encoder previous error",
    "GoldenCheck": "rank checked_at generation encoder",
    "GoldenCounts": "queries first in_ten not_found unchecked checked_at",
    "Quality": "recall target_recall measured_at golden",
    "NewGoldenQuery": "image products",
    "Ranking": "parts weights source default fit fitting",
    "NewRanking": "weights",
    "Counts": "items fetched decoded embedded searchable failed",
    "Dead": "kind id catalog pictures code detail created_at finished_at url retry",
    "Item": "item product_id stage status code detail attempts image_url next_try_at",
    "Problem": "type title status detail instance code errors",
    "Timings": "queue decode encode search hydrate total",
    "IndexState": "generation fresh_to",
    "NewSearch": "image product catalog limit offset box filter min_score group facets focus",
    "NewProduct": "title url description attributes images",
    "Product": "id title url description attributes images updated_at",
}
PICTURES = [
    ("post", "/v1/searches"),
    ("put", f"{C}/products/{{product_id}}"),
    ("put", f"{C}/golden/{{name}}"),
]
"""What takes a picture, as JSON or as a form."""
JSON_POSTS = [("post", f"{C}/reindex"), ("post", f"{C}/duplicates/merge")]


@pytest.fixture(scope="module")
def document(system: System) -> dict[str, Any]:
    """The document as served."""
    answer = system.http.get("/openapi.json")
    assert answer.headers["content-type"].startswith("application/json")
    return dict(answer.json())


def _operations(document: dict[str, Any]) -> Iterator[tuple[tuple[str, str], dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield (method, path), operation


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        value = list(value.values())
    if isinstance(value, list):
        for part in value:
            yield from _references(part)


def test_the_document_is_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1.")
    assert document["info"]["title"] == "visearch"
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*", document["info"]["version"])
    names = [operation["operationId"] for _, operation in _operations(document)]
    assert len(names) == len(set(names))
    for (_, path), operation in _operations(document):
        assert operation["summary"]
        in_path = {p["name"] for p in operation.get("parameters", []) if p["in"] == "path"}
        assert in_path == set(re.findall(r"{(\w+)}", path)), path
        assert all(p["required"] for p in operation.get("parameters", []) if p["in"] == "path")
        assert all(answer["description"] for answer in operation["responses"].values())


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    references = set(_references(document))
    assert len(references) > 10
    for reference in references:
        place: Any = document
        for part in reference.removeprefix("#/").split("/"):
            assert part in place, reference
            place = place[part]
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_the_document_and_the_contract_agree(document: dict[str, Any]) -> None:
    served = {
        place: " ".join(sorted(operation["responses"]))
        for place, operation in _operations(document)
    }
    assert served == CONTRACT


@pytest.mark.parametrize("name", FIELDS)
def test_a_schema_has_the_fields_of_the_contract(document: dict[str, Any], name: str) -> None:
    schema = document["components"]["schemas"][name]
    assert set(FIELDS[name].split()) <= set(schema["properties"])


def test_requests_say_what_they_take(document: dict[str, Any]) -> None:
    for (method, path), operation in _operations(document):
        media = set(operation.get("requestBody", {}).get("content", {}))
        if (method, path) in PICTURES:
            assert media == {"application/json", "multipart/form-data"}
        elif (method, path) == ("post", f"{C}/imports"):
            assert media == UPLOADS
        elif method == "patch":
            assert media == {"application/json", "application/merge-patch+json"}
        elif method == "put" or (method, path) in JSON_POSTS:
            assert media == {"application/json"}
        else:
            assert not media, (method, path)
        for status, answer in operation["responses"].items():
            problem = "application/problem+json" in answer.get("content", {})
            assert problem == (int(status) >= 400 and path != "/readyz"), (method, path, status)


def test_the_reader_loads_only_from_our_own_server(system: System) -> None:
    page = system.http.get("/docs", follow_redirects=True)
    assert page.status_code == 200
    links = re.findall(r"""(?:src|href)=["']([^"']+)["']""", page.text)
    assert len(links) >= 3
    for link in links:
        target = urljoin(str(page.url), link)
        assert urlsplit(target).netloc == urlsplit(system.url).netloc, link
        assert system.http.get(target).status_code == 200, link
    assert not re.findall(r"https?://(?!www\.w3\.org)[\w.]+", page.text)
    named = re.search(r"""["']([^"']*openapi\.json)["']""", page.text)
    assert named is not None
    assert system.http.get(urljoin(str(page.url), named[1])).json()["openapi"]
