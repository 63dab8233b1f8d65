"""Filters of warnings for some code, in any thread."""

from __future__ import annotations

import threading
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

_FILTERING = threading.Lock()


@contextmanager
def filtered_warnings(
    action: Literal["ignore", "error"], category: type[Warning] = Warning
) -> Iterator[None]:
    """Ignore warnings, or raise them as errors; one thread at a time, since all share the filters.

    Args:
        action: What to do with them.
        category: Which warnings.
    """
    with _FILTERING, warnings.catch_warnings():
        warnings.simplefilter(action, category)
        yield
