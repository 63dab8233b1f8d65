"""`override`, which Python 3.12 has: it marks a method that replaces one of a base class.

Type checkers then see to it that there is one; it may leave an argument unused that others need.
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
