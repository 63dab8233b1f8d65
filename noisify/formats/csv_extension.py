"""Whether the compiled part is there: free of NumPy, so that `--version` is quick."""

from __future__ import annotations

import os

try:
    from noisify.formats import _csv
except ImportError:  # it was not built, or for another system
    _csv = None  # type: ignore[assignment]

part = _csv
"""The compiled part; None: there is none."""

PURE = "NOISIFY_PURE"
"""The environment variable that turns the compiled part off, unless it is empty or 0."""

_INTERFACE = 2
"""What _csv.cpp says as well: a build of older sources must not be called in new ways."""


def built() -> bool:
    """Return whether the compiled part is there, in a build of these sources."""
    return part is not None and part.INTERFACE == _INTERFACE


def compiled() -> bool:
    """Return whether the compiled part is in use."""
    return built() and os.environ.get(PURE, "") in {"", "0"}
