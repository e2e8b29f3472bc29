"""Builds the library: plain C, found by ctypes, so one wheel serves every Python and every torch."""

from __future__ import annotations

import os
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext

HERE = Path(__file__).parent


class Library(build_ext):
    """A shared library that is no Python module: its name says nothing of a Python version."""

    def get_ext_filename(self, fullname: str) -> str:
        return f"{os.path.join(*fullname.split('.'))}.so"

    def get_export_symbols(self, ext: Extension) -> list[str]:
        return list(ext.export_symbols)


class Wheel(bdist_wheel):
    """Tagged with the platform alone."""

    def get_tag(self) -> tuple[str, str, str]:
        return "py3", "none", super().get_tag()[2]


setup(
    ext_modules=[
        Extension(
            "lama_fill_kernels._native",
            sources=sorted(str(path.relative_to(HERE)) for path in (HERE / "src").glob("*.c")),
            depends=sorted(str(path.relative_to(HERE)) for path in (HERE / "src").glob("*.h")),
            # Each isa_*.c chooses its instruction set, not the machine that builds.
            libraries=["m"],
            extra_compile_args=["-O3", "-g0", "-std=gnu11", "-fvisibility=hidden"],
        )
    ],
    cmdclass={"build_ext": Library, "bdist_wheel": Wheel},
)
