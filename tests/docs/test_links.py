"""Every link and every path in the documents leads somewhere."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")
FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
PATH = re.compile(r"(?<![\w./:-])((?:[\w.-]+/)+[\w-]+\.(?:py|md|toml|yml|yaml|json|html|js|css))\b")
FOLDER = re.compile(r"(?:visearch|web|workers|tests|docs|bench|deploy|recipes)/(?:[\w.-]+/)*")
NAME = re.compile(r"(?!VISEARCH_)[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")
HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)


@cache
def prose(page: Path) -> str:
    """Return a page without its fenced blocks."""
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    found = [re.sub(r"[`*_]", "", heading) for heading in HEADING.findall(prose(page))]
    return {re.sub(r"[^\w\- ]", "", text.lower()).strip().replace(" ", "-") for text in found}


def named_paths(page: Path) -> set[str]:
    """Return the paths a page mentions; a folder counts when it stands alone in code."""
    folders = {code for code in CODE.findall(prose(page)) if FOLDER.fullmatch(code)}
    return set(PATH.findall(page.read_text(encoding="utf-8"))) | folders


def exists(name: str, page: Path) -> bool:
    """Tell whether a path exists, from the repository's root, the page or the core."""
    return any((base / name).exists() for base in (ROOT, page.parent, ROOT / "visearch"))


@cache
def source() -> str:
    """Return the code of the three packages."""
    folders = [ROOT / name for name in ("visearch", "web", "workers")]
    files = sorted(path for folder in folders for path in folder.rglob("*.py"))
    return "\n".join(path.read_text(encoding="utf-8") for path in files)


def test_the_architecture_names_what_the_code_has() -> None:
    spans = CODE.findall(prose(ROOT / "docs" / "architecture.md"))
    names = {span for span in spans if NAME.fullmatch(span) and re.search(r"[._]|[A-Z]", span)}
    assert len(names) > 30
    last = {name: re.escape(name.rpartition(".")[2]) for name in names}
    defined = r"\b(def|class) {0}\b|^\s*{0}\b.*=|sa\.Column\(\"{0}\"|code = \"{0}\"|= \"{0}\""
    missing = {n for n, x in last.items() if not re.search(defined.format(x), source(), re.M)}
    assert missing == set()


def test_there_are_pages_and_they_name_paths() -> None:
    names = {page.name for page in PAGES}
    assert {"README.md", "architecture.md", "settings.md"} <= names
    assert len(named_paths(ROOT / "docs" / "architecture.md")) > 20


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_relative_links_lead_somewhere(page: Path) -> None:
    broken = []
    for target in LINK.findall(prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        goal = (page.parent / path) if path else page
        in_page = goal.suffix == ".md" and goal.exists()
        if not goal.exists() or (anchor and in_page and anchor not in anchors(goal)):
            broken.append(target)
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_named_paths_exist(page: Path) -> None:
    assert sorted(name for name in named_paths(page) if not exists(name, page)) == []
