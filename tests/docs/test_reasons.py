"""The merchant page says in words why an item failed, whatever its code."""

from __future__ import annotations

import re
from pathlib import Path

from visearch import errors
from visearch.archives.member import PROBLEMS

ROOT = Path(__file__).parents[2]
WORDS = (ROOT / "web" / "static" / "reasons.js").read_text(encoding="utf-8")

WHERE = ("archives", "importing", "images", "fetching", "tables")
OF_ITEMS = (
    errors.ImageError,
    errors.ArchiveError,
    errors.MemberError,
    errors.FetchError,
    errors.DependencyUnavailable,
    errors.DependencyBroken,
    errors.BlobDamaged,
    errors.NotFound,
)
NO_REASONS = {"replace_incomplete", "gone"}
"""Codes of imports as a whole, and of runs of feeds."""


def kinds(of: type[errors.VisearchError]) -> set[type[errors.VisearchError]]:
    return {of}.union(*(kinds(each) for each in of.__subclasses__()))


def test_every_code_of_an_item_is_in_words() -> None:
    known = set(re.findall(r"^  ([a-z_]+): \"", WORDS, re.MULTILINE))
    codes = {each.code for kind in OF_ITEMS for each in kinds(kind)} | set(PROBLEMS)
    for folder in (*(ROOT / "visearch" / name for name in WHERE), ROOT / "workers"):
        for path in folder.rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            codes |= set(re.findall(r"""\bcode["']?\s*[=:]\s*"([a-z_]+)\"""", text))
    codes |= {"picture_missing", "name_not_found", "picture_not_a_url", "plan_failed"}
    codes |= {errors.InvalidRequest.code, errors.ReplaceGuarded.code}
    assert codes - known - NO_REASONS == set()
