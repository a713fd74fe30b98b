"""The tensors of an encoder's file, held to the digest by which it is known; without jax."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load

from visearch.encoders.spec import EncoderSpec
from visearch.errors import WeightsMismatch


def parse_safetensors(data: bytes, name: str) -> dict[str, npt.NDArray[np.generic]]:
    """Return the tensors of a safetensors file's bytes.

    Raises:
        WeightsMismatch: they are not safetensors, or broken, or of a type numpy lacks.
    """
    try:
        return dict(load(data))
    except SafetensorError as error:
        raise WeightsMismatch(f"cannot read {name} as safetensors: {error}") from error
    except (AttributeError, KeyError, TypeError) as error:  # float8 and the like
        raise WeightsMismatch(f"{name} has tensors of a type that numpy lacks: {error}") from error


def load_verified(spec: EncoderSpec) -> dict[str, npt.NDArray[np.generic]]:
    """Load the tensors of ``spec``'s file.

    Raises:
        WeightsMismatch: the file is broken, or is another one than when ``spec`` was made:
            its vectors would go by a name that is not theirs.
    """
    name = spec.weights.name
    try:
        data = spec.weights.read_bytes()
    except OSError as error:
        raise WeightsMismatch(f"cannot read {name}: {error.strerror}") from error
    if hashlib.sha256(data).hexdigest() != spec.digest:
        raise WeightsMismatch(f"{name} was replaced while it was opened; open it again")
    return parse_safetensors(data, name)
