"""Training data: copies kept once, honest splits, folders and tars as well as zips."""

from __future__ import annotations

import io
import shutil
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
from system import archive, picture

from visearch.errors import ArchiveCorrupt, InvalidRequest
from visearch.training.data import Source, load


def test_copies_are_kept_once_and_labels_are_numbers(source: Source) -> None:
    training, held, left_out = load([source])
    assert len(training) + len(held) == 30
    assert not len(left_out)
    assert 0 < len(held) < 20
    assert not set(training.pictures) & set(held.pictures)
    assert set(training.labels[:, 0]) | set(held.labels[:, 0]) == {-1, 0, 1}


def test_a_group_never_straddles_the_split(source: Source) -> None:
    training, held, _ = load([replace(source, group="sender", holdout=0.4)])
    sender = {picture(i): i % 5 for i in range(30)}
    assert held.pictures and training.pictures
    assert not {sender[p] for p in training.pictures} & {sender[p] for p in held.pictures}


def test_what_is_left_out_is_in_no_part_of_training(source: Source) -> None:
    training, held, left_out = load([replace(source, left_out={"kind": frozenset({"b"})})])
    assert len(left_out) == 10
    assert {left_out.names[label] for label in left_out.labels[:, 0]} == {"a|kind|b"}
    assert not set(left_out.pictures) & {*training.pictures, *held.pictures}


def test_a_missing_column_is_named(source: Source) -> None:
    with pytest.raises(ArchiveCorrupt, match="colour"):
        load([replace(source, levels=(("colour",),))])


def test_broken_pictures_are_all_named(source: Source, tmp_path: Path) -> None:
    shutil.unpack_archive(source.archive, tmp_path / "a")
    for name in ("3.jpg", "7.jpg"):
        (tmp_path / "a" / name).write_bytes(b"nonsense")
    with pytest.raises(
        InvalidRequest, match=r"^2 pictures .* a/3\.jpg \(.*\), a/7\.jpg \(.*\)\. Repair"
    ):
        load([replace(source, archive=tmp_path / "a")])


def test_a_short_line_is_named(source: Source) -> None:
    assert source.table is not None
    with source.table.open("a") as file:
        file.write("60.jpg\n")
    with pytest.raises(ArchiveCorrupt, match=r"a\.csv: line 62 does not have one value"):
        load([source])


def test_a_copy_of_what_is_left_out_is_left_out(source: Source) -> None:
    assert source.table is not None
    kept = load([source])
    name = source.table.read_text().splitlines()[1].split(",")[0]  # its copy stands later
    text = source.table.read_text().splitlines()
    copy = next(i for i, line in enumerate(text) if line.startswith(f"{int(name[:-4]) + 30}.jpg"))
    text[copy] = f"{int(name[:-4]) + 30}.jpg,gone,0"
    source.table.write_text("\n".join(text))
    split = load([replace(source, left_out={"kind": frozenset({"gone"})})])
    assert list(split.left_out.pictures) == [picture(int(name[:-4]))]
    assert len(split.training) + len(split.held_out) == len(kept.training) + len(kept.held_out) - 1


@pytest.mark.parametrize(
    ("name", "damage", "reason"),
    [
        ("a.csv", lambda data: data + "ü".encode("latin-1"), "Save it in this form"),
        ("a.zip", lambda data: data[:-30] + b"x" * 30, "a.zip"),
    ],
)
def test_damage_is_named(
    source: Source, tmp_path: Path, name: str, damage: Callable[[bytes], bytes], reason: str
) -> None:
    file = tmp_path / name
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(ArchiveCorrupt, match=reason):
        load([source])


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz"])
def test_a_cut_tar_is_named(tmp_path: Path, mode: Literal["w", "w:gz", "w:xz"]) -> None:
    with tarfile.open(tmp_path / "a.tar", mode) as tar:
        for i in range(4):
            member = tarfile.TarInfo(f"hats/{i}.jpg")
            member.size = len(picture(i))
            tar.addfile(member, io.BytesIO(picture(i)))
    whole = (tmp_path / "a.tar").read_bytes()
    (tmp_path / "a.tar").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ArchiveCorrupt, match=r"a\.tar"):
        load([Source(tmp_path / "a.tar", None, (("folder",),))])


def test_a_table_of_other_pictures_is_refused(source: Source, tmp_path: Path) -> None:
    (tmp_path / "other.zip").write_bytes(archive([("images/0.jpg", picture(0))]))
    with pytest.raises(InvalidRequest, match="none of the pictures"):
        load([replace(source, archive=tmp_path / "other.zip")])


def test_folders_and_tars_are_labelled_by_folder(tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    for i in range(6):
        file = folder / ["hats", "bags"][i % 2] / f"{i}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(picture(i))
    (folder / "hats" / "notes.txt").write_text("not a picture")
    with tarfile.open(tmp_path / "shop.tar", "w") as tar:
        tar.add(folder, ".")
        tar.addfile(tarfile.TarInfo("hats/empty.txt"), io.BytesIO())
    for place in (folder, tmp_path / "shop.tar"):
        data = load([Source(place, None, (("folder",),), holdout=0.0)]).training
        assert sorted(data.names) == ["shop|folder|bags", "shop|folder|hats"]
        kinds = {p: data.names[k] for p, k in zip(data.pictures, data.labels[:, 0], strict=True)}
        assert kinds == {picture(i): f"shop|folder|{['hats', 'bags'][i % 2]}" for i in range(6)}


def test_a_file_that_is_no_archive_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"nonsense")
    with pytest.raises(ArchiveCorrupt, match=r"a\.zip is neither"):
        load([Source(tmp_path / "a.zip", None, ())])
