"""int8 encoders as files: a finished graph, quantised once, that is an encoder of its own.

Rounding to 8 bits moves vectors further than two runtimes may differ, and how far depends
on the pictures that the ranges were measured on. So an int8 encoder is made on purpose
(``visearch quantize``), its graph is its weights, and the digest of the file gives it a
fingerprint of its own: its vectors never meet those of the encoder it came from.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from visearch.encoders.checkpoints.verified import load_verified
from visearch.encoders.spec import EncoderSpec, metadata_for, read_notes
from visearch.errors import WeightsMismatch

_TENSOR = "graph"
"""The one tensor of the file: an ONNX model's bytes, uint8 [length]."""
_SOURCE = "quantized_from"


def is_quantized(spec: EncoderSpec) -> bool:
    """Tell whether the file of ``spec`` holds an int8 graph instead of weights."""
    return _SOURCE in read_notes(spec.weights)


def read_graph(spec: EncoderSpec) -> bytes:
    """Return the ONNX model of a quantised encoder.

    Raises:
        WeightsMismatch: the file is broken, or has other tensors.
    """
    tensors = load_verified(spec)
    if set(tensors) != {_TENSOR}:
        raise WeightsMismatch(f"{spec.weights.name} is no int8 encoder; quantise it again")
    graph: bytes = np.asarray(tensors[_TENSOR]).tobytes()
    return graph


def write(path: Path, graph: bytes, source: EncoderSpec, *, calibrated_on: int, kept: int) -> None:
    """Write the graph quantised from ``source``; replaces ``path`` atomically.

    Its notes tell on how many pictures it was calibrated, and that the first ``kept``
    convolutions stayed in float32.
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
