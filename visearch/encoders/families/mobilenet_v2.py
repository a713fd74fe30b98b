"""MobileNet v2 (Sandler et al. 2018, arXiv:1801.04381) in Flax NNX.

Submodules have torchvision's names. The ``tf`` variants are TensorFlow's, with SAME padding
(a stride of 2 pads 0 before and 1 after), 1001 classes, and batch norm folded into the
convolutions' weights and biases.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax
from flax import nnx

from visearch.encoders.families.layers import ConvNorm, Norm
from visearch.encoders.families.model import Model
from visearch.encoders.families.naming import TFLITE, Naming, Rule, staged

_STAGES = (
    # expansion, channels, blocks, stride (table 2)
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)

_LAST = 1 + sum(blocks for _, _, blocks, _ in _STAGES)
_STRIDED_TF = ((0, 1), (0, 1))


@dataclass(frozen=True, kw_only=True)
class MobileNetV2Config:
    """Shape of a MobileNet v2; ``folded``: no batch norm, TensorFlow's padding."""

    features: int = 1280
    folded: bool = False
    classes: int | None = 1000
    embedding: int | None = None


VARIANTS: dict[str, MobileNetV2Config] = {
    "mobilenet_v2": MobileNetV2Config(),
    "mobilenet_v2_tf": MobileNetV2Config(folded=True, classes=1001),
}


def conv_norm(
    cin: int,
    cout: int,
    kernel: int,
    *,
    stride: int = 1,
    depthwise: bool = False,
    linear: bool = False,
    folded: bool,
    rngs: nnx.Rngs,
) -> ConvNorm:
    """Make a convolution with batch norm (unless folded) and ReLU6 (unless linear)."""
    return ConvNorm(
        cin,
        cout,
        kernel,
        stride=stride,
        padding=_STRIDED_TF if folded and stride == 2 else None,
        depthwise=depthwise,
        use_bias=folded,
        norm=None if folded else Norm(),
        activation=None if linear else nnx.relu6,
        rngs=rngs,
    )


class InvertedResidual(nnx.Module):
    """Expand, filter each channel, project; with a shortcut if it fits."""

    def __init__(
        self, cin: int, cout: int, *, stride: int, expansion: int, folded: bool, rngs: nnx.Rngs
    ) -> None:
        wide = cin * expansion
        self.shortcut = stride == 1 and cin == cout
        self.conv: nnx.List[ConvNorm] = nnx.List([])
        if expansion != 1:
            self.conv.append(conv_norm(cin, wide, 1, folded=folded, rngs=rngs))
        self.conv.append(
            conv_norm(wide, wide, 3, stride=stride, depthwise=True, folded=folded, rngs=rngs)
        )
        self.conv.append(conv_norm(wide, cout, 1, linear=True, folded=folded, rngs=rngs))

    def __call__(self, x: jax.Array) -> jax.Array:
        """Map float [N, H, W, cin] to [N, H/stride, W/stride, cout]."""
        y = x
        for layer in self.conv:
            y = layer(y)
        return x + y if self.shortcut else y


class MobileNetV2(Model):
    """A MobileNet v2."""

    config: MobileNetV2Config

    def __init__(self, config: MobileNetV2Config, *, rngs: nnx.Rngs) -> None:
        super().__init__(config, rngs=rngs)
        folded = config.folded
        stem = conv_norm(3, 32, 3, stride=2, folded=folded, rngs=rngs)
        self.body: nnx.List[nnx.Module] = nnx.List([stem])
        cin = 32
        for expansion, cout, blocks, stride in _STAGES:
            for i in range(blocks):
                self.body.append(
                    InvertedResidual(
                        cin,
                        cout,
                        stride=stride if i == 0 else 1,
                        expansion=expansion,
                        folded=folded,
                        rngs=rngs,
                    )
                )
                cin = cout
        self.body.append(conv_norm(cin, config.features, 1, folded=folded, rngs=rngs))
        if config.classes is not None:
            self.dropout = nnx.Dropout(0.2, rngs=rngs)
            self.classifier = nnx.Linear(config.features, config.classes, rngs=rngs)

    def feature_map(self, x: jax.Array) -> jax.Array:
        """Map normalised float32 pictures [N, H, W, 3] to features of places [N, h, w, C]."""
        for layer in self.body:
            x = layer(x)
        return x

    def classify(self, features: jax.Array) -> jax.Array:
        """Classify pooled features [N, C]: logits [N, classes]."""
        return self.classifier(self.dropout(features))

    def namings(self) -> tuple[Naming, ...]:
        """Torchvision's and timm's names; for folded variants TensorFlow Lite's."""
        return (_tflite(),) if self.config.folded else (_torchvision(), _timm())


def _torchvision() -> Naming:
    rules: list[Rule] = [(r"^classifier\.", "classifier.1."), (r"^body\.", "features.")]
    for block in range(1, _LAST):
        # The block's last convolution and norm do not form a group of their own.
        linear = 1 if block == 1 else 2
        own = rf"^features\.{block}\.conv\.{linear}\.layers"
        rules += [(rf"{own}\.{i}\.", f"features.{block}.conv.{linear + i}.") for i in range(2)]
    return Naming("torchvision", (*rules, (r"\.layers\.", ".")))


def _timm() -> Naming:
    rules: list[Rule] = []
    for block, name in enumerate(staged(depth for _, _, depth, _ in _STAGES), start=1):
        convs = ("conv_dw", "conv_pw") if block == 1 else ("conv_pw", "conv_dw", "conv_pwl")
        for i, conv in enumerate(convs):
            own = rf"^body\.{block}\.conv\.{i}\.layers"
            rules += [(rf"{own}\.0\.", f"{name}.{conv}."), (rf"{own}\.1\.", f"{name}.bn{i + 1}.")]
    for block, conv, norm in ((0, "conv_stem", "bn1"), (_LAST, "conv_head", "bn2")):
        own = rf"^body\.{block}\.layers"
        rules += [(rf"{own}\.0\.", f"{conv}."), (rf"{own}\.1\.", f"{norm}.")]
    return Naming("timm", tuple(rules))


def _tflite() -> Naming:
    """Return TensorFlow Lite's names: it numbers operations; the last one classifies."""
    paths = [r"body\.0"]
    for block in range(1, _LAST):
        paths += [rf"body\.{block}\.conv\.{i}" for i in range(2 if block == 1 else 3)]
    paths.append(rf"body\.{_LAST}")
    depthwise = {path for path in paths if path.endswith(r"conv\.1")} - {r"body\.1\.conv\.1"}
    depthwise.add(r"body\.1\.conv\.0")
    rules = [
        (rf"^{path}\.layers\.0\.", f"{i:02}_{'dw' if path in depthwise else 'conv'}/")
        for i, path in enumerate(paths)
    ]
    rules += [(r"^classifier\.", f"{len(paths)}_conv/"), ("/kernel$", "/w"), ("/bias$", "/b")]
    as_convolution = (rf"^{len(paths)}_conv/w", lambda s: (s[0], 1, 1, s[1]))
    return Naming("tflite", tuple(rules), TFLITE, (as_convolution,), ignored=())
