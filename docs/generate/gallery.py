"""Draw one clean signal under a dozen models: writes docs/pictures/gallery.svg.

The same seed every time, so the same bytes. `python gallery.py [FILE]` or `make gallery`.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from noisify import add_noise

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from noisify.models import ModelName

PICTURE = Path(__file__).resolve().parents[1] / "pictures" / "gallery.svg"
SEED = 42
POINTS, STEP = 400, 260
COLUMNS = 4
PANEL_WIDTH, PANEL_HEIGHT = 240, 150
PLOT_WIDTH, PLOT_HEIGHT = 220, 100
PLOT_LEFT, PLOT_TOP = 10, 40
LOW, HIGH = 0.0, 40.0
CLEAN_COLOUR = "#8c959f"
AMPLITUDE, IMPULSE, SERIES = "#1a6fb5", "#b5421a", "#2c8a57"
"""A colour for each kind of model: drawn for each value, now and then, with a memory."""

STYLE = f"""\
text{{font-family:ui-monospace,Menlo,Consolas,monospace;fill:#24292f}}
.name{{font-size:13px;font-weight:600}}
.flags{{font-size:10px;fill:#57606a}}
.frame{{fill:#fff;stroke:#d0d7de}}
.clean{{fill:none;stroke:{CLEAN_COLOUR};stroke-width:1.2}}
.noisy{{fill:none;stroke-width:1;stroke-linejoin:round;stroke-linecap:round}}"""


@dataclass(frozen=True)
class Panel:
    """One model, and how much of it.

    Attributes:
        model: Its name.
        colour: The colour of the noisy signal.
        scale: Its scale; None for a model that has none.
        parameters: Its other parameters, its rate among them.
    """

    model: ModelName
    colour: str
    scale: str | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def flags(self) -> str:
        """The options that do this on the command line."""
        parts = [] if self.scale is None else [f"-s {self.scale}"]
        for name, value in self.parameters.items():
            parts.append(f"--rate {value}" if name == "rate" else f"-p {name}={value}")
        return " ".join(parts)

    def noisy(self, clean: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the signal with this noise."""
        return add_noise(
            clean, self.model, scale=self.scale, params=dict(self.parameters), seed=SEED
        )


PANELS = (
    Panel("normal", AMPLITUDE, "1.5"),
    Panel("laplace", AMPLITUDE, "1.5"),
    Panel("cauchy", AMPLITUDE, "0.5"),
    Panel("poisson", AMPLITUDE, None, {"count": "1"}),
    Panel("salt-and-pepper", IMPULSE, None, {"rate": "8%", "low": "2", "high": "38"}),
    Panel("spike", IMPULSE, "8", {"rate": "5%"}),
    Panel("dropout", IMPULSE, None, {"rate": "3%"}),
    Panel("stuck", IMPULSE, None, {"rate": "30%", "run": "20"}),
    Panel("ar1", SERIES, "2", {"rho": "0.95"}),
    Panel("random-walk", SERIES, "0.3"),
    Panel("pink", SERIES, "3"),
    Panel("drift", SERIES, "8", {"fixed": "true"}),
)


def main(arguments: list[str]) -> int:
    """Write the drawing; return the exit status."""
    target = Path(arguments[0]) if arguments else PICTURE
    target.write_text(drawing(PANELS), encoding="utf-8", newline="\n")
    print(f"wrote {target}")
    return 0


def clean_signal() -> NDArray[np.float64]:
    """Return a slow sine with a step in it, between 6 and 30."""
    time = np.arange(POINTS)
    return 14 + 8 * np.sin(2 * np.pi * time / 250) + np.where(time < STEP, 0.0, 8.0)


def drawing(panels: tuple[Panel, ...]) -> str:
    """Return the SVG of all panels."""
    clean = clean_signal()
    rows = -(-len(panels) // COLUMNS)
    width, height = COLUMNS * PANEL_WIDTH, rows * PANEL_HEIGHT
    names = ", ".join(panel.model for panel in panels)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"',
        f' viewBox="0 0 {width} {height}" role="img" aria-labelledby="title">',
        f'<title id="title">A sine with a step under noise: {escape(names)}</title>',
        f"<style>\n{STYLE}\n</style>",
        "<defs>",
        f'<clipPath id="plot"><rect width="{PLOT_WIDTH}" height="{PLOT_HEIGHT}"/></clipPath>',
        f'<path id="clean" class="clean" d="{path_of(clean)}"/>',
        "</defs>",
        f'<rect width="{width}" height="{height}" fill="#f6f8fa"/>',
    ]
    for number, panel in enumerate(panels):
        row, column = divmod(number, COLUMNS)
        left, top = column * PANEL_WIDTH + PLOT_LEFT, row * PANEL_HEIGHT + PLOT_TOP
        lines += [
            f'<g transform="translate({left} {top})">',
            f'<text class="name" y="-20">{escape(panel.model)}</text>',
            f'<text class="flags" y="-6">{escape(panel.flags)}</text>',
            f'<rect class="frame" width="{PLOT_WIDTH}" height="{PLOT_HEIGHT}"/>',
            '<g clip-path="url(#plot)">',
            f'<path class="noisy" stroke="{panel.colour}" d="{path_of(panel.noisy(clean))}"/>',
            '<use href="#clean"/>',
            "</g>",
            "</g>",
        ]
    return "\n".join([*lines, "</svg>", ""])


def path_of(values: NDArray[np.float64]) -> str:
    """Return the path of a signal in a panel."""
    up = np.clip((values - LOW) / (HIGH - LOW), -1, 2)  # far out is out of sight
    return svg_path(np.linspace(0, PLOT_WIDTH, len(values)), PLOT_HEIGHT * (1 - up))


def svg_path(across: NDArray[np.float64], down: NDArray[np.float64]) -> str:
    """Return the path through some points, interrupted where one is NaN."""
    parts, pen = [], "M"
    for x, y in zip(across.tolist(), down.tolist(), strict=True):
        if np.isnan(y):
            pen = "M"
            continue
        parts.append(f"{pen}{x:.1f} {y:.1f}")
        pen = "L"
    return "".join(parts)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
