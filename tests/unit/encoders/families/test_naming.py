"""Namings: what each family expects of a checkpoint is what the published ones have."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np
import pytest

from visearch.encoders.checkpoints.weights import load_tensors, slots
from visearch.encoders.families.model import Model
from visearch.encoders.families.naming import OWN
from visearch.encoders.registry import abstract, load_model
from visearch.errors import UnknownEncoder, WeightsMismatch

# SHA-256 (its first 16 digits) over "key [shape]" lines, sorted, of the state dicts that
# torchvision 0.28 and timm 1.0.20 (lite: 1.0.31) make, without num_batches_tracked and AuxLogits.
PUBLISHED = {
    ("torchvision", "resnet34"): "efabbe4b2289112b",
    ("torchvision", "resnet101"): "a85edc6cd135a89d",
    ("torchvision", "vgg16_bn"): "7f63603ea8fd0df9",
    ("torchvision", "vgg19"): "2ae6c231664ee367",
    ("torchvision", "mobilenet_v3_small"): "cb6b8a086b0ea7e8",
    ("torchvision", "efficientnet_b1"): "862f9aeff2465d0f",
    ("torchvision", "efficientnet_b5"): "ab8694d714ade49b",
    ("torchvision", "convnext_base"): "812b48a629a125fa",
    ("timm", "resnet34"): "efabbe4b2289112b",
    ("timm", "vgg16_bn"): "eefc9b49040c79a1",
    ("timm", "vgg19"): "b9b7550e572035ea",
    ("timm", "inception_v3"): "060d097e94d4c79d",
    ("timm", "mobilenet_v2"): "fb193ed441ef69d9",
    ("timm", "mobilenetv3_large_100"): "45e47990ea6b1d0c",
    ("timm", "mobilenetv3_small_100"): "f5e518da1a2d7d3a",
    ("timm", "efficientnet_b0"): "62576637d3698c34",
    ("timm", "efficientnet_b1"): "e855a73999e6601f",
    ("timm", "efficientnet_lite0"): "50a8af1596b033c3",
    ("timm", "efficientnet_lite1"): "c1c21417d4654fb2",
    ("timm", "efficientnet_lite2"): "59a3ef377b9b7d53",
    ("timm", "efficientnet_lite3"): "8415d5421d9c1a54",
    ("timm", "efficientnet_lite4"): "139d4630ac1285e9",
    ("timm", "convnext_tiny"): "6a2556c605ee9b4f",
    ("timm", "convnext_base"): "f7e3abf6b07f4fe2",
}
KEYS = {
    # architecture: keys of it in timm's checkpoints
    "vgg16_bn": ("features.1.running_var", "pre_logits.fc1.weight", "head.fc.bias"),
    "mobilenet_v2": ("blocks.0.0.conv_pw.weight", "blocks.6.0.conv_pwl.weight", "bn2.weight"),
    "mobilenetv3_small_100": ("blocks.0.0.se.conv_reduce.bias", "blocks.5.0.conv.weight"),
    "efficientnet_b0": ("blocks.5.3.bn3.running_mean", "conv_head.weight", "classifier.bias"),
    "efficientnet_lite2": ("_blocks.0._bn2.bias", "_blocks.20._bn2.weight", "_fc.weight"),
    "convnext_tiny": ("stem.1.bias", "stages.2.blocks.8.gamma", "stages.3.downsample.1.weight"),
}


def digests(model: Model) -> Iterable[str]:
    for naming in (OWN, *model.namings()):
        lines = sorted(f"{place.key} {list(place.shape)}" for place in slots(model, naming))
        yield hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


@pytest.mark.parametrize("name", sorted({name for _, name in PUBLISHED}))
def test_published_checkpoints_are_expected_as_they_are(name: str) -> None:
    model = abstract(name)
    published = {digest for (_, each), digest in PUBLISHED.items() if each == name}
    assert published <= set(digests(model))
    known = {place.key for naming in model.namings() for place in slots(model, naming)}
    assert known >= set(KEYS.get(name, ()))
    for naming in (OWN, *model.namings()):
        places = slots(model, naming)
        assert len({place.key for place in places}) == len(places), "two arrays of one name"


def test_the_constants_of_batch_norm_keep_timm_and_torchvision_apart() -> None:
    """Of MobileNet v3 each publishes weights that the other's constants would spoil."""
    torchvision, timm = abstract("mobilenet_v3_small"), abstract("mobilenetv3_small_100")
    for model, other in ((torchvision, timm), (timm, torchvision)):
        (naming,) = other.namings()
        given = {place.key: np.zeros(place.shape, np.float32) for place in slots(other, naming)}
        with pytest.raises(WeightsMismatch, match="missing"):
            load_tensors(model, given)


def test_what_is_ignored_is_named() -> None:
    model = abstract("inception_v3")
    (naming,) = model.namings()
    given = {place.key: np.zeros(place.shape, np.float32) for place in slots(model, naming)}
    unused = {"AuxLogits.fc.weight": np.zeros(3), "fc.num_batches_tracked": np.zeros(())}
    assert load_tensors(model, {**given, **unused}) == "torchvision"
    with pytest.raises(WeightsMismatch, match=r"unexpected fc\.extra"):
        load_tensors(model, {**given, "fc.extra": np.zeros(3)})


def test_an_unknown_architecture_is_refused() -> None:
    with pytest.raises(UnknownEncoder, match="Choose one of: resnet18"):
        load_model("resnet19")
