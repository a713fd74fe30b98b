"""The doctor: whatever is wrong, a check says so in one line."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import pytest

from visearch.cli import doctor
from visearch.settings import Settings


def test_an_error_without_a_message_is_a_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> NoReturn:
        raise OSError

    monkeypatch.setattr(doctor, "Blobs", refuse)
    settings = Settings(home=tmp_path, blobs_url="s3://nowhere")
    (found,) = [check for check in doctor.examine(settings) if check.name == "blobs"]
    assert not found.ok
    assert "VISEARCH_BLOBS_URL cannot be used: OSError" in found.detail
