"""Which runtime runs an encoder, in which precision: the choice, made without loading any."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, Protocol, cast, get_args

import numpy as np
import numpy.typing as npt

from visearch.errors import SettingsError
from visearch.settings import PREFIX, Settings

Name = Literal["xla", "onnx", "openvino"]
Precision = Literal["float32", "bfloat16"]
PACKAGES: dict[Name, str] = {"xla": "jax", "onnx": "onnxruntime", "openvino": "openvino"}
EXTRAS: dict[Name, str] = {"xla": "worker", "onnx": "cpu", "openvino": "openvino"}


class Runtime(Protocol):
    """Runs one network."""

    def run(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Embed pictures uint8 [n, S, S, 3], n > 0: unit rows, float32 [n, d]."""

    def warm_up(self) -> None:
        """Do all that only the first call would."""


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """How to run encoders on this machine.

    ``cache`` is the folder of what is made once and kept; ``threads`` bounds the engines
    made for CPUs (XLA takes every core it may use). ``shared``: other processes need the
    cores too, so ONNX Runtime's idle threads give them back soon (the others do so anyway).
    """

    runtime: str = "auto"
    precision: str = "auto"
    threads: int | None = None
    cache: Path | None = None
    shared: bool = False

    def __post_init__(self) -> None:
        """Refuse misspelt names."""
        _one_of("runtime", self.runtime, ("auto", *get_args(Name)))
        _one_of("precision", self.precision, ("auto", *get_args(Precision)))

    @classmethod
    def of(cls, settings: Settings) -> RunOptions:
        """Return what the settings of a process say that shares its machine, as workers do.

        Raises:
            SettingsError: the runtime, the precision or the threads are not to be had.
        """
        return cls(
            runtime=settings.runtime,
            precision=settings.precision,
            threads=_threads(settings.encoder_threads),
            cache=settings.home / "cache",
            shared=True,
        )

    @classmethod
    def from_env(cls) -> RunOptions:
        """Return what the environment says, for a process that has its machine to itself.

        Without VISEARCH_HOME caches are the user's.

        Raises:
            SettingsError: a setting does not parse.
        """
        options = replace(cls.of(Settings.from_env()), shared=False)
        if os.environ.get(f"{PREFIX}HOME"):
            return options
        return replace(options, cache=user_cache())

    @property
    def cores(self) -> int:
        """Threads of one engine: as many as asked for, else as there are cores to use."""
        return self.threads or len(os.sched_getaffinity(0))


def user_cache() -> Path:
    """Return the user's folder for visearch's caches (XDG base directories)."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "visearch"


def choose(
    options: RunOptions, *, quantized: bool, accelerator: Callable[[], bool] | None = None
) -> tuple[Name, Precision]:
    """Return the runtime and the precision to use.

    ``auto`` is XLA in bfloat16 on an accelerator; on a CPU ONNX Runtime, else XLA, in
    float32. An int8 encoder is a finished graph, which XLA does not read.

    Raises:
        SettingsError: what is asked for is not installed, or cannot do what is asked for.
    """
    on_device = (accelerator or has_accelerator)() and not quantized
    if options.runtime != "auto":
        name = cast(Name, options.runtime)
    elif on_device:
        name = "xla"
    else:
        name = "onnx" if quantized or _is_installed("onnx", quantized=False) else "xla"
    if not _is_installed(name, quantized):
        raise SettingsError(
            f"the runtime {name!r} is not installed; run `pip install '.[{EXTRAS[name]}]'`"
        )
    if quantized and name == "xla":
        raise SettingsError("an int8 encoder runs in onnx or openvino; set VISEARCH_RUNTIME")
    if options.precision == "auto":
        return name, "bfloat16" if name == "xla" and on_device else "float32"
    if options.precision == "bfloat16" and name == "onnx":
        raise SettingsError(
            "ONNX Runtime has no bfloat16 on CPUs; set VISEARCH_RUNTIME=openvino for it"
        )
    return name, cast(Precision, options.precision)


def _is_installed(name: Name, quantized: bool) -> bool:
    """Tell whether the engine is there, and what writes its graphs if one must be written."""
    needed = [PACKAGES[name], *([] if quantized or name == "xla" else ["onnx"])]
    return all(find_spec(package) for package in needed)


def has_accelerator() -> bool:
    """Tell whether jax has a device that is no CPU. Loads jax only if a plugin is installed."""
    plugins = (*entry_points(group="jax_plugins"), find_spec("jax_plugins"), find_spec("libtpu"))
    if not any(plugins):
        return False
    import jax

    return bool(jax.default_backend() != "cpu")


def _threads(text: str) -> int | None:
    if text == "auto":
        return None
    if text.isdecimal() and int(text) > 0:
        return int(text)
    raise SettingsError(f"VISEARCH_ENCODER_THREADS={text!r} is neither `auto` nor above zero")


def _one_of(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise SettingsError(f"VISEARCH_{name.upper()}={value!r} is unknown; use {', '.join(known)}")
