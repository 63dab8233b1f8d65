"""The compiled parts, which noisify does without where they cannot be built.

NOISIFY_PURE=1 leaves them out, as for the wheel of all other systems.
"""

from __future__ import annotations

import os
import sysconfig
from typing import TYPE_CHECKING

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

if TYPE_CHECKING:
    from collections.abc import Iterator

# One build for Python 3.11 and later; a Python without the global lock has no such thing.
STABLE = not sysconfig.get_config_var("Py_GIL_DISABLED")
KERNELS = ("noisify/kernels/_kernels.hpp", "noisify/kernels/_kernel_tables.hpp")


# Every float64 operation is rounded once, as NumPy rounds it: none fused, none reordered.
UNIX = ["-std=c++17", "-O3", "-ffp-contract=off"]
MSVC = ["/std:c++17", "/O2", "/fp:strict"]


class BuildWithSettings(build_ext):
    """Build as the compiler at hand likes it said."""

    def build_extension(self, ext: Extension) -> None:
        """Build one extension."""
        msvc = self.compiler.compiler_type == "msvc"
        ext.extra_compile_args = MSVC if msvc else UNIX
        super().build_extension(ext)


def extension(
    name: str,
    source: str,
    *,
    headers: tuple[str, ...] = (),
) -> Extension:
    """Return an extension that is left out, without a complaint, where it cannot be built."""
    stable = [("Py_LIMITED_API", "0x030B0000")] if STABLE else []
    return Extension(
        name,
        [source],
        depends=["noisify/core/_python.hpp", *headers],
        define_macros=stable,
        language="c++",
        optional=True,
        py_limited_api=STABLE,
    )


def extensions() -> Iterator[Extension]:
    """Yield the compiled parts."""
    if os.environ.get("NOISIFY_PURE", "") not in {"", "0"}:
        return
    yield extension(
        "noisify.formats.csv._csv",
        "noisify/formats/csv/_csv.cpp",
        headers=("noisify/formats/csv/_csv_numbers.hpp",),
    )
    for name in ("_pages", "_thrift"):
        yield extension(
            f"noisify.formats.parquet.{name}",
            f"noisify/formats/parquet/{name}.cpp",
            headers=("noisify/formats/parquet/_thrift.hpp",),
        )
    yield extension(
        "noisify.kernels._kernels",
        "noisify/kernels/_kernels.cpp",
        headers=KERNELS,
    )
    yield extension(
        "noisify.streams._variates",
        "noisify/streams/_variates.cpp",
        headers=("noisify/streams/_ziggurat_tables.hpp", *KERNELS),
    )


compiled = list(extensions())

MANUAL = ["docs/man/noisify-compare.1", "docs/man/noisify.1"]

setup(
    data_files=[("share/man/man1", MANUAL)],
    cmdclass={"build_ext": BuildWithSettings},
    ext_modules=compiled,
    options={"bdist_wheel": {"py_limited_api": "cp311"}} if STABLE and compiled else {},
)
