"""Chooses the runtime and the precision of an encoder, without loading any runtime."""

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
Output = Literal["embedding", "local"]
"""The unit vector of a picture, or what each place gives to it."""
PACKAGES: dict[Name, str] = {"xla": "jax", "onnx": "onnxruntime", "openvino": "openvino"}
EXTRAS: dict[Name, str] = {"xla": "worker", "onnx": "cpu", "openvino": "openvino"}


class Runtime(Protocol):
    """Runs one network, for one kind of output."""

    def run(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Return the output for pictures uint8 [n, S, S, 3], n > 0.

        Embeddings are unit rows, float32 [n, d]; local ones are float32 [n, h, w, d].
        """

    def warm_up(self) -> None:
        """Do the work that otherwise only the first call would do."""


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """How to run encoders on this machine.

    ``cache`` is the folder for exported graphs and compiled programs. ``threads`` bounds
    ONNX Runtime and OpenVINO; XLA uses every core it may. ``shared`` says that other
    processes need the cores, so that idle threads of ONNX Runtime release them soon.
    """

    runtime: str = "auto"
    precision: str = "auto"
    threads: int | None = None
    cache: Path | None = None
    shared: bool = False

    def __post_init__(self) -> None:
        """Refuse unknown names.

        Raises:
            SettingsError: there is no such runtime or precision.
        """
        _one_of("runtime", self.runtime, ("auto", *get_args(Name)))
        _one_of("precision", self.precision, ("auto", *get_args(Precision)))

    @classmethod
    def of(cls, settings: Settings) -> RunOptions:
        """Return the options of a process that shares its machine, as workers do.

        Raises:
            SettingsError: the runtime, the precision or the number of threads is invalid.
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
        """Return the options of a process that has its machine to itself, from the environment.

        Without VISEARCH_HOME, the cache is the user's.

        Raises:
            SettingsError: a setting is invalid.
        """
        options = replace(cls.of(Settings.from_env()), shared=False)
        if os.environ.get(f"{PREFIX}HOME"):
            return options
        return replace(options, cache=user_cache())

    @property
    def cores(self) -> int:
        """Threads of one engine: as many as asked for, or one for each usable core."""
        return self.threads or len(os.sched_getaffinity(0))


def user_cache() -> Path:
    """Return the user's folder for visearch's caches (XDG base directories)."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "visearch"


def choose(
    options: RunOptions, *, quantized: bool, accelerator: Callable[[], bool] | None = None
) -> list[tuple[Name, Precision]]:
    """Return the runtimes and precisions to choose from; the first is the one to trust.

    ``auto`` means XLA in bfloat16 on an accelerator. On a CPU it means float32 in ONNX Runtime
    or, where that is not installed, in XLA; or what is installed and turns out to be faster:
    OpenVINO in float32, and in bfloat16 where the processor has it. An int8 encoder is a finished
    graph, which XLA cannot read.

    Raises:
        SettingsError: the runtime is not installed, or does not support the precision.
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
            f"The runtime {name!r} is not installed. Run `pip install '.[{EXTRAS[name]}]'`."
        )
    if quantized and name == "xla":
        raise SettingsError(
            "An int8 encoder does not run in XLA. Set VISEARCH_RUNTIME to onnx or openvino."
        )
    if options.precision == "auto" and name == "xla" and on_device:
        return [(name, "bfloat16")]
    if options.precision == "auto":
        faster = _faster(options.runtime, name) if not quantized else []
        return [(name, "float32"), *faster]
    if options.precision == "bfloat16" and name == "onnx":
        raise SettingsError("ONNX Runtime has no bfloat16 on CPUs. Set VISEARCH_RUNTIME=openvino.")
    return [(name, cast(Precision, options.precision))]


def _faster(asked: str, name: Name) -> list[tuple[Name, Precision]]:
    """Return what may be faster than float32 in the engine ``name``, if ``asked`` lets choose."""
    if asked not in ("auto", "openvino") or name == "xla":
        return []
    found: list[tuple[Name, Precision]] = []
    if _is_installed("openvino", quantized=False):
        if name != "openvino":
            found.append(("openvino", "float32"))
        if has_bfloat16():
            found.append(("openvino", "bfloat16"))
    return found


def has_bfloat16() -> bool:
    """Tell whether the processor multiplies bfloat16 itself (AVX-512, AMX or Arm's)."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:  # not Linux
        return False
    lines = [line for line in text.splitlines() if line.startswith(("flags", "Features"))]
    flags = set(lines[0].split()) if lines else set()
    return bool(flags & {"avx512_bf16", "amx_bf16", "bf16"})


def _is_installed(name: Name, quantized: bool) -> bool:
    """Tell whether the engine is installed and, if it needs an exported graph, the exporter."""
    needed = [PACKAGES[name], *([] if quantized or name == "xla" else ["onnx"])]
    return all(find_spec(package) for package in needed)


def has_accelerator() -> bool:
    """Tell whether jax has an accelerator. Loads jax only if a plugin for one is installed."""
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
    raise SettingsError(
        f"VISEARCH_ENCODER_THREADS={text!r} is not a number of threads. Use `auto` or 1 or more."
    )


def _one_of(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise SettingsError(
            f"VISEARCH_{name.upper()}={value!r} is unknown. Use one of: {', '.join(known)}."
        )
