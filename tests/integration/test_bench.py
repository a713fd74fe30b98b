"""The benchmarks run as `make bench` runs them, on a small scale."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from system import System

from visearch.demo import write_archive

ROOT = Path(__file__).parents[2]


def run(script: str, system: System, *options: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, f"bench/{script}.py", "--server", system.url, "--json", *options],
        cwd=ROOT, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def test_ingest_and_serving_are_measured(system: System, tmp_path: Path) -> None:
    drawn = tmp_path / "drawn.zip"
    write_archive(drawn, 20)
    ingest = run("ingest", system, "--archive", str(drawn), "--catalog", "bench")
    assert ingest["counts"]["searchable"] == 40
    assert ingest["ratio"] > 0
    size = ["--queries", "20", "--clients", "2", "--seconds", "1"]
    serve = run("serve", system, "--archive", str(drawn), "--catalog", "bench", *size)
    assert serve["rank1"] >= 0.8
    assert set(serve["states"]) == {"succeeded"}
    assert serve["errors"] == []


def test_local_embeddings_are_measured(tmp_path: Path) -> None:
    drawn = tmp_path / "drawn.zip"
    write_archive(drawn, 4)
    done = subprocess.run(
        [sys.executable, "bench/local.py", "--archive", drawn, "--runtimes", "onnx", "--json"],
        cwd=ROOT, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    (onnx,) = result["runtimes"]
    assert result["pictures"] == 8 and onnx["largest_error"] < 1e-4
    assert all(each["local"] > 0 for each in (onnx["ms_one"], onnx["ms_batch"]))


def test_filters_are_measured_in_a_catalog_of_their_own(tmp_path: Path) -> None:
    size = ["--home", str(tmp_path), "--products", "3000", "--count", "2"]
    done = subprocess.run(
        [sys.executable, "bench/filters.py", *size, "--json"],
        cwd=ROOT, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    for kind in ("search_ms", "product_page_ms", "ledger_page_ms"):
        assert all(0 < each["p99"] < 10_000 for each in result[kind].values())


def test_a_large_import_is_measured_to_its_last_page(
    system: System, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "bench"))
    import large_import

    large_import.write_encoder(tmp_path / "encoder.safetensors")
    assert (tmp_path / "encoder.safetensors").stat().st_size > 0
    large_import.write_archive(tmp_path / "large.zip", 40)
    result = large_import.run_import(system, tmp_path / "large.zip", 40)
    assert (result["status"], result["books_agree"]) == ("succeeded", True), result
    assert result["peak_mib"].keys() >= {"web", "plan", "ingest", "embed", "search"}
    monkeypatch.setattr(large_import, "PAGES", 2)
    with system.open_http() as http:
        assert all(each["p99"] > 0 for each in large_import.read_pages(http).values())


def encode(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "bench/encode.py", "--json", *options],
        cwd=ROOT, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip


def test_encoding_is_measured_beside_a_peer() -> None:
    small = ["--model", "resnet_compact", "--size", "32", "--batch", "2", "--seconds", "0.2"]
    done = encode(*small, "--peer", "onnxruntime", "--threads", "1")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["images_per_s"] > 0 and result["peer_images_per_s"] > 0
    assert result["ratio"] == pytest.approx(
        result["images_per_s"] / result["peer_images_per_s"], rel=0.02
    )


@pytest.mark.skipif(find_spec("torch") is not None, reason="the peer torch is installed")
def test_a_peer_that_is_not_installed_is_named_in_one_sentence() -> None:
    done = encode("--peer", "torch")
    assert done.returncode == 1
    assert done.stderr == "The peer torch is not installed. Run `pip install torch`.\n"
