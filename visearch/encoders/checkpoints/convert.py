"""A checkpoint of any naming → an encoder: our own names, and what it takes to use it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from visearch.encoders import registry
from visearch.encoders.checkpoints.weights import (
    load_checkpoint,
    load_safetensors,
    save_safetensors,
    to_tensors,
)
from visearch.encoders.runtimes.int8 import is_quantized
from visearch.encoders.spec import METADATA_KEY, EncoderSpec, metadata_for, read_notes
from visearch.errors import InvalidRequest
from visearch.images import Preprocess

_TIMM = {"mobilenetv2_100": "mobilenet_v2"}
"""Architectures that timm calls otherwise."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What a checkpoint does not say of itself; ``classes`` None: it has no classifier."""

    architecture: str
    classes: int | None
    preprocess: Preprocess


def convert(checkpoint: Path, out: Path, recipe: Recipe, **notes: Any) -> None:
    """Write ``checkpoint`` as an encoder: float32, under our names, without its classifier.

    ``notes`` are kept in its metadata.

    Raises:
        UnknownEncoder: there is no such architecture.
        WeightsMismatch: the checkpoint cannot be read or does not fit.
        InvalidRequest: a weight is not finite.
    """
    name = recipe.architecture
    model = registry.filled(name, load_checkpoint(checkpoint), classes=recipe.classes)
    bare = registry.abstract(name, classes=None)
    kept = to_tensors(model, like=bare)
    dimension = registry.dimension(bare.config)
    metadata = metadata_for(name, dimension, recipe.preprocess, **notes)
    out.parent.mkdir(parents=True, exist_ok=True)
    try:
        save_safetensors(out, kept, metadata, np.float32)
    except ValueError as error:
        raise InvalidRequest(f"{checkpoint.name}: {error}") from error


def cut(spec: EncoderSpec, dimension: int, out: Path) -> None:
    """Write ``spec`` as an encoder whose embedding is the first ``dimension`` numbers.

    Raises:
        InvalidRequest: it was not trained to be cut to this length.
    """
    if is_quantized(spec):
        raise InvalidRequest("an int8 encoder cannot be cut; cut its source, then quantize that")
    notes = read_notes(spec.weights)
    whole = spec.dimension
    lengths = sorted(n for n in notes.get("recipe", {}).get("lengths", ()) if n < whole)
    if dimension not in lengths:
        raise InvalidRequest(
            f"this encoder was trained to be cut to {', '.join(map(str, lengths))} numbers, "
            f"not to {dimension}"
            if lengths
            else "this encoder was not trained to be cut; a recipe's `lengths` does that"
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    tensors = load_safetensors(spec.weights)
    dtype = next(iter(tensors.values())).dtype
    shorter = {**notes, "dimension": dimension}
    save_safetensors(out, tensors, {METADATA_KEY: json.dumps(shorter, sort_keys=True)}, dtype)


def timm_recipe(config: Mapping[str, Any]) -> Recipe:
    """Read the ``config.json`` of timm's repositories.

    Its centre crop becomes the largest square; what it resizes with is not taken over.

    Raises:
        InvalidRequest: it lacks a field, or is not of a kind we can use.
    """
    try:
        given = {**config, **config.get("pretrained_cfg", {})}
        name = str(given["architecture"])
        channels, height, width = given["input_size"]
        if channels != 3 or height != width:
            raise ValueError(f"the input is {channels} x {height} x {width}, not square RGB")
        return Recipe(
            architecture=_TIMM.get(name, name),
            classes=int(given["num_classes"]) or None,
            preprocess=Preprocess(
                size=height, fit="crop", mean=tuple(given["mean"]), std=tuple(given["std"])
            ),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidRequest(
            f"config.json does not describe a network as timm's does ({error!r}); download "
            "the file and use `visearch weights convert`"
        ) from error
