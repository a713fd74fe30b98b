"""What a database or Redis says when it fails is for the log, not for whoever asks."""

from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from visearch.settings import Settings
from web import create_app


@pytest.mark.parametrize("path", ["/v1/system", "/v1/catalogs", "/v1/searches/x"])
def test_a_problem_names_no_host_user_or_path(path: str, tmp_path: Path) -> None:
    settings = Settings(
        home=tmp_path,
        redis_url=f"unix://{tmp_path}/secret.sock",
        database_url="postgresql://secret:secret@127.0.0.1:1/secret",
    )
    client = create_app(settings).test_client()
    with capture_logs() as logged:
        told = client.get(path)
    assert (told.status_code, told.get_json()["code"]) == (503, "dependency_unavailable")
    assert told.headers["Retry-After"] == "5"
    for word in ("secret", "127.0.0.1", str(tmp_path), "psycopg", "Error"):
        assert word not in told.text
    (line,) = [line for line in logged if line["event"] == "dependency_unavailable"]
    assert "secret" in line["detail"] or "127.0.0.1" in line["detail"]
