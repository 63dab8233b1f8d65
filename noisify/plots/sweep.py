"""Curves over the levels of a sweep, with a band over its replicates."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from noisify.plots.style import AFTER, BEFORE, CHANGE, DENSITY, figure, styled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS = (CHANGE, AFTER, BEFORE, DENSITY, "#009e73", "#cc79a7")
_MARKERS = "osD^vX"
_DASHES = ("-", "--", ":", "-.", (0, (5, 1)), (0, (1, 1)))
_FIGURES = (
    ("snr_db", "SNR of the output in dB"),
    ("change_sd", "sd of the change"),
    ("changed", "share of elements that changed"),
)
_HEIGHT = 3.2


class Point(NamedTuple):
    """One field of one output of a sweep.

    Attributes:
        curve: What the point's curve is called: the field, and what else was swept.
        level: The value that was swept first, as typed.
        figures: The measured figures by name; None where undefined.
    """

    curve: str
    level: str
    figures: dict[str, float | None]


def draw_sweep(points: Sequence[Point], title: str, level: str) -> Figure:
    """Draw each figure over the level: the median of replicates, and a band over their range.

    Args:
        points: A point for each field of each output.
        title: What to call the picture.
        level: What was swept.
    """
    curves = list(dict.fromkeys(point.curve for point in points))
    shown = [
        (key, name) for key, name in _FIGURES if any(p.figures.get(key) is not None for p in points)
    ]
    with styled():
        page = figure(_HEIGHT + 0.2 * len(curves))
        page.suptitle(title, x=0.01, ha="left")
        panels = page.subplots(1, max(1, len(shown)), squeeze=False)[0]
        for axes, (key, name) in zip(panels, shown, strict=False):
            for at, curve in enumerate(curves):
                _curve(axes, [p for p in points if p.curve == curve], key, at)
            axes.set_title(name)
            axes.set_xlabel(level)
        handles, labels = panels[0].get_legend_handles_labels()
        page.legend(handles, labels, loc="outside lower left", ncols=min(4, max(1, len(curves))))
    return page


def _curve(axes: Axes, points: Sequence[Point], key: str, number: int) -> None:
    levels = list(dict.fromkeys(point.level for point in points))
    numbers = [_number(level) for level in levels]
    places = numbers if None not in numbers else list(range(len(levels)))
    found = []
    for place, level in zip(places, levels, strict=True):
        values = [p.figures.get(key) for p in points if p.level == level]
        known = [value for value in values if value is not None]
        if known:
            found.append((place, np.median(known), min(known), max(known)))
    if not found:
        return
    x, middle, low, high = np.array(sorted(found), float).T
    colour = _COLOURS[number % len(_COLOURS)]
    axes.fill_between(x, low, high, color=colour, alpha=0.25, lw=0)
    axes.plot(
        x, middle, color=colour, marker=_MARKERS[number % len(_MARKERS)], ms=4,
        ls=_DASHES[number % len(_DASHES)], label=points[0].curve,
    )  # fmt: skip
    if places is not numbers:
        axes.set_xticks(range(len(levels)), levels)
    elif min(numbers) > 0 and max(numbers) >= 20 * min(numbers):  # type: ignore[type-var, operator]
        axes.set_xscale("log")


def _number(level: str) -> float | None:
    """Return a level's number, without its unit, or None if it has none."""
    digits = level.rstrip("abcdefghijklmnopqrstuvwxyz%")
    try:
        return float(digits)
    except ValueError:
        return None
