"""`override` of Python 3.12, for older versions: marks a method that overrides a base class's.

Type checkers verify that there is one; linters allow the override to leave arguments unused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from typing_extensions import override
else:
    Method = TypeVar("Method")

    def override(method: Method) -> Method:
        """Return a method as it is."""
        return method


__all__ = ["override"]
