"""A published checkpoint → an encoder file: visearch's own names, and how to use it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from visearch.encoders import registry
from visearch.encoders.checkpoints.int8 import is_quantized
from visearch.encoders.checkpoints.weights import (
    load_checkpoint,
    load_safetensors,
    save_safetensors,
    to_tensors,
)
from visearch.encoders.spec import METADATA_KEY, EncoderSpec, metadata_for, read_notes
from visearch.errors import InvalidRequest
from visearch.images import Preprocess

_TIMM = {
    "mobilenetv2_100": "mobilenet_v2",
    **{f"tf_efficientnet_lite{n}": f"efficientnet_lite{n}" for n in range(5)},
}
"""Architectures that have another name in timm."""


@dataclass(frozen=True, kw_only=True)
class Conversion:
    """What a checkpoint does not say about itself; ``classes`` None: it has no classifier."""

    architecture: str
    classes: int | None
    preprocess: Preprocess


def convert(checkpoint: Path, out: Path, conversion: Conversion, **notes: Any) -> None:
    """Write ``checkpoint`` as an encoder: float32, visearch's names, no classifier.

    ``notes`` are kept in the encoder's metadata.

    Raises:
        UnknownEncoder: there is no such architecture.
        WeightsMismatch: the checkpoint cannot be read or does not fit the architecture.
        InvalidRequest: a weight is not finite.
    """
    name = conversion.architecture
    model = registry.filled(name, load_checkpoint(checkpoint), classes=conversion.classes)
    bare = registry.abstract(name, classes=None)
    kept = to_tensors(model, like=bare)
    dimension = registry.dimension(bare.config)
    metadata = metadata_for(name, dimension, conversion.preprocess, **notes)
    out.parent.mkdir(parents=True, exist_ok=True)
    try:
        save_safetensors(out, kept, metadata, np.float32)
    except ValueError as error:
        raise InvalidRequest(f"{checkpoint.name} cannot be converted: {error}.") from error


def cut(spec: EncoderSpec, dimension: int, out: Path) -> None:
    """Write an encoder whose embeddings are the first ``dimension`` numbers of ``spec``'s.

    Raises:
        InvalidRequest: ``spec`` was not trained to be cut to this length.
    """
    if is_quantized(spec):
        raise InvalidRequest(
            "An int8 encoder cannot be cut. Cut the encoder it was made from, then quantize that."
        )
    notes = read_notes(spec.weights)
    whole = spec.dimension
    lengths = sorted(n for n in notes.get("recipe", {}).get("lengths", ()) if n < whole)
    if dimension not in lengths:
        raise InvalidRequest(
            f"The encoder cannot be cut to {dimension} numbers. It was trained to be cut to "
            f"{', '.join(map(str, lengths))}."
            if lengths
            else "The encoder was not trained to be cut. Train it with `lengths` in the recipe."
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    tensors = load_safetensors(spec.weights)
    dtype = next(iter(tensors.values())).dtype
    shorter = {**notes, "dimension": dimension}
    save_safetensors(out, tensors, {METADATA_KEY: json.dumps(shorter, sort_keys=True)}, dtype)


def timm_conversion(config: Mapping[str, Any]) -> Conversion:
    """Read the ``config.json`` of a repository of timm's.

    The centre crop becomes the largest square; timm's resampling filter is not adopted.

    Raises:
        InvalidRequest: it lacks a field, or describes a network that we cannot use.
    """
    try:
        given = {**config, **config.get("pretrained_cfg", {})}
        name = str(given["architecture"])
        channels, height, width = given["input_size"]
        if channels != 3 or height != width:
            raise ValueError(f"the input is {channels} x {height} x {width}, not square RGB")
        return Conversion(
            architecture=_TIMM.get(name, name),
            classes=int(given["num_classes"]) or None,
            preprocess=Preprocess(
                size=height, fit="crop", mean=tuple(given["mean"]), std=tuple(given["std"])
            ),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidRequest(
            f"The file config.json does not describe a network in timm's form ({error!r}). "
            "Download the weights and use `visearch weights convert`."
        ) from error
