"""Reads the tensors of an encoder's file and verifies its digest; does not load jax."""

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
    """Turn what a safetensors file raises inside the ``with`` block into WeightsMismatch."""
    try:
        yield
    except OSError as error:
        raise WeightsMismatch(f"{name} cannot be read: {error.strerror or error}.") from error
    except SafetensorError as error:
        raise WeightsMismatch(f"{name} cannot be read as safetensors: {error}.") from error
    except (AttributeError, KeyError, TypeError) as error:  # float8 and the like
        raise WeightsMismatch(
            f"{name} has tensors of a type that numpy does not support: {error}."
        ) from error


def load_verified(spec: EncoderSpec) -> dict[str, npt.NDArray[np.generic]]:
    """Load the tensors of ``spec``'s file.

    Raises:
        WeightsMismatch: the file is broken, or was replaced after ``spec`` was resolved: its
            vectors would carry the fingerprint of another encoder.
    """
    name = spec.weights.name
    with safetensors_errors(name):
        data = spec.weights.read_bytes()
        if hashlib.sha256(data).hexdigest() != spec.digest:
            raise WeightsMismatch(f"{name} was replaced while it was being opened. Try again.")
        return dict(load(data))
