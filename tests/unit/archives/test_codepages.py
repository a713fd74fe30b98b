"""Names of zips made on Windows are read in the code page that the manifest's names tell."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
from archive_files import items, pictures, raw_zip
from hypothesis import example, given, settings
from hypothesis import strategies as st

from visearch.archives import Contents
from visearch.archives.codepages import MOST_WANTED, PAGES, choose, decoded, provisional
from visearch.archives.member import normalise

TEXTS = {
    "cp437": "café",
    "cp850": "Øre",
    "cp852": "źdźbło",
    "cp866": "платье",
    "cp932": "ソックス表",
    "cp936": "红裙",
    "cp949": "드레스",
    "cp950": "功能裙",
    "cp1251": "Платье",
    "cp1252": "robe d\u2019été",
    "cp1253": "Φόρεμα",
    "cp1254": "I\u015f\u0131k",
    "koi8_r": "ПЛАТЬЕ красное",
}


@pytest.mark.parametrize("page", TEXTS)
def test_the_page_is_the_one_in_which_the_names_match(page: str) -> None:
    paths = [f"{TEXTS[page]}/{n} {TEXTS[page]}.jpg" for n in range(3)]
    rows = "".join(f"{n},{path}\n" for n, path in enumerate(paths))
    files = [(path.encode(page), b"%d" % n) for n, path in enumerate(paths)]
    data = raw_zip([*files, (b"manifest.csv", f"id,image\n{rows}".encode())])
    planned = items(data)
    assert [(item.path, item.code) for item in planned] == [(path, None) for path in paths]
    assert pictures(data, planned) == [b"0", b"1", b"2"]


@pytest.mark.parametrize("start", ["", "D:\\pictures\\", "gs://bucket/"])
@pytest.mark.parametrize("page", TEXTS)
def test_the_name_of_a_folder_tells_the_page(page: str, start: str) -> None:
    paths = [f"{TEXTS[page]}/1.jpg", f"{TEXTS[page]} 2/1.jpg"]
    typed = [start + (path.replace("/", "\\") if "\\" in start else path) for path in paths]
    rows = "".join(f"{n},{path}\n" for n, path in enumerate(typed))
    files = [(path.encode(page), b"%d" % n) for n, path in enumerate(paths)]
    data = raw_zip([*files, (b"manifest.csv", f"id,image\n{rows}".encode())])
    planned = items(data)
    assert [(item.path, item.code) for item in planned] == [(path, None) for path in paths]
    assert pictures(data, planned) == [b"0", b"1"]


def test_the_manifest_may_lie_in_a_folder_of_such_a_name() -> None:
    folder = "ソ"
    rows = f"id,image\n1,{folder}.jpg\n".encode()
    files = [(f"{folder}/{folder}.jpg", b"a"), (f"{folder}/manifest.csv", rows)]
    (item,) = items(raw_zip([(name.encode("cp932"), data) for name, data in files]))
    assert (item.path, item.code) == ("ソ/ソ.jpg", None)


@settings(deadline=None)
@given(
    page=st.sampled_from(PAGES),
    raws=st.lists(st.binary(min_size=1, max_size=20), min_size=1, max_size=5),
)
@example(page="cp949", raws=[b"\xe6\xf5"])
def test_what_is_wanted_as_it_is_stored_is_found(page: str, raws: list[bytes]) -> None:
    # Whatever the names: read in the page that is chosen, no fewer match than in another.
    def matches(chosen: str) -> int:
        return sum(decoded(raw, chosen).rpartition("/")[2] in wanted for raw in raws)

    typed = {raw.decode(page).rpartition("/")[2] for raw in raws if is_usual(raw, page)}
    typed = {
        name for name in typed if name == name.strip() and not name.isascii() and "\\" not in name
    }
    wanted = {normalise(name) for name in typed}
    if wanted:
        assert matches(choose(raws, typed)) >= min(1, matches(page))


def is_usual(raw: bytes, page: str) -> bool:
    """Tell whether Windows names a file so: no folder, and of several codes for one character one.

    A backslash at the end may be half a character; a test of its own has such names.
    """
    if raw.endswith((b"/", b"\\")):
        return False
    try:
        return raw.decode(page).encode(page) == raw
    except UnicodeError:
        return False


@pytest.mark.parametrize(
    ("names", "pages"),
    [
        (["Größe.jpg"], ["cp437", "cp850"]),
        (["grüne Hose.jpg", "weiße Schuhe.jpg"], ["cp437", "cp850"]),
        (["café.jpg", "niño.jpg", "½ litre.jpg"], ["cp437", "cp850"]),
        (["Красная рубашка.jpg", "платье.jpg"], ["cp866", "cp1251", "koi8_r"]),
        (["Фото/1.jpg", "Фото/2.jpg"], ["cp866", "cp1251"]),
        (["Φόρεμα.jpg", "μπλε τζιν.jpg"], ["cp737", "cp1253"]),
        (["חולצה אדומה.jpg", "מעיל צמר.jpg"], ["cp862"]),
        (["红色衬衫.jpg", "蓝色牛仔裤.jpg"], ["cp936"]),
        (["红色/1.jpg", "蓝色/1.jpg"], ["cp936"]),
        (["紅色襯衫.jpg", "藍色牛仔褲.jpg"], ["cp950"]),
        (["赤いシャツ.jpg", "ソックス表.jpg"], ["cp932"]),
        (["빨간 셔츠.jpg", "가죽 벨트.jpg"], ["cp949"]),
    ],
)
def test_without_a_manifest_names_are_read_as_words(names: list[str], pages: list[str]) -> None:
    for page in pages:
        planned = items(raw_zip([(name.encode(page), b"") for name in names]))
        assert [item.path for item in planned] == names
        assert [item.product_id for item in planned] == [name[:-4] for name in names]


@pytest.mark.parametrize("page", ["cp437", "cp850", "cp852", "cp1252", "cp1250"])
def test_one_name_more_changes_no_other(page: str) -> None:
    """Else the products of before would be gone, and others there."""
    words = ["Mädchen", "schön", "Gürtel", "Tür", "Übergröße", "häst", "Forêt", "algodón", "Røde"]
    names = [f"{each}.jpg".encode(page) for each in words if is_in(each, page)]
    alone = [items(raw_zip([(name, b"")]))[0].product_id for name in names]
    for number in range(1, len(names) + 1):
        planned = items(raw_zip([(name, b"") for name in names[:number]]))
        assert [item.product_id for item in planned] == alone[:number]


def is_in(text: str, page: str) -> bool:
    try:
        text.encode(page)
    except UnicodeEncodeError:
        return False
    return True


def test_what_names_are_read_as_is_said() -> None:
    def notes(*names: bytes) -> tuple[str, ...]:
        data = raw_zip([(name, b"id,image\n1,a.jpg\n") for name in names])
        return Contents(io.BytesIO(data), "zip", max_items=9).notes

    (note,) = notes("платье.jpg".encode("cp866"))
    assert "ibm866" in note
    assert notes(b"a.jpg", "é.jpg".encode()) == ()
    assert notes(b"m.csv", b"caf\x82.jpg") == ()


def test_names_that_the_manifest_spells_otherwise_are_read_as_words() -> None:
    rows = "id,image\n1,ФОТО/красная рубашка.jpg\n".encode()
    data = raw_zip([("Фото/Красная рубашка.jpg".encode("cp866"), b""), (b"m.csv", rows)])
    assert [(item.path, item.code) for item in items(data)] == [("Фото/Красная рубашка.jpg", None)]


def test_without_any_hint_it_is_the_page_of_the_format() -> None:
    assert choose([b"caf\x82.jpg"], []) == "cp437"
    assert choose([b"caf\x82.jpg"], ["a.jpg"] * 9) == "cp437"


def test_a_manifest_without_end_is_read_as_far_as_it_takes() -> None:
    def endless() -> Iterator[str]:
        number = 0
        while True:
            number += 1
            yield f"é{number}.jpg"

    assert choose(["é7.jpg".encode("cp1252")], endless()) == "cp1252"
    assert MOST_WANTED >= 7


@settings(deadline=None)
@given(st.binary(max_size=30))
def test_a_name_of_unknown_encoding_is_some_path(raw: bytes) -> None:
    for path in (provisional(raw), *(decoded(raw, page) for page in PAGES)):
        assert not path.startswith("/") and not path.endswith("/") and "//" not in path
        assert ".." not in path.split("/")
