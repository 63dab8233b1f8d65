"""Modules that are imported when something of theirs is first used: a start should be quick.

if TYPE_CHECKING:
import pyarrow as pa
else:
pa = LazyModule("pyarrow")
"""

from __future__ import annotations

from importlib import import_module


class LazyModule:
    """A module that is imported when an attribute of it is first looked up.

    Args:
        name: The module's full name.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> object:
        """Import the module, and keep what was looked up."""
        value = getattr(import_module(self._name), attribute)
        setattr(self, attribute, value)
        return value
