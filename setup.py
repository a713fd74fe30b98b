"""Builds the one compiled part, ``visearch/index/nearest.c``, with the C compiler that pip brings.

Everything else about the package stands in pyproject.toml. The result is a plain shared library
that ctypes opens: it needs neither a compiler nor Python's headers on the machine.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

# What ScaNN needs as well: AVX2 and FMA. glibc 2.17 is that of its wheels, or older.
_COMPILE = ["cc", "-shared", "-fPIC", "-O3", "-std=c11", "-Wall", "-Wextra", "-Werror"]
_TARGET = ["-target", "x86_64-linux-gnu.2.17", "-mcpu=x86_64+avx2+fma"]


class BuildShared(build_ext):
    """Compiles an extension of one C file that knows nothing of Python."""

    def get_ext_filename(self, fullname: str) -> str:
        """Return where the library lies: ``a.b.c`` → ``a/b/c.so``."""
        return str(Path(*fullname.split(".")).with_suffix(".so"))

    def build_extension(self, ext: Extension) -> None:
        """Compile ``ext`` with Zig."""
        if (sys.platform, platform.machine()) != ("linux", "x86_64"):
            raise SystemExit("visearch needs Linux on x86-64, as ScaNN does")
        out = Path(self.get_ext_fullpath(ext.name))
        out.parent.mkdir(parents=True, exist_ok=True)
        cache = Path(self.build_temp).resolve() / "zig"
        places = {"ZIG_GLOBAL_CACHE_DIR": str(cache), "ZIG_LOCAL_CACHE_DIR": str(cache)}
        compiler = [sys.executable, "-m", "ziglang", *_COMPILE, *_TARGET]
        subprocess.run(
            [*compiler, "-o", str(out), *ext.sources], check=True, env=os.environ | places
        )


setup(
    ext_modules=[Extension("visearch.index.nearest", ["visearch/index/nearest.c"])],
    cmdclass={"build_ext": BuildShared},
)
