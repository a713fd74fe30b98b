"""Namings: how a published checkpoint names and lays out the arrays of a model.

A naming is data: ordered rules that rewrite the path of an array in our model to the
checkpoint's key, and the order of the axes of its kernels. So the expected content of a
checkpoint is computed from the model, and differences are reported in the checkpoint's names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.generic]
Axes = tuple[int, ...]
Shape = tuple[int, ...]
Rule = tuple[str, str]
"""A pattern and its replacement, as ``re.sub`` takes them."""
Reshape = tuple[str, Callable[[Shape], Shape]]
"""A pattern of keys, and the function from our shape to theirs in the checkpoint."""


@dataclass(frozen=True)
class Layout:
    """A checkpoint's order of our axes [kh, kw, I, O], [kh, kw, 1, C] and [I, O]."""

    conv: Axes
    depthwise: Axes
    linear: Axes

    def axes(self, shape: Shape) -> Axes:
        """Return the order of axes for a kernel of our ``shape``."""
        if len(shape) == 2:
            return self.linear
        return self.depthwise if shape[2] == 1 else self.conv


TORCH = Layout(conv=(3, 2, 0, 1), depthwise=(3, 2, 0, 1), linear=(1, 0))
"""[O, I, kh, kw], [C, 1, kh, kw], [O, I]."""
KERAS = Layout(conv=(0, 1, 2, 3), depthwise=(0, 1, 3, 2), linear=(0, 1))
"""[kh, kw, I, O], [kh, kw, C, 1], [I, O]."""
TFLITE = Layout(conv=(3, 0, 1, 2), depthwise=(2, 0, 1, 3), linear=(1, 0))
"""[O, kh, kw, I], [1, kh, kw, C], [O, I]."""

TORCH_LEAVES: tuple[Rule, ...] = (
    (r"\.(kernel|scale)$", ".weight"),
    (r"\.mean$", ".running_mean"),
    (r"\.var$", ".running_var"),
)


@dataclass(frozen=True)
class Naming:
    """One way to name a model's arrays; keys in ``ignored`` are not needed for inference."""

    name: str
    rules: tuple[Rule, ...] = ()
    layout: Layout = TORCH
    reshaped: tuple[Reshape, ...] = ()
    ignored: tuple[str, ...] = (r"\.num_batches_tracked$",)

    def key(self, path: str) -> str:
        """Return the checkpoint's key for the array at ``path``, such as ``conv1.kernel``."""
        leaves = TORCH_LEAVES if self.layout is TORCH else ()
        for pattern, replacement in (*self.rules, *leaves):
            path = re.sub(pattern, replacement, path)
        return path

    def ignores(self, key: str) -> bool:
        """Tell whether a checkpoint may contain ``key`` although it is not used."""
        return any(re.search(pattern, key) for pattern in self.ignored)


OWN = Naming("visearch")
"""What visearch writes: our modules' paths with PyTorch's leaf names and layouts."""


@dataclass(frozen=True)
class Slot:
    """Where a checkpoint stores one array of a model."""

    key: str
    shape: Shape
    axes: Axes
    permuted: Shape

    def read(self, array: Array) -> Array:
        """Convert the checkpoint's array to the model's layout."""
        return array.reshape(self.permuted).transpose(np.argsort(self.axes))

    def write(self, array: Array) -> Array:
        """Convert the model's array to the checkpoint's layout."""
        return np.ascontiguousarray(array.transpose(self.axes).reshape(self.shape))


def slot(naming: Naming, path: str, shape: Shape) -> Slot:
    """Return where a checkpoint of this naming stores the array at ``path`` of our ``shape``."""
    key = naming.key(path)
    axes = naming.layout.axes(shape) if path.endswith("kernel") else tuple(range(len(shape)))
    permuted = stored = tuple(shape[axis] for axis in axes)
    for pattern, reshape in naming.reshaped:
        if re.search(pattern, key):
            stored = reshape(permuted)
    return Slot(key, stored, axes, permuted)


def staged(depths: Iterable[int], prefix: str = "blocks", start: int = 0) -> Iterator[str]:
    """Yield ``prefix.STAGE.BLOCK`` for all blocks; stages are numbered from ``start``."""
    for stage, depth in enumerate(depths, start):
        yield from (f"{prefix}.{stage}.{block}" for block in range(depth))
