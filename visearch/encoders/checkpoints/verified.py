"""The tensors of an encoder's file, held to the digest by which it is known; without jax."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load

from visearch.encoders.spec import EncoderSpec
from visearch.errors import WeightsMismatch


@contextmanager
def safetensors_errors(name: str) -> Iterator[None]:
    """Raise WeightsMismatch for what the block finds wrong with a safetensors file."""
    try:
        yield
    except OSError as error:
        raise WeightsMismatch(f"cannot read {name}: {error.strerror or error}") from error
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
    with safetensors_errors(name):
        data = spec.weights.read_bytes()
        if hashlib.sha256(data).hexdigest() != spec.digest:
            raise WeightsMismatch(f"{name} was replaced while it was opened; open it again")
        return dict(load(data))
