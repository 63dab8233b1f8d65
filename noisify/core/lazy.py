"""Import modules on first use, to start quickly.

if TYPE_CHECKING:
    import pyarrow as pa
else:
    pa = LazyModule("pyarrow")
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType


class LazyModule:
    """A module that is imported on the first access to an attribute.

    Args:
        name: The module's full name.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._module: ModuleType | None = None

    def __getattr__(self, attribute: str) -> object:
        """Import the module and return its attribute."""
        if self._module is None:
            self._module = import_module(self._name)
        return getattr(self._module, attribute)


def optional(name: str) -> ModuleType | None:
    """Import a module, or return None if it is not installed."""
    try:
        return import_module(name)
    except ImportError:
        return None
