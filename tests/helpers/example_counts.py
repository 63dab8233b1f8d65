"""How much of what could be tried the quick tests try; with `-m ""`, as in `make test-all`, all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

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


def one_in(every: int, cases: Iterable[Any]) -> list[Any]:
    """Mark all but each `every`th `pytest.param` slow: many cases that differ in two things."""
    return [
        case
        if at % every == 0
        else pytest.param(*case.values, id=case.id, marks=(*case.marks, pytest.mark.slow))
        for at, case in enumerate(cases)
    ]
