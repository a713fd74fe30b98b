"""The stored form of an answer: what a worker writes and the web serves."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from visearch.errors import InvalidRequest, VisearchError
from visearch.searching.service import Answer

PARTS = ("decode", "encode", "search", "hydrate")


def answer_body(answer: Answer, queue_ms: float, total_ms: float) -> dict[str, Any]:
    """Return the JSON-able body of a succeeded search; times in milliseconds."""
    parts = {name: round(answer.timings.parts.get(name, 0.0), 3) for name in PARTS}
    return {
        "results": [asdict(hit) for hit in answer.hits],
        "total": answer.total,
        "facets": {
            field: [asdict(value) for value in values] for field, values in answer.facets.items()
        },
        "timings_ms": {"queue": round(queue_ms, 3), **parts, "total": round(total_ms, 3)},
        "index": {"generation": answer.generation, "fresh_to": answer.fresh_to.isoformat()},
        "encoder": answer.catalog.fingerprint,
        "shards": {"asked": answer.asked, "answered": answer.answered},
    }


def failure_body(error: VisearchError) -> dict[str, Any]:
    """Return the JSON-able body of a failed search."""
    fields = error.fields if isinstance(error, InvalidRequest) else ()
    return {"error": {"code": error.code, "detail": error.detail, "fields": list(fields)}}
