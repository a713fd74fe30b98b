"""Recipes: everything that determines a training run, besides the data and the machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from visearch.images import Preprocess
from visearch.images.preprocess import Fit

Kind = Literal[
    "same_picture",
    "same_label",
    "triplet",
    "proxy",
    "teacher_features",
    "teacher_embedding",
    "teacher_relations",
]

Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Triple = tuple[Finite, Finite, Finite]
Deviations = tuple[Rate, Rate, Rate]
_HALF = (0.5, 0.5, 0.5)
LABELLED: tuple[Kind, ...] = ("same_label", "triplet", "proxy")
_STRICT_KEYS = ConfigDict(extra="forbid")


@dataclass(frozen=True, kw_only=True)
class Term:
    """One weighted term of the loss; ``visearch.training.terms`` defines each kind.

    ``level`` is the level of labels that it uses. ``temperature`` divides similarities;
    ``margin`` is in units of cosine; ``smoothing`` is the share of the target that is
    spread over all classes of the source; ``memory`` is the number of earlier embeddings
    used as negatives. ``part`` is the part of the embedding that it applies to, in
    architectures that have several.
    """

    __pydantic_config__ = _STRICT_KEYS

    kind: Kind
    weight: Weight = 1.0
    level: Count = 0
    temperature: Rate = 0.1
    margin: Weight = 0.0
    smoothing: Share = 0.0
    memory: Count = 0
    part: str = "all"


@dataclass(frozen=True, kw_only=True)
class Pretrained:
    """A network to start from: an architecture and its checkpoint.

    ``classes`` is the number of classes of the checkpoint (None: as in the architecture's
    published ones, 0: it has no classifier). ``into`` is the submodule that a branch fills.
    """

    __pydantic_config__ = _STRICT_KEYS

    architecture: str
    weights: Path
    classes: Count | None = None
    into: str = ""


@dataclass(frozen=True, kw_only=True)
class Teacher:
    """An encoder to learn from: a file that visearch trained or converted.

    It sees each view as its own preprocessing would make it, whatever the student sees.
    """

    __pydantic_config__ = _STRICT_KEYS

    weights: Path


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The numbers of a run; ``batch`` counts pictures, of which each gives two views.

    Network:
        ``start`` and ``branch`` are pretrained networks: ``branch`` fills a submodule after
        ``start`` has filled what it can. Parameters that neither fills learn at
        ``head_learning_rate``; those whose names begin with one of ``frozen`` never change.
        With 0 ``steps`` the networks are only put together. ``embedding`` is the length of
        the embedding, in architectures that leave it open (None: the features). Terms are
        averaged over the whole embedding and its first ``lengths`` numbers, so that it can
        be cut (Kusupati et al. 2022, arXiv:2205.13147). ``whitening`` 0..1 evens out the
        strengths of the principal directions with which projections start.

    Pictures:
        ``mean`` and ``std`` (RGB, on a 0..1 scale) normalise pixels and must be those of the
        starting network. Views are drawn at ``view_size`` px (None: ``size``), as teachers
        may need, and shrunk to ``size``; all but the last ``full_size_steps`` steps shrink
        them to ``train_size`` (Touvron et al. 2019, arXiv:1906.06423). ``strength`` 0..1
        scales the changes in the strong view; with ``clean_view`` the weak view is the
        unchanged catalog picture. ``mixtures`` pictures per batch are mixtures of others,
        used only by the terms ``teacher_features`` and ``teacher_embedding``.
        ``hard_window`` > 1 sorts that many batches of a source by its first ``hard_levels``
        labels before they are formed, so that a picture's negatives are of its own kind.

    Result:
        ``average`` is the decay of the exponential moving average of the weights, which is
        the result; ``keep_start`` is the share of the starting weights blended into it
        (Wortsman et al. 2022, arXiv:2109.01903). ``part_weights`` is how much each part of
        the embedding counts where nobody says otherwise (empty: as in an inner product).
    """

    __pydantic_config__ = _STRICT_KEYS

    architecture: str
    embedding: Positive | None = None
    lengths: tuple[Positive, ...] = ()
    whitening: Share = 0.0
    size: Annotated[int, Field(ge=32, le=1024)] = 160
    fit: Fit = "stretch"
    mean: Triple = _HALF
    std: Deviations = _HALF
    batch: Annotated[int, Field(ge=2)] = 64
    steps: Count = 1000
    warmup: Count = 100
    learning_rate: Rate = 3e-4
    head_learning_rate: Rate = 3e-3
    weight_decay: Weight = 1e-2
    clip: Rate = 5.0
    average: Annotated[float, Field(ge=0, lt=1)] = 0.998
    keep_start: Share = 0.0
    part_weights: Mapping[str, Weight] = field(default_factory=dict)
    precision: Literal["float32", "bfloat16"] = "float32"
    frozen: tuple[str, ...] = ()
    view_size: Annotated[int, Field(ge=32, le=1024)] | None = None
    train_size: Annotated[int, Field(ge=32)] | None = None
    full_size_steps: Count = 0
    strength: Share = 1.0
    mixtures: Count = 0
    clean_view: bool = False
    hard_window: Positive = 1
    hard_levels: Positive = 1
    seed: Count = 0
    terms: tuple[Term, ...] = ()
    start: Pretrained | None = None
    branch: Pretrained | None = None
    teachers: tuple[Teacher, ...] = ()

    @property
    def networks(self) -> dict[str, Pretrained]:
        """The pretrained networks that the student starts from, by role."""
        roles = {"start": self.start, "branch": self.branch}
        return {role: network for role, network in roles.items() if network}

    @property
    def weights(self) -> dict[str, Path]:
        """The files of weights that the result depends on, by role."""
        teachers = {f"teacher_{i}": each.weights for i, each in enumerate(self.teachers, 1)}
        return {role: each.weights for role, each in self.networks.items()} | teachers

    @property
    def preprocess(self) -> Preprocess:
        """The preprocessing of the trained encoder."""
        return Preprocess(size=self.size, fit=self.fit, mean=self.mean, std=self.std)

    @property
    def view(self) -> Preprocess:
        """How a picture becomes a view."""
        return replace(self.preprocess, size=self.view_size or self.size)

    def side_at(self, step: int) -> int:
        """Return the side in px of the network's input at ``step``, counted from 0."""
        small = step < self.steps - self.full_size_steps
        return self.train_size if small and self.train_size else self.size
