"""Add reproducible noise to data files: the same seed, the same noise for the same cell."""

# Nothing is imported before it is used, not even of the standard library: `noisify --help` is
# quick, and `python -m noisify` gets to `__main__` without a module of the current folder.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from noisify import models
    from noisify.api import add_noise, noisify_file
    from noisify.core.errors import DataError, NoisifyError, NoisifyWarning, UsageError

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


def __getattr__(name: str) -> "Any":  # noqa: ANN401
    """Import what is asked for."""
    if name == "__version__":
        from noisify.core.version import VERSION  # noqa: PLC0415

        return VERSION
    if name == "models":
        from importlib import import_module  # noqa: PLC0415 - `from` would ask here again

        return import_module("noisify.models")
    if name in {"add_noise", "noisify_file"}:
        from noisify import api  # noqa: PLC0415

        return getattr(api, name)
    if name in __all__:
        from noisify.core import errors  # noqa: PLC0415

        return getattr(errors, name)
    raise AttributeError(f"module 'noisify' has no attribute {name!r}")
