"""A search while its catalog changes: what is replaced meanwhile is still found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from system import picture

from visearch import Catalog
from visearch.backend import LoneBackend
from visearch.encoders.encoder import Encoder
from visearch.errors import SearchExpired, TooSlow
from visearch.searches import SearchQuery
from visearch.searching.clock import Clock
from visearch.searching.indexes import Indexes
from visearch.searching.service import SearchService
from visearch.settings import Settings


class Searcher:
    """Searches the catalog ``default`` of a home; ``meanwhile`` runs as the query is embedded."""

    def __init__(self, home: Path) -> None:
        self.meanwhile: Callable[[], object] = int
        self._encoder = Encoder.open("bundled", (1,))
        self.backend = LoneBackend(Settings(home=home), self._send)
        self.indexes = Indexes(self.backend.database, self.backend.blobs)
        self._service = SearchService(self.backend, self.indexes, self._embed)

    def search(self, data: bytes, **fields: Any) -> list[str]:
        """Return the products found, best first."""
        found = self._service.search(SearchQuery(**fields), data, Clock(60.0))
        return [hit.product_id for hit in found.answer.results]

    def _embed(
        self, _catalog: object, pixels: npt.NDArray[np.uint8], _clock: Clock
    ) -> npt.NDArray[np.float32]:
        self.meanwhile()
        return np.asarray(self._encoder.embed_pixels(pixels[None])[0])

    def _send(self, task: str, *_: object, **__: object) -> None:
        raise AssertionError(f"{task} was sent")


@pytest.fixture
def searcher(tmp_path: Path) -> Iterator[Searcher]:
    with Catalog(tmp_path / "home") as catalog:
        for number in range(3):
            catalog.add(str(number), picture(number))
    made = Searcher(tmp_path / "home")
    yield made
    made.backend.database.close()


def test_products_replaced_during_a_search_are_found(searcher: Searcher, tmp_path: Path) -> None:
    def replace() -> None:
        with Catalog(tmp_path / "home") as catalog:
            for number in range(3):
                catalog.add(str(number), picture(number + 10))

    assert searcher.search(picture(0))[0] == "0"
    searcher.meanwhile = replace
    found = searcher.search(picture(10))
    assert (found[0], sorted(found)) == ("0", ["0", "1", "2"])


@pytest.mark.parametrize("error", [SearchExpired("late"), TooSlow("late")])
def test_the_first_answer_stands_where_there_is_no_time_for_another(
    searcher: Searcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def delete() -> None:
        with Catalog(tmp_path / "home") as catalog:
            catalog.remove("0")

        def late(*_: object) -> None:
            raise error

        monkeypatch.setattr(searcher.indexes, "get", late)

    searcher.meanwhile = delete
    assert sorted(searcher.search(picture(0))) == ["1", "2"]


def test_a_product_deleted_during_a_search_is_left_out(searcher: Searcher, tmp_path: Path) -> None:
    def delete() -> None:
        with Catalog(tmp_path / "home") as catalog:
            catalog.remove("0")

    searcher.meanwhile = delete
    assert sorted(searcher.search(picture(0), limit=2)) == ["1", "2"]
