"""``visearch evaluate`` on drawn pictures with the bundled encoder, from options to report."""

from __future__ import annotations

import csv
import io
import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from visearch.cli.main import main
from visearch.demo import write_archive
from visearch.encoders.spec import BUNDLED

PRODUCTS = 6
VIEWS = 2


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with drawn products, two pictures each, and a table that labels them."""
    folder = tmp_path_factory.mktemp("evaluate")
    write_archive(folder / "shop.zip", PRODUCTS)
    with zipfile.ZipFile(folder / "shop.zip") as archive:
        manifest = io.StringIO(archive.read("manifest.csv").decode())
    with (folder / "shop.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["image", "product", "kind", "colour", "view"])
        for row in csv.DictReader(manifest):
            for view, image in enumerate(row["image"].split("|")):
                table.writerow([image, row["id"], row["kind"], row["colour"], "ab"[view]])
    shutil.copy(BUNDLED, folder / "copy.safetensors")
    return folder


def evaluate(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["evaluate", *map(str, arguments)])


@pytest.fixture(scope="module")
def compared(shop: Path) -> dict[str, Any]:
    """The bundled encoder beside a copy of itself, by product and by kind and colour."""
    report = shop / "report.html"
    result = evaluate(
        "bundled", f"file:{shop / 'copy.safetensors'}", "--data", shop / "shop.zip",
        "--label", "product", "--label", "kind,colour", "--group", "product",
        "--report", report, "--json",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_every_query_is_accounted_for(compared: dict[str, Any]) -> None:
    assert compared["pictures"] == PRODUCTS * VIEWS
    assert compared["protocol"] == "leave-one-out" and compared["similarity"] == "cosine"
    assert [level["level"] for level in compared["encoders"][0]["levels"]] == [
        "product",
        "kind + colour",
    ]
    for level in compared["encoders"][0]["levels"]:
        assert level["queries"] + level["unanswerable"] == PRODUCTS * VIEWS
        assert sum(each["queries"] for each in level["classes"]) == level["queries"]
    by_product = compared["encoders"][0]["levels"][0]
    assert by_product["groups"] == PRODUCTS
    assert len(by_product["classes"]) == PRODUCTS


def test_figures_agree_with_one_another(compared: dict[str, Any]) -> None:
    for level in compared["encoders"][0]["levels"]:
        metrics = level["metrics"]
        assert all(each["low"] <= each["value"] <= each["high"] for each in metrics.values())
        values = {name: each["value"] for name, each in metrics.items()}
        assert values["recall@1"] <= values["recall@5"] <= values["recall@10"] <= 1
        of_classes = sum(c["metrics"]["map"] * c["queries"] for c in level["classes"])
        assert of_classes / level["queries"] == pytest.approx(values["map"])
    # The other picture of a drawn product is easy to find: chance would be 1 in 23.
    assert compared["encoders"][0]["levels"][0]["metrics"]["recall@1"]["value"] > 0.5


def test_an_encoder_is_no_better_than_itself(compared: dict[str, Any]) -> None:
    one, two = compared["encoders"]
    assert one["fingerprint"] == two["fingerprint"] and one["levels"] == two["levels"]
    assert len(compared["gains"]) == 2
    for gains in compared["gains"]:
        assert all(set(gain.values()) == {0} for gain in gains.values())


def test_robustness_starts_whole_and_falls(compared: dict[str, Any]) -> None:
    curves = compared["encoders"][0]["robustness"]
    assert [curve["corruption"] for curve in curves] == [
        "noise", "blur", "jpeg", "rotation", "occlusion",
    ]  # fmt: skip
    for curve in curves:
        recalls = [point["recall"]["value"] for point in curve["points"]]
        assert curve["points"][0]["severity"] is None and recalls[0] == 1
        assert recalls[-1] <= recalls[0]


def test_weights_of_the_parts_are_weighed_and_shown(shop: Path) -> None:
    report = shop / "weighed.html"
    arguments = ("--data", shop / "shop.zip", "--label", "kind", "--similarity", "euclidean")
    kind_alone = "bundled#general=0,kind=1,instance=0"
    both = evaluate("bundled", kind_alone, *arguments, "--json")
    assert both.exit_code == 0, both.output
    plain, weighed = json.loads(both.stdout)["encoders"]
    assert (plain["encoder"], weighed["encoder"]) == ("bundled", kind_alone)
    assert plain["levels"][0]["weights"] is None
    assert weighed["levels"][0]["weights"] == {"general": 0, "kind": 1, "instance": 0}
    assert plain["levels"][0]["metrics"] != weighed["levels"][0]["metrics"]
    said = evaluate("bundled#fitted", *arguments, "--report", report)
    assert said.exit_code == 0, said.output
    # So few pictures change nothing: these are the squares of the parts' lengths.
    assert "general 0.424, kind 0.424, instance 0.153" in " ".join(said.stdout.split())
    assert "Weights of the parts of bundled#fitted: general 0.424" in report.read_text("utf-8")


def test_the_report_is_written(compared: dict[str, Any], shop: Path) -> None:
    text = (shop / "report.html").read_text(encoding="utf-8")
    assert text.startswith("<!doctype html>")
    assert compared["encoders"][0]["fingerprint"] in text
    assert "By kind + colour" in text and "<svg" in text


def test_photos_query_one_gallery_picture_each(shop: Path) -> None:
    result = evaluate(
        "bundled", "--data", shop / "shop.zip", "--table", shop / "shop.csv",
        "--label", "product", "--gallery", "view=a", "--similarity", "euclidean",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert f"by product: {PRODUCTS} queries, query-to-gallery" in result.stdout
    for name in ("recall@1", "precision@10", "ndcg@5", "map", "median_rank", "occlusion"):
        assert name in result.stdout


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([], "Name with --label"),
        (["--label", "price"], "has no column price"),
        (["--label", "kind", "--group", "sender"], "has no column sender"),
        (["--label", "kind", "--gallery", "view"], "COLUMN=VALUE"),
        (["--label", "kind", "--gallery", "view=z"], "no picture has 'z'"),
        (["--label", "image"], "No query has an answer at label 'image'"),
        (["--label", "kind", "--report", "/no/such/folder/x.html"], "is not a folder"),
        (["bundled#general=much", "--label", "kind"], "NAME=WEIGHT"),
        (["bundled#general=1", "--label", "kind"], "Give each of these a weight"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(
    arguments: list[str], reason: str, shop: Path
) -> None:
    result = evaluate("bundled", "--data", shop / "shop.zip", *arguments)
    assert result.exit_code == 1
    sentence = result.stderr.splitlines()[-1]
    assert sentence.startswith("Error: ") and reason in sentence


def test_a_recipe_brings_its_own_labels_and_a_folder(shop: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text('[[source]]\narchive = "shop.zip"\ntable = "shop.csv"\nlevels = [["kind"]]\n')
    both = evaluate("bundled", "--recipe", recipe, "--data", shop, "--label", "kind")
    assert both.exit_code == 1 and "A recipe names its own" in both.stderr
    file = evaluate("bundled", "--recipe", recipe, "--data", shop / "shop.zip")
    assert file.exit_code == 1 and "is not a folder" in file.stderr


def test_an_unknown_encoder_is_refused_before_the_work(shop: Path) -> None:
    result = evaluate("nothing", "--data", shop / "shop.zip", "--label", "kind")
    assert result.exit_code == 1 and "There is no encoder" in result.stderr
