"""ONNX Runtime: the engine for CPUs, in float32 and for int8 encoders.

Its threads sleep when they have nothing to do. By default they spin, which makes a single
caller on an idle machine a little faster and everything else on a busy one slower
(docs/benchmarks.md).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import onnxruntime

BATCH = 8
"""Most pictures at a time: larger batches leave the cache of a CPU and gain nothing."""


class OnnxRuntime:
    """Runs an ONNX graph from uint8 pictures to unit vectors."""

    def __init__(self, model: bytes, *, threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3  # errors; its warnings go past Python's logging
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(
            model, options, providers=["CPUExecutionProvider"]
        )
        (self._input,) = self._session.get_inputs()

    def run(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Embed pictures uint8 [n, S, S, 3], n > 0: unit rows, float32 [n, d]."""
        parts = [
            self._session.run(None, {self._input.name: pixels[at : at + BATCH]})[0]
            for at in range(0, len(pixels), BATCH)
        ]
        return np.concatenate(parts)

    def warm_up(self) -> None:
        """Embed one batch, so that the engine has its memory."""
        self.run(np.zeros((BATCH, *self._input.shape[1:]), np.uint8))
