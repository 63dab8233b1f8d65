"""Draw curves on logarithmic axes as SVG, panel by panel."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PER_ROW = 3
PANEL_WIDTH, PANEL_HEIGHT = 340, 270
PLOT_LEFT, PLOT_TOP = 52, 44
PLOT_WIDTH, PLOT_HEIGHT = 268, 164
FEW = 8
COLOURS = {"CSV": "#1a6fb5", "Parquet": "#b5421a", "NPY": "#2c8a57", "HDF5 gzip": "#7a4fb3"}
STYLE = """\
text{font-family:ui-monospace,Menlo,Consolas,monospace;font-size:10px;fill:#57606a}
.title{font-size:13px;font-weight:600;fill:#24292f}
.frame{fill:#fff;stroke:#d0d7de}
.grid{stroke:#eaeef2}
.reference{stroke:#8c959f;stroke-dasharray:1 3}
.curve{fill:none;stroke-width:1.6}
.model{fill:none;stroke-width:1.2;stroke-dasharray:5 4}"""


@dataclass(frozen=True)
class Curve:
    """Points of one line.

    Attributes:
        label: Which one; the same label has the same colour everywhere.
        points: (x, y), both above zero.
        is_model: Whether it is worked out and not measured; it is dashed then, and not labelled.
    """

    label: str
    points: tuple[tuple[float, float], ...]
    is_model: bool = False


@dataclass(frozen=True)
class Panel:
    """One pair of axes.

    Attributes:
        title: What grows.
        across: The name and unit of x.
        up: The name and unit of y.
        curves: The lines.
        reference: The slope of the dotted line to compare them with: 1 for linear, 0 for constant,
            -1 for halved when x is doubled.
    """

    title: str
    across: str
    up: str
    curves: tuple[Curve, ...]
    reference: int


class Axis:
    """A logarithmic scale.

    Args:
        values: What it has to hold.
        length: How long it is in the drawing.
        few: Up to how many different values get a tick each; more are given round ones.
    """

    def __init__(self, values: Sequence[float], length: float, few: int = 0) -> None:
        different = sorted(set(values))
        self._ticks = different if 1 < len(different) <= few else None
        self.low, self.high = different[0], different[-1]
        if self._ticks is None:
            self.low, self.high = tick_at_most(self.low), tick_at_least(self.high)
        if self.low == self.high:
            self.high = tick_at_least(1.01 * self.high)
        self._length = length

    def __call__(self, value: float) -> float:
        """Return where a value is."""
        return self._length * math.log(value / self.low) / math.log(self.high / self.low)

    def ticks(self) -> list[float]:
        """Return the values at which to put a line; round ones are 1, 2, 5 or powers of ten."""
        if self._ticks is not None:
            return self._ticks
        first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
        steps = (1, 2, 5) if last - first <= 2 else (1,)  # noqa: PLR2004 - decades that have room
        values = [step * 10.0**power for power in range(first, last + 1) for step in steps]
        return [value for value in values if self.low <= value <= self.high]


def tick_at_most(value: float) -> float:
    """Return the largest of 1, 2, 5 times a power of ten that is not above a value."""
    power = 10.0 ** math.floor(math.log10(value))
    return max(step * power for step in (1, 2, 5) if step * power <= value)


def tick_at_least(value: float) -> float:
    """Return the smallest of 1, 2, 5 times a power of ten that is not below a value."""
    power = 10.0 ** math.floor(math.log10(value))
    return min(step * power for step in (1, 2, 5, 10) if step * power >= value)


def drawing(
    panels: Sequence[Panel], title: str = "How the time and the memory of noisify grow"
) -> str:
    """Return the SVG of all panels."""
    rows = -(-len(panels) // PER_ROW)
    width, height = min(PER_ROW, len(panels)) * PANEL_WIDTH, rows * PANEL_HEIGHT
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"',
        f' viewBox="0 0 {width} {height}" role="img" aria-labelledby="title">',
        f'<title id="title">{escape(title)}</title>',
        f"<style>\n{STYLE}\n</style>",
        f'<rect width="{width}" height="{height}" fill="#f6f8fa"/>',
    ]
    for number, panel in enumerate(panels):
        row, column = divmod(number, PER_ROW)
        left, top = column * PANEL_WIDTH + PLOT_LEFT, row * PANEL_HEIGHT + PLOT_TOP
        lines += [f'<g transform="translate({left} {top})">', *panel_lines(panel), "</g>"]
    return "\n".join([*lines, "</svg>", ""])


def panel_lines(panel: Panel) -> Iterator[str]:
    """Yield the elements of one panel."""
    points = [point for curve in panel.curves for point in curve.points]
    across = Axis([x for x, _ in points], PLOT_WIDTH, FEW)
    up = Axis([y for _, y in points], PLOT_HEIGHT)
    yield f'<text class="title" y="-26">{escape(panel.title)}</text>'
    yield f'<text y="-8">{escape(panel.up)}</text>'
    yield f'<rect class="frame" width="{PLOT_WIDTH}" height="{PLOT_HEIGHT}"/>'
    yield from grid_lines(across, up)
    yield reference_line(panel, across, up)
    for curve in panel.curves:
        places = [(across(x), PLOT_HEIGHT - up(y)) for x, y in curve.points]
        colour = COLOURS[curve.label]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        kind = "model" if curve.is_model else "curve"
        yield f'<polyline class="{kind}" stroke="{colour}" points="{path}"/>'
        if not curve.is_model:
            for x, y in places:
                yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.6" fill="{colour}"/>'
    yield from legend([curve.label for curve in panel.curves if not curve.is_model])
    middle = PLOT_WIDTH / 2
    yield (
        f'<text x="{middle:.0f}" y="{PLOT_HEIGHT + 32}" text-anchor="middle">'
        f"{escape(panel.across)}</text>"
    )


def grid_lines(across: Axis, up: Axis) -> Iterator[str]:
    """Yield the lines and figures of both axes."""
    for value in across.ticks():
        x = across(value)
        yield f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y2="{PLOT_HEIGHT}"/>'
        yield f'<text x="{x:.1f}" y="{PLOT_HEIGHT + 15}" text-anchor="middle">{value:g}</text>'
    for value in up.ticks():
        y = PLOT_HEIGHT - up(value)
        yield f'<line class="grid" y1="{y:.1f}" y2="{y:.1f}" x2="{PLOT_WIDTH}"/>'
        yield f'<text x="-6" y="{y + 3:.1f}" text-anchor="end">{value:g}</text>'


def reference_line(panel: Panel, across: Axis, up: Axis) -> str:
    """Return a dotted line of the slope to compare with, from the corner or the middle."""
    if not panel.reference:
        y = PLOT_HEIGHT / 2
        return f'<line class="reference" y1="{y:.1f}" y2="{y:.1f}" x2="{PLOT_WIDTH}"/>'
    factor = min(across.high / across.low, up.high / up.low)
    x, y = across(across.low * factor), PLOT_HEIGHT - up(up.low * factor)
    if panel.reference < 0:
        return f'<line class="reference" y1="{y:.1f}" x2="{x:.1f}" y2="{PLOT_HEIGHT}"/>'
    return f'<line class="reference" y1="{PLOT_HEIGHT}" x2="{x:.1f}" y2="{y:.1f}"/>'


def legend(labels: Sequence[str]) -> Iterator[str]:
    """Yield the names of the curves, from left to right along the top."""
    x = float(PLOT_WIDTH)
    for label in reversed(labels):
        yield (
            f'<text x="{x:.0f}" y="-8" text-anchor="end" style="fill:{COLOURS[label]}">'
            f"{escape(label)}</text>"
        )
        x -= 6.2 * (len(label) + 2)
