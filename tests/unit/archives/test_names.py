"""A manifest's path means the member that a person would take for it, or none."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from visearch.archives.member import Member, normalise
from visearch.archives.names import Match, Names, fold


def names(*paths: str, manifest: str | None = None) -> Names:
    members = [Member(path, offset, 0, 0) for offset, path in enumerate(paths)]
    return Names(members, None if manifest is None else Member(manifest, 0, 0, 0))


def path_of(match: Match) -> str | None:
    return None if match.member is None else match.member.path


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("img/Été.jpg", "shop/img/Été.jpg"),
        ("shop/img/Été.jpg", "shop/img/Été.jpg"),
        ("IMG/ÉTÉ.JPG", "shop/img/Été.jpg"),
        ("img/E\u0301te\u0301.jpg", "shop/img/Été.jpg"),
        ("img/%C3%89t%C3%A9.jpg", "shop/img/Été.jpg"),
        (" img / Été.jpg ", "shop/img/Été.jpg"),
        (".\\img\\Été.jpg", "shop/img/Été.jpg"),
        ("../shop/img/Été.jpg", "shop/img/Été.jpg"),
        ("C:\\Users\\me\\shop\\img\\Été.jpg", "shop/img/Été.jpg"),
        ("/home/me/img/Été.jpg", "shop/img/Été.jpg"),
        ("Été.jpg", "shop/img/Été.jpg"),
        ("100%25.jpg", "shop/100%.jpg"),
        ("100%.jpg", "shop/100%.jpg"),
        ("other/place/root.jpg", "shop/root.jpg"),
    ],
)
def test_what_is_spelled_otherwise_is_found(wanted: str, found: str) -> None:
    paths = ("shop/manifest.csv", "shop/img/Été.jpg", "shop/100%.jpg", "shop/root.jpg")
    assert path_of(names(*paths, manifest=paths[0]).resolve(wanted)) == found


@pytest.mark.parametrize(
    ("wanted", "near"),
    [
        ("sku3/front.jpg", "sku1/front.jpg"),
        ("front.jpg", "sku1/front.jpg"),
        ("sku1/back.jpg", None),
        ("sku1/front.png", "sku1/front.jpg"),
        ("sku1/fr-ont_.jpg", "sku1/front.jpg"),
        ("other/only.jpg", "sku1/only.jpg"),
    ],
)
def test_what_may_be_something_else_is_named_and_not_taken(wanted: str, near: str | None) -> None:
    found = names("sku1/front.jpg", "sku2/front.jpg", "sku1/only.jpg").resolve(wanted)
    assert found.member is None
    assert found.near == near


def test_the_exact_name_goes_before_those_that_are_alike() -> None:
    those = names("a/x.jpg", "a/X.jpg", "X.jpg", "b/y.jpg", manifest="a/m.csv")
    assert path_of(those.resolve("x.jpg")) == "a/x.jpg"
    assert path_of(those.resolve("X.jpg")) == "a/X.jpg"
    assert path_of(those.resolve("a/x.jpg")) == "a/x.jpg"
    assert path_of(those.resolve("b/Y.jpg")) == "b/y.jpg"
    assert those.resolve("a/%58.JPG") == (None, "a/x.jpg")


def test_of_equal_names_the_last_counts_however_many_there_are() -> None:
    member = names(*["a.jpg"] * 200).resolve("A.jpg").member
    assert member is not None and member.offset == 199


def test_a_name_that_very_many_bear_is_found_by_its_folder_only() -> None:
    those = names(
        *(f"export/{number}/front.jpg" for number in range(500)), "x.csv", manifest="x.csv"
    )
    assert path_of(those.resolve("export/77/Front.jpg")) == "export/77/front.jpg"
    assert path_of(those.resolve("elsewhere/export/77/front.jpg")) == "export/77/front.jpg"
    assert those.resolve("front.jpg").member is None


def test_an_archive_without_members_holds_nothing() -> None:
    assert names().resolve("a.jpg") == (None, None)
    assert names("a.jpg").resolve("") == (None, None)
    assert names("a.jpg").resolve("..") == (None, None)


PARTS = st.text("aAäÄé%+ _-.1ßソ\\", min_size=1, max_size=5)
PATHS = st.lists(PARTS, min_size=1, max_size=3).map(
    lambda parts: normalise("/".join(parts) + ".jpg")
)
WAYS: list[Callable[[str], str]] = [
    str,
    lambda path: unicodedata.normalize("NFD", path),
    str.upper,
    quote,
    lambda path: f" {path}\t",
    lambda path: path.replace("/", "\\"),
    lambda path: f"./x/../{path}",
    lambda path: f"C:\\export\\{path}",
]


@settings(deadline=None)
@given(st.lists(PATHS, min_size=1, max_size=6, unique_by=fold), st.sampled_from(WAYS), st.data())
def test_a_member_is_found_in_each_way_and_never_another(
    paths: list[str], way: Callable[[str], str], data: st.DataObject
) -> None:
    meant = data.draw(st.sampled_from(paths))
    assume(all(part == part.strip() for path in paths for part in path.split("/")))
    found = names(*paths).resolve(way(meant))
    assert path_of(found) in (meant, None)
    namesakes = [path for path in paths if fold(path).split("/")[-1] == fold(meant)]
    if way is WAYS[-1] and len(namesakes) > 1:
        return  # of folders that are unknown here, it may be in any
    if way in WAYS[:2] or (way is not quote and "%" not in meant):
        assert path_of(found) == meant


@settings(deadline=None)
@given(st.lists(PATHS, max_size=6), st.text(max_size=12), st.none() | PATHS)
def test_whatever_is_wanted_the_answer_is_a_member_or_none(
    paths: list[str], wanted: str, manifest: str | None
) -> None:
    found = names(*paths, manifest=manifest).resolve(wanted)
    assert path_of(found) in (None, *paths)
    assert found.near in (None, *paths)
    assert found.member is None or found.near is None


MILLION = """
    import resource
    from visearch.archives.member import Member
    from visearch.archives.names import Names
    peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    count, before = 100_000, peak()
    path = "Photos 2024/{:04d}/IMG_{:07d}_\\u00e4.jpg".format
    members = (Member(path(i % 1000, i), i << 20, i << 10, i, 8, i) for i in range(count))
    those = Names(members, None)
    assert those.resolve(path(7, 7).upper()).member.size == 7
    print((peak() - before) * 1024 // count)
"""


def test_a_member_takes_little_memory(fresh_python: Callable[..., list[str]]) -> None:
    (each,) = map(int, fresh_python(MILLION))
    assert each < 300, "bytes: a million take less than 300 MB"
