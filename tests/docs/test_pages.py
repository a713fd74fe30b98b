"""The pages as they are written, before any browser."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

TEMPLATES = Path(__file__).parents[2] / "web" / "templates"


@pytest.mark.parametrize("name", ["merchant.html", "search.html"])
def test_an_id_names_one_element(name: str) -> None:
    text = (TEMPLATES / name).read_text(encoding="utf-8")
    for part in re.findall(r'{% include "(.+?)" %}', text):
        text += (TEMPLATES / part).read_text(encoding="utf-8")
    ids = Counter(re.findall(r'\sid="(.+?)"', text))
    assert ids
    assert {each: n for each, n in ids.items() if n > 1} == {}
