"""Inception v3 (Szegedy et al. 2015, arXiv:1512.00567) in Flax NNX, without its auxiliary head.

Submodules have torchvision's names, which timm's checkpoints share. Torchvision's
``transform_input`` is left to the preprocessing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx

from visearch.encoders.families.layers import ConvNorm, Norm, max_pool
from visearch.encoders.families.model import Model
from visearch.encoders.families.naming import OWN, Naming

Kernel = int | tuple[int, int]
Step = tuple[int, Kernel | Literal["fork"]]
"""Channels and kernel of a convolution; a fork is a (1, 3) beside a (3, 1) convolution."""
Chains = Mapping[str, tuple[Step, ...]]

_VALID = ((0, 0), (0, 0))
_ROW, _COLUMN = (1, 7), (7, 1)

_EARLY: Chains = {
    "branch1x1": ((64, 1),),
    "branch5x5": ((48, 1), (64, 5)),
    "branch3x3dbl": ((64, 1), (96, 3), (96, 3)),
}
_SHRINK_EARLY: Chains = {
    "branch3x3": ((384, 3),),
    "branch3x3dbl": ((64, 1), (96, 3), (96, 3)),
}
_SHRINK_MIDDLE: Chains = {
    "branch3x3": ((192, 1), (320, 3)),
    "branch7x7x3": ((192, 1), (192, _ROW), (192, _COLUMN), (192, 3)),
}
_LATE: Chains = {
    "branch1x1": ((320, 1),),
    "branch3x3": ((384, 1), (384, "fork")),
    "branch3x3dbl": ((448, 1), (384, 3), (384, "fork")),
}


def _middle(width: int) -> Chains:
    w = width
    return {
        "branch1x1": ((192, 1),),
        "branch7x7": ((w, 1), (w, _ROW), (192, _COLUMN)),
        "branch7x7dbl": ((w, 1), (w, _COLUMN), (w, _ROW), (w, _COLUMN), (192, _ROW)),
    }


_STEM = {
    # channels, kernel, stride, whether padding keeps the size
    "Conv2d_1a_3x3": (32, 3, 2, False),
    "Conv2d_2a_3x3": (32, 3, 1, False),
    "Conv2d_2b_3x3": (64, 3, 1, True),
    "Conv2d_3b_1x1": (80, 1, 1, True),
    "Conv2d_4a_3x3": (192, 3, 1, False),
}
_POOLED_STEM = ("Conv2d_2b_3x3", "Conv2d_4a_3x3")
_MIXED: Mapping[str, tuple[Chains, int | None]] = {
    # branches, channels of the pooled branch (None: the block halves the picture)
    "Mixed_5b": (_EARLY, 32),
    "Mixed_5c": (_EARLY, 64),
    "Mixed_5d": (_EARLY, 64),
    "Mixed_6a": (_SHRINK_EARLY, None),
    "Mixed_6b": (_middle(128), 192),
    "Mixed_6c": (_middle(160), 192),
    "Mixed_6d": (_middle(160), 192),
    "Mixed_6e": (_middle(192), 192),
    "Mixed_7a": (_SHRINK_MIDDLE, None),
    "Mixed_7b": (_LATE, 192),
    "Mixed_7c": (_LATE, 192),
}


@dataclass(frozen=True, kw_only=True)
class InceptionV3Config:
    """Inception v3 has one shape."""

    classes: int | None = 1000
    embedding: int | None = None
    features: int = 2048


VARIANTS: dict[str, InceptionV3Config] = {"inception_v3": InceptionV3Config()}


def _conv(
    cin: int, cout: int, kernel: Kernel, *, stride: int = 1, same: bool = True, rngs: nnx.Rngs
) -> ConvNorm:
    padding = None if same else _VALID
    norm = Norm(epsilon=1e-3)
    return ConvNorm(cin, cout, kernel, stride=stride, padding=padding, norm=norm, rngs=rngs)


def _average(x: jax.Array) -> jax.Array:
    """Average 3×3 windows of [N, H, W, C]; the zero padding counts."""
    x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    averaged: jax.Array = nnx.avg_pool(x, window_shape=(3, 3), strides=(1, 1))
    return averaged


class Mixed(nnx.Module):
    """Parallel chains of convolutions and a pool; their outputs are concatenated.

    ``pooled`` None: the last step of each chain and the pool halve the picture.
    """

    def __init__(self, cin: int, chains: Chains, *, pooled: int | None, rngs: nnx.Rngs) -> None:
        self.halves = pooled is None
        self.channels = cin if pooled is None else pooled
        names = []
        for branch, steps in chains.items():
            chain, width = [], cin
            for i, (cout, kernel) in enumerate(steps, start=1):
                name = branch if len(steps) == 1 else f"{branch}_{i}"
                last = self.halves and i == len(steps)
                chain.append(self._add(name, width, cout, kernel, last=last, rngs=rngs))
                width = cout * len(chain[-1])
            self.channels += width
            names.append(tuple(chain))
        self.names = tuple(names)
        if pooled is not None:
            self.branch_pool = _conv(cin, pooled, 1, rngs=rngs)

    def _add(
        self,
        name: str,
        cin: int,
        cout: int,
        kernel: Kernel | Literal["fork"],
        *,
        last: bool,
        rngs: nnx.Rngs,
    ) -> tuple[str, ...]:
        """Make the convolution ``name``, or a fork of two; return their names."""
        if kernel == "fork":
            setattr(self, name + "a", _conv(cin, cout, (1, 3), rngs=rngs))
            setattr(self, name + "b", _conv(cin, cout, (3, 1), rngs=rngs))
            return (name + "a", name + "b")
        stride = 2 if last else 1
        setattr(self, name, _conv(cin, cout, kernel, stride=stride, same=not last, rngs=rngs))
        return (name,)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Map float [N, H, W, cin] to [N, H', W', channels]."""
        out = []
        for chain in self.names:
            y = x
            for names in chain:
                y = jnp.concatenate([getattr(self, name)(y) for name in names], axis=-1)
            out.append(y)
        out.append(max_pool(x, 3, 2) if self.halves else self.branch_pool(_average(x)))
        return jnp.concatenate(out, axis=-1)


