"""`pa` and `pc`: pyarrow and pyarrow.compute, imported on first use.

The compiled part seldom needs them, and for a small file their import would take most of the time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from noisify.core.lazy import LazyModule

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.compute as pc
else:
    pa = LazyModule("pyarrow")
    pc = LazyModule("pyarrow.compute")

__all__ = ["pa", "pc"]
