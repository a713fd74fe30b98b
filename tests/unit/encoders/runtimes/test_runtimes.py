"""One encoder in several runtimes: the same vectors, or a clear refusal."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx
import pytest

from visearch import Encoder
from visearch.encoders import registry, spec
from visearch.encoders.checkpoints.weights import save_safetensors, to_tensors
from visearch.encoders.runtimes.options import RunOptions, choose, has_bfloat16, user_cache
from visearch.errors import ExportError, SettingsError
from visearch.images import Preprocess
from visearch.settings import Settings

SIDE = 32
PIXELS = np.random.default_rng(0).integers(0, 256, (11, SIDE, SIDE, 3), np.uint8)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A compact network with random weights."""
    path = tmp_path_factory.mktemp("runtimes") / "small.safetensors"
    preprocess = Preprocess(size=SIDE, fit="pad", mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4))
    model = registry.build("resnet_compact", seed=3)
    save_safetensors(path, to_tensors(model), spec.metadata_for("resnet_compact", 256, preprocess))
    return f"file:{path}"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def by_xla(small: str, cache: Path) -> np.ndarray:
    options = RunOptions(runtime="xla", precision="float32", cache=cache)
    return Encoder.open(small, (4,), options).embed_pixels(PIXELS)


@pytest.fixture(scope="module")
def quantized(small: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Its int8 form."""
    from visearch.encoders.runtimes.quantize import quantize

    out = tmp_path_factory.mktemp("int8") / "int8.safetensors"
    pixels = np.random.default_rng(2).integers(0, 256, (16, SIDE, SIDE, 3), np.uint8)
    assert quantize(spec.resolve(small), pixels, out) > 0.98
    return f"file:{out}"


def _rounded_convolutions(graph: onnx.GraphProto) -> int:
    """Count the convolutions whose input was rounded."""
    made_by = {name: node.op_type for node in graph.node for name in node.output}
    return sum(
        made_by.get(node.input[0]) == "DequantizeLinear"
        for node in graph.node
        if node.op_type == "Conv"
    )


class TestOnnxRuntime:
    def open(self, encoder: str, cache: Path | None) -> Encoder:
        return Encoder.open(encoder, options=RunOptions(runtime="onnx", threads=1, cache=cache))

    def test_its_vectors_are_those_of_xla(
        self, small: str, cache: Path, by_xla: np.ndarray
    ) -> None:
        vectors = self.open(small, cache).embed_pixels(PIXELS)
        np.testing.assert_allclose(vectors, by_xla, atol=1e-5)

    def test_the_next_process_needs_no_jax(self, small: str, cache: Path) -> None:
        self.open(small, cache)
        code = (
            "import sys; from pathlib import Path; from visearch import Encoder\n"
            "from visearch.encoders.runtimes.options import RunOptions\n"
            f"options = RunOptions(runtime='onnx', cache=Path({str(cache)!r}))\n"
            f"Encoder.open({small!r}, options=options).warm_up()\n"
            "print('jax' in sys.modules)"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
        )
        assert done.stdout == "False\n", done.stderr

    def test_of_several_processes_one_makes_the_graph(self, small: str, tmp_path: Path) -> None:
        code = (
            "import sys; from pathlib import Path; from visearch import Encoder\n"
            "from visearch.encoders.runtimes.options import RunOptions\n"
            f"options = RunOptions(runtime='onnx', cache=Path({str(tmp_path)!r}))\n"
            f"Encoder.open({small!r}, options=options)\n"
            "print('jax' in sys.modules)"
        )
        command = [sys.executable, "-c", code]
        several = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
        assert sorted(each.communicate(timeout=120)[0].strip() for each in several) == [
            "False",
            "False",
            "True",
        ]

    def test_a_broken_copy_in_the_cache_is_made_again(
        self, small: str, tmp_path: Path, by_xla: np.ndarray
    ) -> None:
        self.open(small, tmp_path)
        (kept,) = (tmp_path / "graphs").glob("*.onnx")
        whole = kept.read_bytes()
        kept.write_bytes(whole[: len(whole) // 2])
        vectors = self.open(small, tmp_path).embed_pixels(PIXELS)
        np.testing.assert_allclose(vectors, by_xla, atol=1e-5)
        assert kept.read_bytes() == whole

    def test_a_cache_that_cannot_be_written_is_done_without(
        self, small: str, tmp_path: Path
    ) -> None:
        (tmp_path / "file").touch()
        vectors = self.open(small, tmp_path / "file").embed_pixels(PIXELS[:1])
        assert vectors.shape == (1, 256)

    def test_an_export_that_gives_other_vectors_is_refused(
        self, small: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # What jax2onnx did: the padding of the first pool disappears, and its size stays.
        from visearch.encoders.runtimes import onnx_windows

        def pads_at_the_end(padding: Sequence[tuple[int, int]]) -> list[int]:
            return [0 for _ in padding] + [sum(sides) for sides in padding]

        monkeypatch.setattr(onnx_windows, "_pads", pads_at_the_end)
        with pytest.raises(ExportError, match="onnx in float32 gives vectors"):
            self.open(small, tmp_path)
        assert not list(tmp_path.rglob("*.onnx"))

    def test_bfloat16_is_refused(self, small: str) -> None:
        with pytest.raises(SettingsError, match="no bfloat16"):
            Encoder.open(small, options=RunOptions(runtime="onnx", precision="bfloat16"))


class TestXla:
    def test_several_devices_share_each_batch(
        self, small: str, by_xla: np.ndarray, tmp_path: Path
    ) -> None:
        np.save(tmp_path / "pixels.npy", PIXELS)
        code = (
            "import sys; import jax, numpy as np; from visearch import Encoder\n"
            "from visearch.encoders.runtimes.options import RunOptions\n"
            "assert len(jax.devices()) == 2\n"
            "options = RunOptions(runtime='xla', precision='float32')\n"
            "encoder = Encoder.open(sys.argv[1], (3,), options)\n"
            "np.save('vectors.npy', encoder.embed_pixels(np.load('pixels.npy')))\n"
        )
        flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=2"
        subprocess.run(
            [sys.executable, "-c", code, small],
            cwd=tmp_path, env={**os.environ, "XLA_FLAGS": flags}, timeout=200, check=True,
        )  # fmt: skip
        np.testing.assert_allclose(np.load(tmp_path / "vectors.npy"), by_xla, atol=1e-5)

    def test_bfloat16_is_near(self, small: str, by_xla: np.ndarray) -> None:
        options = RunOptions(runtime="xla", precision="bfloat16")
        vectors = Encoder.open(small, (4,), options).embed_pixels(PIXELS[:3])
        assert 1e-5 < np.linalg.norm(vectors - by_xla[:3], axis=1).max() < 5e-2


class TestOpenVino:
    @pytest.fixture(autouse=True)
    def _installed(self) -> None:
        if find_spec("openvino") is None:  # importing it here would load its telemetry
            pytest.skip("the extra `openvino` is not installed")

    @pytest.mark.parametrize(("precision", "far"), [("float32", 1e-3), ("bfloat16", 5e-2)])
    def test_its_vectors_are_those_of_xla(
        self, small: str, cache: Path, by_xla: np.ndarray, precision: str, far: float
    ) -> None:
        options = RunOptions(runtime="openvino", precision=precision, threads=1, cache=cache)
        vectors = Encoder.open(small, options=options).embed_pixels(PIXELS)
        assert np.linalg.norm(vectors - by_xla, axis=1).max() < far

    def test_it_starts_no_telemetry(self, small: str, cache: Path) -> None:
        code = (
            "import os; from pathlib import Path; from visearch import Encoder\n"
            "from visearch.encoders.runtimes.options import RunOptions\n"
            "os.register_at_fork(before=lambda: print('forked'))\n"
            f"options = RunOptions(runtime='openvino', cache=Path({str(cache)!r}))\n"
            f"Encoder.open({small!r}, options=options).warm_up()\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=100, check=True
        )
        assert done.stdout == ""


class TestInt8:
    def test_it_is_an_encoder_of_its_own(
        self, small: str, quantized: str, by_xla: np.ndarray
    ) -> None:
        encoder = Encoder.open(quantized, options=RunOptions(threads=1))
        assert (encoder.runtime, encoder.precision) == ("onnx", "int8")
        assert encoder.fingerprint != spec.resolve(small).fingerprint
        assert encoder.preprocess == spec.resolve(small).preprocess
        cosine = np.sum(encoder.embed_pixels(PIXELS) * by_xla, axis=1)
        assert cosine.min() > 0.97 and cosine.min() < 0.999999

    def test_first_layers_stay_where_rounding_costs_too_much(
        self, small: str, quantized: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from visearch.encoders.checkpoints import int8
        from visearch.encoders.runtimes import quantize

        monkeypatch.setattr(quantize, "_KEPT", (3,))
        out, pixels = tmp_path / "kept.safetensors", PIXELS.repeat(8, axis=0)
        assert quantize.quantize(spec.resolve(small), pixels, out) > 0.98
        graphs = [int8.read_graph(spec.resolve(name)) for name in (quantized, f"file:{out}")]
        rounded, kept = (onnx.load_model_from_string(graph).graph for graph in graphs)
        assert _rounded_convolutions(rounded) - _rounded_convolutions(kept) == 3
        assert spec.read_notes(out)["float32_convolutions"] == 3

    def test_what_does_not_survive_rounding_is_refused(
        self, small: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from visearch.encoders.runtimes import quantize

        monkeypatch.setattr(quantize, "MIN_COSINE", 1.1)  # nothing does
        out, pixels = tmp_path / "none.safetensors", PIXELS.repeat(8, axis=0)
        with pytest.raises(ExportError, match=r"mean cosine of 0\.9"):
            quantize.quantize(spec.resolve(small), pixels, out)
        assert not out.exists()

    def test_xla_refuses_it(self, quantized: str) -> None:
        with pytest.raises(SettingsError, match="int8 encoder"):
            Encoder.open(quantized, options=RunOptions(runtime="xla"))


class TestChoice:
    def test_an_accelerator_gets_xla_in_bfloat16(self) -> None:
        found = choose(RunOptions(), quantized=False, accelerator=lambda: True)
        assert found == [("xla", "bfloat16")]

    def test_a_cpu_gets_exact_vectors_or_what_is_faster(self) -> None:
        found = choose(RunOptions(), quantized=False, accelerator=lambda: False)
        there = find_spec("openvino") is not None
        faster = [("openvino", "float32"), ("openvino", "bfloat16")][: 1 + has_bfloat16()]
        assert found == [("onnx", "float32"), *(faster if there else [])]

    @pytest.mark.parametrize("asked", [{"runtime": "onnx"}, {"precision": "float32"}])
    def test_who_says_something_has_it(self, asked: dict[str, str]) -> None:
        options = RunOptions(**asked)
        found = choose(options, quantized=False, accelerator=lambda: False)
        assert found == [("onnx", "float32")]

    @pytest.mark.parametrize("given", [{"runtime": "tpu"}, {"precision": "int4"}])
    def test_misspelt_names_are_refused(self, given: dict[str, str]) -> None:
        with pytest.raises(SettingsError, match=r"is unknown\. Use one of: auto"):
            RunOptions(**given)

    def test_the_environment_decides_for_those_who_say_nothing(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.delenv("VISEARCH_HOME", raising=False)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        monkeypatch.setenv("VISEARCH_RUNTIME", "xla")
        monkeypatch.setenv("VISEARCH_ENCODER_THREADS", "3")
        options = RunOptions.from_env()
        assert (options.runtime, options.cores, options.cache) == ("xla", 3, user_cache())
        assert not options.shared and RunOptions.of(Settings.from_env()).shared
        assert user_cache() == tmp_path / "visearch"
        monkeypatch.setenv("VISEARCH_HOME", str(tmp_path / "home"))
        assert RunOptions.from_env().cache == tmp_path / "home" / "cache"

    @pytest.mark.parametrize("text", ["0", "-1", "two"])
    def test_threads_are_a_number_above_zero(
        self, monkeypatch: pytest.MonkeyPatch, text: str
    ) -> None:
        monkeypatch.setenv("VISEARCH_ENCODER_THREADS", text)
        with pytest.raises(SettingsError, match="VISEARCH_ENCODER_THREADS"):
            RunOptions.from_env()