class InceptionV3(Model):
    """An Inception v3."""

    def __init__(self, config: InceptionV3Config, *, rngs: nnx.Rngs) -> None:
        super().__init__(config, rngs=rngs)
        cin = 3
        for name, (cout, kernel, stride, same) in _STEM.items():
            setattr(self, name, _conv(cin, cout, kernel, stride=stride, same=same, rngs=rngs))
            cin = cout
        for name, (chains, pooled) in _MIXED.items():
            block = Mixed(cin, chains, pooled=pooled, rngs=rngs)
            setattr(self, name, block)
            cin = block.channels
        if config.classes is not None:
            self.dropout = nnx.Dropout(0.5, rngs=rngs)
            self.fc = nnx.Linear(cin, config.classes, rngs=rngs)

    def feature_map(self, x: jax.Array) -> jax.Array:
        """Map normalised float32 pictures [N, H, W, 3], 75 px or more, to features [N, h, w, C]."""
        for name in _STEM:
            x = getattr(self, name)(x)
            if name in _POOLED_STEM:
                x = max_pool(x, 3, 2)
        for name in _MIXED:
            x = getattr(self, name)(x)
        return x

    def classify(self, features: jax.Array) -> jax.Array:
        """Classify pooled features [N, C]: logits [N, classes]."""
        return self.fc(self.dropout(features))

    def namings(self) -> tuple[Naming, ...]:
        """Torchvision's names, which are timm's; the auxiliary head is not built."""
        rules = ((r"\.layers\.0\.", ".conv."), (r"\.layers\.1\.", ".bn."))
        return (Naming("torchvision", rules, ignored=(*OWN.ignored, r"^AuxLogits\.")),)
