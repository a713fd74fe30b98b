"""When `up` makes the demo catalog, and when it leaves a catalog alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from visearch.cli.demo import SIGNS, fill_if_empty
from visearch.settings import Settings

OTHERS: dict[str, Any] = {
    "name": "demo", "fingerprint": "another", "created_at": "then", "products": 7, "images": 9,
}  # fmt: skip


class Server:
    """Holds one catalog and notes what is asked of it."""

    def __init__(self, catalog: dict[str, Any]) -> None:
        self.catalog, self.asked = catalog, list[str]()

    def catalogs(self) -> list[dict[str, Any]]:
        return [self.catalog]

    def call(self, method: str, path: str, **_: Any) -> None:
        self.asked.append(f"{method} {path}")
        raise InterruptedError  # far enough


@pytest.mark.parametrize("mark", [None, {"created_at": "before"}, {"products": 6}])
def test_a_merchants_catalog_called_demo_is_left_alone(
    tmp_path: Path, mark: dict[str, Any] | None
) -> None:
    if mark is not None:
        made = {name: OTHERS[name] for name in SIGNS} | mark
        (tmp_path / "samples").mkdir()
        (tmp_path / "samples" / "catalog.json").write_text(json.dumps(made))
    server = Server(OTHERS)
    fill_if_empty(server, Settings(home=tmp_path), print)
    assert server.asked == []


def test_our_own_of_another_encoder_is_made_again(tmp_path: Path) -> None:
    (tmp_path / "samples").mkdir()
    made = {name: OTHERS[name] for name in SIGNS}
    (tmp_path / "samples" / "catalog.json").write_text(json.dumps(made))
    server = Server(OTHERS)
    with pytest.raises(InterruptedError):
        fill_if_empty(server, Settings(home=tmp_path), print)
    assert server.asked == ["DELETE /v1/catalogs/demo"]
