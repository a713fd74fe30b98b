"""Encoders: pictures → embeddings. ``spec``, ``header`` and ``encoder`` load no jax of themselves."""

import os

# XLA's plain CPU code for convolutions takes twice the time (docs/benchmarks.md). The flag
# is read once, when jax starts, so it is set before any module here can import jax.
_CPU_FLAG = "--xla_cpu_experimental_ynn_fusion_type=LIBRARY_FUSION_TYPE_DOT"
if "ynn_fusion" not in os.environ.get("XLA_FLAGS", ""):
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {_CPU_FLAG}".strip()
