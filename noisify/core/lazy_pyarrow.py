"""`pa` and `pc`: pyarrow and its functions, imported when something of theirs is first asked for.

The compiled part seldom needs them, and for a small file their import would take most of the time.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.compute as pc
else:

    class _OnDemand:
        """A module that is imported when an attribute of it is first looked up."""

        def __init__(self, name: str) -> None:
            self._name = name

        def __getattr__(self, attribute: str) -> Any:  # noqa: ANN401
            value = getattr(import_module(self._name), attribute)
            setattr(self, attribute, value)
            return value

    pa = _OnDemand("pyarrow")
    pc = _OnDemand("pyarrow.compute")

__all__ = ["pa", "pc"]
