"""Add reproducible noise to data files: the same seed, the same noise for the same cell."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from noisify.core.errors import DataError, NoisifyError, NoisifyWarning, UsageError

if TYPE_CHECKING:
    from noisify import models
    from noisify.api import add_noise, noisify_file

__all__ = [
    "DataError",
    "NoisifyError",
    "NoisifyWarning",
    "UsageError",
    "__version__",
    "add_noise",
    "models",
    "noisify_file",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401
    """Import NumPy and the rest only when they are used: `noisify --help` should be quick."""
    if name == "__version__":
        from noisify.core.version import VERSION  # noqa: PLC0415

        return VERSION
    if name == "models":
        return import_module("noisify.models")
    if name in {"add_noise", "noisify_file"}:
        from noisify import api  # noqa: PLC0415

        return getattr(api, name)
    raise AttributeError(f"module 'noisify' has no attribute {name!r}")
