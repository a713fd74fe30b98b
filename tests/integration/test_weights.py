"""``visearch weights``: pulled from a hub that stands in for Hugging Face's, converted, checked."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from visearch.encoders.checkpoints.weights import slots
from visearch.encoders.registry import abstract

VISEARCH = str(Path(sys.executable).with_name("visearch"))
COMMIT, OLDER = "c" * 40, "0" * 40
REPO = "shop/mobilenetv3_small_100.test"
CONFIG = {
    "architecture": "mobilenetv3_small_100",
    "num_classes": 10,
    "pretrained_cfg": {
        "input_size": [3, 32, 32],
        "interpolation": "bicubic",
        "mean": [0.5, 0.5, 0.5],
        "std": [0.5, 0.5, 0.5],
    },
}


def checkpoint(path: Path) -> Path:
    """A small network under timm's names, with random weights and ten classes."""
    model = abstract("mobilenetv3_small_100", classes=10)
    (naming,) = model.namings()
    rng = np.random.default_rng(0)
    tensors = {}
    for place in slots(model, naming):
        values = rng.normal(0, 0.1, place.shape).astype(np.float32)
        positive = place.key.endswith("running_var") or ".bn" in place.key
        tensors[place.key] = np.abs(values) + 0.5 if positive else values
    save_file(tensors, path)
    return path


class Hub:
    """The endpoints that huggingface_hub uses: a repository's description, and its files."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files
        self.promised = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
        self.asked = 0

    def description(self) -> dict[str, Any]:
        siblings = [
            {
                "rfilename": name,
                "size": len(data),
                "blobId": "b" * 40,
                "lfs": {"sha256": self.promised[name], "size": len(data), "pointerSize": 134},
            }
            for name, data in self.files.items()
        ]
        return {"id": REPO, "sha": COMMIT, "siblings": siblings, "tags": ["license:apache-2.0"]}


@contextmanager
def serving(hub: Hub) -> Iterator[str]:
    """Serve ``hub`` on a free port; yields its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.answer(body=False)

        def do_GET(self) -> None:
            self.answer(body=True)

        def answer(self, body: bool) -> None:
            hub.asked += 1
            path = self.path.split("?")[0]
            revision = f"/api/models/{REPO}/revision/"
            if path in (revision + "main", revision + COMMIT):
                self.send(json.dumps(hub.description()).encode(), "application/json", body)
            elif path.startswith(f"/{REPO}/resolve/{COMMIT}/"):
                name = path.rsplit("/", 1)[-1]
                self.send(hub.files[name], "application/octet-stream", body, hub.promised[name])
            else:
                self.send_response(404)
                self.send_header("X-Error-Code", "RevisionNotFound")
                self.send_header("Content-Length", "0")
                self.end_headers()

        def send(self, data: bytes, kind: str, body: bool, etag: str = "e") -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            self.send_header("ETag", f'"{etag}"')
            self.send_header("X-Repo-Commit", COMMIT)
            self.end_headers()
            if body:
                self.wfile.write(data)

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def timm_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoint(tmp_path_factory.mktemp("timm") / "model.safetensors")


