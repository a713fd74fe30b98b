"""Files of int8 encoders: a quantised graph instead of weights.

Rounding to 8 bits moves vectors further than two runtimes may differ, and how far depends on
the calibration pictures. An int8 encoder is therefore an encoder of its own, made on purpose
(``visearch quantize``). The digest of its file gives it its own fingerprint, so its vectors
are never compared with those of the encoder it was made from.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from visearch.encoders.checkpoints.verified import load_verified
from visearch.encoders.spec import EncoderSpec, metadata_for, read_notes
from visearch.errors import WeightsMismatch

_TENSOR = "graph"
"""The only tensor of the file: the bytes of an ONNX model, uint8 [length]."""
_SOURCE = "quantized_from"


def is_quantized(spec: EncoderSpec) -> bool:
    """Tell whether the file of ``spec`` holds an int8 graph instead of weights."""
    return _SOURCE in read_notes(spec.weights)


def read_graph(spec: EncoderSpec) -> bytes:
    """Return the ONNX model of a quantised encoder.

    Raises:
        WeightsMismatch: the file is broken, or contains other tensors.
    """
    tensors = load_verified(spec)
    if set(tensors) != {_TENSOR}:
        raise WeightsMismatch(
            f"{spec.weights.name} is not an int8 encoder. Run `visearch quantize` again."
        )
    graph: bytes = np.asarray(tensors[_TENSOR]).tobytes()
    return graph


def write(path: Path, graph: bytes, source: EncoderSpec, *, calibrated_on: int, kept: int) -> None:
    """Write the graph quantised from ``source``; replaces ``path`` atomically.

    Its notes record the number of calibration pictures, and that the first ``kept``
    convolutions remain in float32.
    """
    metadata = metadata_for(
        source.architecture,
        source.dimension,
        source.preprocess,
        **{
            _SOURCE: source.fingerprint,
            "calibrated_on": calibrated_on,
            "float32_convolutions": kept,
        },
    )
    part = path.with_name(path.name + ".part")
    save_file({_TENSOR: np.frombuffer(graph, np.uint8)}, part, metadata=metadata)
    part.replace(path)
