"""Import modules on first use, to start quickly.

A package lists those of its modules that few runs need, and `from PACKAGE import MODULE` is lazy:

    import_lazily(__name__, "restore rows_from")

Modules of other projects are in `lazy_libraries`.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType


class LazyModule:
    """A module that is imported on the first access to an attribute.

    Args:
        name: The module's full name.
    """

    __slots__ = ("__dict__", "_name")
    _name: str

    def __init__(self, name: str) -> None:
        object.__setattr__(self, "_name", name)

    def __getattr__(self, attribute: str) -> object:
        """Import the module, share its namespace from now on, and return its attribute."""
        module = import_module(self._name)
        object.__setattr__(self, "__dict__", vars(module))
        return getattr(module, attribute)

    def __setattr__(self, attribute: str, value: object) -> None:
        """Set an attribute of the module."""
        setattr(import_module(self._name), attribute, value)


def import_lazily(package: str, modules: str) -> None:
    """Let `from PACKAGE import MODULE` give modules that are imported on first use.

    Args:
        package: The package that is being imported.
        modules: The names of modules in it, with blanks between them.
    """
    lazy = {module: LazyModule(f"{package}.{module}") for module in modules.split()}
    vars(sys.modules[package]).update(lazy)


def optional(name: str) -> ModuleType | None:
    """Import a module, or return None if it is not installed."""
    try:
        return import_module(name)
    except ImportError:
        return None
