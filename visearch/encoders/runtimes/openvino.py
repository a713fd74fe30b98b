"""OpenVINO: an optional engine for CPUs, for float32, bfloat16 and int8 encoders."""

from __future__ import annotations

import sys

import numpy as np
import numpy.typing as npt

from visearch.encoders.runtimes.options import Precision

# OpenVINO's telemetry forks a process that reports to its vendor without consent; a fork is
# also unsafe with jax, which has threads. Without the module, OpenVINO uses a stub of its
# own. (A program that imported OpenVINO earlier has its telemetry, too.)
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]

import openvino as ov  # noqa: E402  (after the line above)

BATCH = 8
"""Most pictures at a time: larger batches exceed the CPU's cache and are not faster."""

_HINTS = {"float32": "f32", "bfloat16": "bf16"}


class OpenVino:
    """Runs an ONNX graph from uint8 pictures to unit vectors."""

    def __init__(self, model: bytes, *, precision: Precision, threads: int) -> None:
        core = ov.Core()
        compiled = core.compile_model(
            core.read_model(model),
            "CPU",
            {
                "INFERENCE_PRECISION_HINT": _HINTS[precision],
                "INFERENCE_NUM_THREADS": threads,
                "NUM_STREAMS": 1,
                # Two processes with pinned threads would share cores and leave others idle.
                "ENABLE_CPU_PINNING": False,
            },
        )
        self._shape = [d.get_length() for d in list(compiled.input(0).partial_shape)[1:]]
        self._request = compiled.create_infer_request()

    def run(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Embed pictures uint8 [n, S, S, 3], n > 0: unit rows, float32 [n, d]."""
        parts = [
            np.array(self._request.infer({0: np.ascontiguousarray(pixels[at : at + BATCH])})[0])
            for at in range(0, len(pixels), BATCH)
        ]
        return np.concatenate(parts)

    def warm_up(self) -> None:
        """Embed one batch, so that the engine allocates its memory."""
        self.run(np.zeros((BATCH, *self._shape), np.uint8))