@pytest.fixture(scope="module")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where all tests keep what they export: the same network is exported, and checked, once."""
    return tmp_path_factory.mktemp("graphs")


@pytest.fixture
def home(graphs: Path, tmp_path: Path) -> Path:
    """A folder in which nothing has been pulled yet."""
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "graphs").symlink_to(graphs)
    return tmp_path


@pytest.fixture
def hub(timm_file: Path) -> Hub:
    config = json.dumps(CONFIG).encode()
    return Hub({"model.safetensors": timm_file.read_bytes(), "config.json": config})


def visearch(home: Path, *arguments: str, endpoint: str = "http://127.0.0.1:9") -> Any:
    """Run a command in an environment of its own; return what it did."""
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("VISEARCH_", "HF_"))}
    environ |= {"VISEARCH_HOME": str(home), "HF_ENDPOINT": endpoint, "HF_HOME": str(home / "hf")}
    return subprocess.run(
        [VISEARCH, *arguments],
        env=environ,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def output(done: Any) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_pulled_network_is_an_encoder(hub: Hub, home: Path) -> None:
    spec = f"hf-hub:{REPO}@{COMMIT}"
    with serving(hub) as endpoint:
        pulled = output(visearch(home, "weights", "pull", spec, "--json", endpoint=endpoint))
    assert pulled["architecture"] == "mobilenetv3_small_100" and pulled["dimension"] == 576
    assert pulled["licence"] == "apache-2.0"
    # All that follows needs no network.
    again = output(visearch(home, "weights", "pull", spec, "--json"))
    assert again == pulled
    listed = output(visearch(home, "weights", "ls", "--json"))
    assert [one["encoder"] for one in listed] == ["bundled", spec]
    assert listed[1]["fingerprint"] == pulled["fingerprint"]
    checked = output(visearch(home, "weights", "check", spec, "--json"))
    assert checked["fingerprint"] == pulled["fingerprint"]


def test_a_branch_is_followed_when_it_is_pulled(hub: Hub, home: Path) -> None:
    with serving(hub) as endpoint:
        for spec in (f"hf-hub:{REPO}@main", f"hf-hub:{REPO}@{COMMIT}/model.safetensors"):
            done = visearch(home, "weights", "pull", spec, "--json", endpoint=endpoint)
            output(done)
    first, second = output(visearch(home, "weights", "ls", "--json"))[1:]
    assert first["fingerprint"] == second["fingerprint"], "the same weights are the same encoder"


def test_what_lies_here_is_held_to_what_is_asked(hub: Hub, home: Path) -> None:
    spec = f"hf-hub:{REPO}@{COMMIT}"
    right, wrong = hub.promised["model.safetensors"], "0" * 64
    with serving(hub) as endpoint:
        pull = ["weights", "pull", spec, "--json"]
        output(visearch(home, *pull, endpoint=endpoint))
        refused = visearch(home, *pull, "--sha256", wrong, endpoint=endpoint)
        assert refused.returncode == 1 and f"not {wrong}" in refused.stderr, refused.stderr
    output(visearch(home, *pull, "--sha256", right))


def test_a_broken_file_does_not_hide_the_others(tmp_path: Path) -> None:
    folder = tmp_path / "weights" / "hf-hub"
    folder.mkdir(parents=True)
    (folder / "torn.safetensors").write_bytes(b"nonsense")
    bundled, torn = output(visearch(tmp_path, "weights", "ls", "--json"))
    assert bundled["encoder"] == "bundled" and bundled["fingerprint"]
    assert torn["architecture"].startswith("broken: torn.safetensors is not an encoder file")


def test_a_file_that_is_not_the_promised_one_is_refused(hub: Hub, home: Path) -> None:
    spec = f"hf-hub:{REPO}@{COMMIT}"
    data = bytearray(hub.files["model.safetensors"])
    data[-1] ^= 1
    hub.files["model.safetensors"] = bytes(data)
    with serving(hub) as endpoint:
        done = visearch(home, "weights", "pull", spec, endpoint=endpoint)
    assert done.returncode == 1 and "SHA-256" in done.stderr and "Traceback" not in done.stderr
    done = visearch(home, "weights", "check", spec)
    assert done.returncode == 1 and f"visearch weights pull {spec}" in done.stderr


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        (f"hf-hub:{REPO}@{COMMIT}", "machine with network access"),
        (f"hf-hub:{REPO}", "Name the revision"),
        (f"hf-hub:{REPO}@main/../x", "does not have the form"),
    ],
)
def test_without_the_hub_an_error_says_what_to_do(spec: str, reason: str, tmp_path: Path) -> None:
    done = visearch(tmp_path, "weights", "pull", spec)
    assert done.returncode == 1 and reason in done.stderr, done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_revision_is_named(hub: Hub, home: Path) -> None:
    spec = f"hf-hub:{REPO}@{OLDER}"
    with serving(hub) as endpoint:
        done = visearch(home, "weights", "pull", spec, endpoint=endpoint)
    assert done.returncode == 1 and f"The hub has no {spec}" in done.stderr, done.stderr


def test_a_file_is_converted_once_its_classes_are_told(timm_file: Path, home: Path) -> None:
    out = home / "own.safetensors"
    command = ["weights", "convert", str(timm_file), "--architecture", "mobilenetv3_small_100"]
    command += ["--out", str(out), "--size", "32", "--fit", "pad", "--json"]
    refused = visearch(home, *command)
    assert refused.returncode == 1 and "shape of classifier.weight is (10, 1024)" in refused.stderr
    made = output(visearch(home, *command, "--classes", "10"))
    assert made["encoder"] == f"file:{out}" and made["dimension"] == 576
