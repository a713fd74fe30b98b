"""The API against requests made up from its own document: whatever is sent, nothing is a 500.

``FUZZ_CASES`` is how many requests each operation gets in each of four ways; `make faults` sends
more than a plain run does.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from hypothesis.strategies import SearchStrategy
from schemathesis import Case, GenerationMode
from system import System, archive, picture

CASES = int(os.environ.get("FUZZ_CASES", "3"))
THOROUGH = 50  # from so many on, each run makes up others
CATALOG, PRODUCT = "fuzzed", "a"


@pytest.fixture(scope="module")
def known(system: System) -> dict[str, str]:
    """Path parameters that name something."""
    system.create_catalog(CATALOG)
    record = system.upload(CATALOG, archive([(f"{PRODUCT}.jpg", picture(1))]))
    system.finish(record)
    search = system.search(picture(1), CATALOG)
    ids = {"import_id": record["id"], "search_id": search["id"]}
    return {"catalog": CATALOG, "product_id": PRODUCT, **ids}


def operations(document: dict[str, Any]) -> Iterator[Any]:
    """Yield the operations; those that delete a catalog last."""
    found = [each.ok() for each in schemathesis.openapi.from_dict(document).get_all_operations()]
    yield from sorted(found, key=lambda each: (each.method == "delete", -len(each.path)))


def strategies(operation: Any, known: dict[str, str]) -> Iterator[SearchStrategy[Case]]:
    """Yield requests as the document has them and otherwise, to somewhere and to nowhere."""
    names = [each.name for each in operation.path_parameters]
    there = {name: known[name] for name in names if name in known}
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
        yield operation.as_strategy(mode)
        if there:
            yield operation.as_strategy(mode, path_parameters=there)


def checked(url: str, session: requests.Session, seen: Counter[int]) -> Callable[[Case], None]:
    """Return what sends a request and fails if the answer is not one that the API may give."""

    def check(case: Case) -> None:
        answer = case.call(base_url=url, session=session, timeout=30)
        seen[answer.status_code] += 1
        said = f"{answer.status_code} {answer.content[:500]!r}\n{case.as_curl_command()}"
        if answer.status_code == 503:
            promised = "503" in case.operation.definition.raw["responses"]
            assert promised and answer.json().get("code") == "overloaded", said
        assert answer.status_code in (*range(200, 500), 503), said
        assert answer.headers.get("x-request-id"), said
        media = answer.headers.get("content-type", [""])[0]
        assert answer.status_code < 400 or media == "application/problem+json", said

    return check


def test_no_request_is_an_error_of_ours(system: System, known: dict[str, str]) -> None:
    document = system.http.get("/openapi.json").json()
    seen: Counter[int] = Counter()
    with requests.Session() as session:
        check = checked(system.url, session, seen)
        for operation in operations(document):
            for strategy in strategies(operation, known):
                configured = settings(
                    max_examples=CASES, deadline=None, database=None, derandomize=CASES < THOROUGH,
                    phases=[Phase.generate], suppress_health_check=list(HealthCheck),
                )  # fmt: skip
                with suppress(Unsatisfiable):  # it takes nothing that could be otherwise
                    configured(given(strategy)(check))()
    print(f"{seen.total()} requests; answers by status: {dict(sorted(seen.items()))}")
    # A few requests each need not find a picture that is accepted (202); many do.
    assert {200, 404, 422} | ({202} if CASES >= THOROUGH else set()) <= seen.keys()
    assert "unexpected_error" not in system.log("web")
