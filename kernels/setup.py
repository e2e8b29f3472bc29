"""Builds the library: plain C, found by ctypes, so one wheel serves every Python and every torch.

By the C compiler that is there, for the system that is there; or, with LAMA_FILL_KERNELS_FOR=PLATFORM=TARGET
in the environment, for any system on any system: PLATFORM is the wheel's tag, TARGET the name that it has for
zig, whose C compiler the package `ziglang` brings. installers/build_kernels.py has the list.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext

HERE = Path(__file__).parent
# Each isa_*.c chooses its instruction set, not the machine that builds.
FLAGS = ["-O3", "-g0", "-std=gnu11", "-fvisibility=hidden"]
PLATFORM, _, ZIG_TARGET = os.environ.get("LAMA_FILL_KERNELS_FOR", "").partition("=")


class Library(build_ext):
    """A shared library that is no Python module: its name says nothing of a Python version."""

    def get_ext_filename(self, fullname: str) -> str:
        return f"{os.path.join(*fullname.split('.'))}.so"

    def get_export_symbols(self, ext: Extension) -> list[str]:
        return list(ext.export_symbols)

    def build_extension(self, ext: Extension) -> None:
        if not PLATFORM:
            super().build_extension(ext)
            return
        # On Windows an import library, which nobody needs, comes to lie beside it.
        made = Path(self.build_temp, "_native.so")
        made.parent.mkdir(parents=True, exist_ok=True)
        how = ["-target", ZIG_TARGET, "-shared", "-s", *FLAGS]
        if PLATFORM.startswith("macosx"):
            how += ["-install_name", f"@rpath/{made.name}"]  # else it has the path where it was built
        self.spawn([sys.executable, "-m", "ziglang", "cc", *how, *ext.sources, "-lm", "-o", str(made)])
        wanted = Path(self.get_ext_fullpath(ext.name))
        wanted.parent.mkdir(parents=True, exist_ok=True)
        self.copy_file(str(made), str(wanted))


class Wheel(bdist_wheel):
    """Tagged with the platform alone."""

    def get_tag(self) -> tuple[str, str, str]:
        return "py3", "none", PLATFORM or super().get_tag()[2]


setup(
    ext_modules=[
        Extension(
            "lama_fill_kernels._native",
            sources=sorted(str(path.relative_to(HERE)) for path in (HERE / "src").glob("*.c")),
            depends=sorted(str(path.relative_to(HERE)) for path in (HERE / "src").glob("*.h")),
            libraries=["m"],
            extra_compile_args=FLAGS,
        )
    ],
    cmdclass={"build_ext": Library, "bdist_wheel": Wheel},
)
