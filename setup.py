"""The compiled part, which noisify does without where it cannot be built.

NOISIFY_PURE=1 leaves it out, as for the wheel of all other systems.
"""

import os
import sysconfig

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

# One build for Python 3.11 and later; a Python without the global lock has no such thing.
STABLE = not sysconfig.get_config_var("Py_GIL_DISABLED")


class BuildWithSettings(build_ext):
    """Build as the compiler at hand likes it said."""

    def build_extension(self, ext: Extension) -> None:
        """Build one extension."""
        msvc = self.compiler.compiler_type == "msvc"
        ext.extra_compile_args = ["/std:c++17", "/O2"] if msvc else ["-std=c++17", "-O3"]
        super().build_extension(ext)


compiled = Extension(
    "noisify.formats._csv",
    ["noisify/formats/_csv.cpp"],
    depends=["noisify/formats/_csv_numbers.hpp"],
    define_macros=[("Py_LIMITED_API", "0x030B0000")] if STABLE else [],
    language="c++",
    optional=True,
    py_limited_api=STABLE,
)
pure = os.environ.get("NOISIFY_PURE", "") not in {"", "0"}

setup(
    cmdclass={"build_ext": BuildWithSettings},
    ext_modules=[] if pure else [compiled],
    options={"bdist_wheel": {"py_limited_api": "cp311"}} if STABLE and not pure else {},
)
