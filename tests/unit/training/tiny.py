"""A residual network so small that a whole run takes seconds."""

from __future__ import annotations

from visearch.encoders import registry
from visearch.encoders.families import resnet

NAME = "resnet_tiny"
CONFIG = resnet.ResNetConfig(
    block="basic", depths=(1, 1, 1, 1), width=8, classes=None, embedding=128
)
TABLES = (resnet.VARIANTS, registry.VARIANTS)
"""Where a network is looked up by its name."""
