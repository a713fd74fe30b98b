"""ONNX Runtime: the default engine on CPUs, for float32 and int8 encoders.

Its threads spin while they wait for the next layer: by default for some 40 ms, on a shared
machine for ``SPIN_US``, so that they do not hold cores that other processes need. Without
spinning, every layer would have to wake them (docs/decisions/0008-cpu-runtime.md).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import onnxruntime

BATCH = 8
"""Most pictures at a time: larger batches exceed the CPU's cache and are not faster."""

SPIN_US = "100"
"""Microseconds that an idle thread spins on a shared machine."""


class OnnxRuntime:
    """Runs an ONNX graph from uint8 pictures to unit vectors."""

    def __init__(self, model: bytes, *, threads: int, shared: bool = False) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3  # errors only; its messages bypass Python's logging
        if shared:
            options.add_session_config_entry("session.intra_op.spin_duration_us", SPIN_US)
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
        """Embed one batch, so that the engine allocates its memory."""
        self.run(np.zeros((BATCH, *self._input.shape[1:]), np.uint8))
