"""The walk of one import and one search through the real system."""

from __future__ import annotations

from system import System, archive, picture


def test_an_uploaded_picture_is_found(system: System) -> None:
    catalog = system.create_catalog("walk")
    files = [(f"p{i}.jpg", picture(i)) for i in range(40)]
    done = system.finish(system.upload(catalog, archive(files)))
    assert done["status"] == "succeeded"
    assert done["counts"]["searchable"] == 40
    for i in (0, 7, 39):
        found = system.search(picture(i), catalog, limit=3)
        assert found["status"] == "succeeded", found
        assert found["results"][0]["product_id"] == f"p{i}"
        assert found["results"][0]["score"] > 0.99
