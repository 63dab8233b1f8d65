"""Add reproducible noise to data files: the same seed, the same noise for the same cell."""

# Nothing is imported before it is used, not even of the standard library: `noisify --help` is
# quick, and `python -m noisify` gets to `__main__` without a module of the current folder.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from noisify import models
    from noisify.api import add_noise, noisify_file
    from noisify.comparison.comparison import compare
    from noisify.core.errors import DataError, NoisifyError, NoisifyWarning, UsageError
    from noisify.dataset import Noisy
    from noisify.plots.page import plot

__all__ = [
    "DataError",
    "NoisifyError",
    "NoisifyWarning",
    "Noisy",
    "UsageError",
    "__version__",
    "add_noise",
    "compare",
    "models",
    "noisify_file",
    "plot",
]

_MODULES = {
    "Noisy": "dataset",
    "__version__": "core.version",
    "add_noise": "api",
    "compare": "comparison.comparison",
    "models": "models",
    "noisify_file": "api",
    "plot": "plots.page",
}
"""Where each name is; the errors are in `core.errors`."""


def __getattr__(name: str) -> object:
    """Import what is asked for."""
    if name not in __all__:
        raise AttributeError(f"module 'noisify' has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415 - see above

    module = import_module(f"noisify.{_MODULES.get(name, 'core.errors')}")
    if name == "models":
        return module
    return getattr(module, "VERSION" if name == "__version__" else name)
