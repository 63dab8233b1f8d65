"""How much of what could be tried the quick tests try; with `-m ""`, as in `make test-all`, all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zlib import crc32

from hypothesis import settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import pytest

QUICK_SHARE = 5
_all_are_drawn = False


def draw_all(all_are_drawn: bool) -> None:  # noqa: FBT001 - set once, by conftest.py
    """Say whether properties are tried on all examples, before the tests are imported."""
    global _all_are_drawn  # noqa: PLW0603 - decorators of the tests read it
    _all_are_drawn = all_are_drawn
    settings.register_profile(
        "ci", derandomize=True, deadline=None, max_examples=100 if all_are_drawn else 40
    )
    settings.load_profile("ci")


def examples(count: int) -> Callable[[Any], Any]:
    """Try a property on so many examples, or on a share of them in the quick tests."""
    return settings(max_examples=count if _all_are_drawn else max(3, count // QUICK_SHARE))


def leave_out(items: Iterable[pytest.Item]) -> None:
    """Mark as slow all but one in so many cases of the tests that say `one_in(count)`.

    Which ones stay hangs on the case's name only.
    """
    for item in items:
        marker = item.get_closest_marker("one_in")
        if marker is not None and crc32(item.nodeid.encode()) % marker.args[0]:
            item.add_marker("slow")
