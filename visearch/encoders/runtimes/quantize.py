"""Post-training quantisation to int8 (Jacob et al. 2017, arXiv:1712.05877) with ONNX Runtime.

Weights are rounded symmetrically per channel; activations per tensor, to the range seen on
calibration pictures. The first convolutions of a network may stay in float32: their few
channels have very different ranges, and every later layer suffers from their errors.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_static,
)

from visearch.encoders.checkpoints import int8
from visearch.encoders.runtimes import flax_export
from visearch.encoders.runtimes.onnx import BATCH, OnnxRuntime
from visearch.encoders.spec import EncoderSpec
from visearch.errors import ExportError

MIN_PICTURES = 16
MIN_COSINE = 0.9
"""Lowest acceptable mean cosine between int8 vectors and their float32 originals."""

_GOOD_COSINE = 0.98
_KEPT = (0, 3, 5)
"""How many convolutions stay in float32; the first number that reaches the good cosine is used."""

_QUANTIZED = ["Conv", "Add", "MaxPool"]


def quantize(spec: EncoderSpec, pixels: npt.NDArray[np.uint8], out: Path) -> float:
    """Write the int8 encoder of ``spec``, calibrated on pictures uint8 [n, S, S, 3].

    The same pictures give the same encoder. Returns the mean cosine, on these pictures,
    between its vectors and those of ``spec`` in float32.

    Raises:
        ValueError: there are fewer than ``MIN_PICTURES`` pictures.
        ExportError: the network has no export, or rounding changes its vectors too much.
    """
    if len(pixels) < MIN_PICTURES:
        raise ValueError(f"calibration needs {MIN_PICTURES} pictures or more, not {len(pixels)}")
    graph, _, _ = flax_export.make(spec)
    exact = OnnxRuntime(graph, threads=1).run(pixels)
    best, best_cosine, best_kept = b"", -1.0, 0
    for kept in _KEPT:
        rounded = _quantized(graph, pixels, kept)
        vectors = OnnxRuntime(rounded, threads=1).run(pixels)
        cosine = float(np.mean(np.sum(exact * vectors, axis=1)))
        if cosine > best_cosine:  # false for NaN
            best, best_cosine, best_kept = rounded, cosine, kept
        if cosine >= _GOOD_COSINE:
            break
    if best_cosine < MIN_COSINE:
        raise ExportError(
            f"The int8 vectors have a mean cosine of {best_cosine:.3f} to the float32 ones; "
            f"{MIN_COSINE} is required. Use the float32 encoder."
        )
    int8.write(out, best, spec, calibrated_on=len(pixels), kept=best_kept)
    return best_cosine


def _quantized(graph: bytes, pixels: npt.NDArray[np.uint8], kept: int) -> bytes:
    model = onnx.load_model_from_string(graph)
    # Everything is folded already; without this note the quantiser recommends it every time.
    note = model.metadata_props.add()
    note.key, note.value = "onnx.quant.pre_process", "onnxruntime.quant"
    # The quantiser identifies nodes by name.
    for number, node in enumerate(model.graph.node):
        node.name = f"n{number}"
    convolutions = [n for n, node in enumerate(model.graph.node) if node.op_type == "Conv"]
    if not convolutions:
        raise ExportError("The network has no convolution that could be quantized.")
    first = convolutions[min(kept, len(convolutions) - 1)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "int8.onnx"
        quantize_static(
            model,
            path,
            _Pictures(model.graph.input[0].name, pixels),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=_QUANTIZED,
            nodes_to_exclude=[node.name for node in model.graph.node[:first]],
            per_channel=True,
            # Weights of 7 bits: CPUs without VNNI add pairs of products in 16 bits. With 8
            # bits those would overflow and give other vectors than other CPUs.
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
        return path.read_bytes()


class _Pictures(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime has no types
    """Feeds pictures to the calibration, one batch at a time."""

    def __init__(self, name: str, pixels: npt.NDArray[np.uint8]) -> None:
        self._batches = self._split(name, pixels)

    @staticmethod
    def _split(name: str, pixels: npt.NDArray[np.uint8]) -> Iterator[dict[str, Any]]:
        for at in range(0, len(pixels), BATCH):
            yield {name: pixels[at : at + BATCH]}

    def get_next(self) -> dict[str, Any] | None:
        """Return the next batch by input name; None at the end."""
        return next(self._batches, None)
