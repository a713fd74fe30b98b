"""The peers' networks: plain ONNX graphs written by hand from the papers' tables.

Float32 pictures [n, 3, S, S] → features [n, C], with batch norm folded as every exporter does,
and random weights. They share no code with visearch's exporter.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

RESNETS = {
    # blocks per stage, bottleneck
    "resnet18": ((2, 2, 2, 2), False),
    "resnet34": ((3, 4, 6, 3), False),
    "resnet50": ((3, 4, 6, 3), True),
    "resnet101": ((3, 4, 23, 3), True),
}
MOBILENET_V2 = (
    # expansion, channels, blocks, stride
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


class Plain:
    """A graph under construction; methods take and return the names of values."""

    def __init__(self, seed: int = 0) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self._rng = np.random.default_rng(seed)

    def node(self, op: str, *inputs: str, **given: object) -> str:
        """Append a node."""
        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [name], **given))
        return name

    def constant(self, array: np.ndarray) -> str:
        """Store an array."""
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(array, name))
        return name

    def conv(self, x: str, cin: int, cout: int, k: int, stride: int = 1, group: int = 1) -> str:
        """Convolve with a bias, padded by k // 2 on every side."""
        fan = cin // group * k * k
        shape = (cout, cin // group, k, k)
        kernel = self._rng.normal(0, (2 / fan) ** 0.5, shape).astype(np.float32)
        return self.node(
            "Conv",
            x,
            self.constant(kernel),
            self.constant(np.zeros(cout, np.float32)),
            kernel_shape=[k, k],
            strides=[stride, stride],
            pads=[k // 2] * 4,
            group=group,
        )

    def relu6(self, x: str) -> str:
        """Clip to 0…6."""
        low, high = (self.constant(np.float32(v)) for v in (0, 6))
        return self.node("Clip", x, low, high)

    def pool(self, x: str) -> str:
        """Average over the picture: [n, C]."""
        return self.node("Flatten", self.node("GlobalAveragePool", x))

    def project(self, x: str, cin: int, cout: int) -> str:
        """Multiply by a matrix [cin, cout]."""
        matrix = self._rng.normal(0, cin**-0.5, (cin, cout)).astype(np.float32)
        return self.node("MatMul", x, self.constant(matrix))

    def model(self, result: str, channels: int, size: int) -> onnx.ModelProto:
        """Return the finished model."""
        shape = ["n", 3, size, size]
        graph = helper.make_graph(
            self.nodes,
            "peer",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info(result, TensorProto.FLOAT, ["n", channels])],
            self.weights,
        )
        opset = [helper.make_opsetid("", 17)]
        return helper.make_model(graph, opset_imports=opset, ir_version=8)


def resnet(name: str, size: int, embedding: int | None) -> onnx.ModelProto:
    """He et al. 2015, table 1, with the stride in the 3×3 convolution."""
    depths, bottleneck = RESNETS[name]
    g = Plain()
    x = g.node("Relu", g.conv("x", 3, 64, 7, 2))
    x = g.node("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    cin = 64
    for stage, depth in enumerate(depths):
        width = 64 << stage
        cout = width * (4 if bottleneck else 1)
        for i in range(depth):
            stride = 2 if stage and not i else 1
            y = (
                _bottleneck(g, x, cin, width, stride)
                if bottleneck
                else _basic(g, x, cin, width, stride)
            )
            if stride != 1 or cin != cout:
                x = g.conv(x, cin, cout, 1, stride)
            x = g.node("Relu", g.node("Add", y, x))
            cin = cout
    return _finish(g, x, cin, size, embedding)


def _basic(g: Plain, x: str, cin: int, width: int, stride: int) -> str:
    return g.conv(g.node("Relu", g.conv(x, cin, width, 3, stride)), width, width, 3)


def _bottleneck(g: Plain, x: str, cin: int, width: int, stride: int) -> str:
    y = g.node("Relu", g.conv(x, cin, width, 1))
    y = g.node("Relu", g.conv(y, width, width, 3, stride))
    return g.conv(y, width, width * 4, 1)


def mobilenet_v2(size: int, embedding: int | None) -> onnx.ModelProto:
    """Sandler et al. 2018, table 2."""
    g = Plain()
    x = g.relu6(g.conv("x", 3, 32, 3, 2))
    cin = 32
    for expansion, cout, blocks, first in MOBILENET_V2:
        for i in range(blocks):
            stride, wide = (first if not i else 1), cin * expansion
            y = g.relu6(g.conv(x, cin, wide, 1)) if expansion != 1 else x
            y = g.relu6(g.conv(y, wide, wide, 3, stride, group=wide))
            y = g.conv(y, wide, cout, 1)
            x = g.node("Add", x, y) if stride == 1 and cin == cout else y
            cin = cout
    return _finish(g, g.relu6(g.conv(x, cin, 1280, 1)), 1280, size, embedding)


def _finish(g: Plain, x: str, channels: int, size: int, embedding: int | None) -> onnx.ModelProto:
    x = g.pool(x)
    if embedding is None:
        return g.model(x, channels, size)
    return g.model(g.project(x, channels, embedding), embedding, size)


GRAPHS: dict[str, Callable[[int, int | None], onnx.ModelProto]] = {
    "mobilenet_v2": mobilenet_v2,
    "mobilenet_v2_tf": mobilenet_v2,
    **{name: (lambda size, d, name=name: resnet(name, size, d)) for name in RESNETS},
}
