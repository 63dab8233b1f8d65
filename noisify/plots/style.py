"""The style of pictures: colours that differ in lightness too, for print and colour blindness."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from matplotlib.axes import Axes

BEFORE = "#1b1b1b"
AFTER = "#e69f00"
CHANGE = "#0072b2"
DENSITY = "#d55e00"
"""Black, orange, blue and vermilion of Okabe and Ito (2008), "Color Universal Design"."""
SEQUENTIAL = "cividis"
"""For spectrograms and tables: of rising lightness (Nuñez, Anderton and Renslow 2018)."""
DIVERGING = "PuOr"
"""For changes of images: from orange through white to purple."""
WIDTH = 10.0
"""Inches; 1,000 pixels at 100 dots an inch."""
DPI = 100

_SETTINGS: Any = {  # matplotlib's stubs know each name
    "axes.edgecolor": "#666666",
    "axes.grid": False,
    "axes.labelsize": 8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 9,
    "figure.dpi": DPI,
    "figure.titlesize": 11,
    "font.size": 8,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "lines.linewidth": 1.0,
    "savefig.dpi": 2 * DPI,
    "svg.hashsalt": "noisify",
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
}


def styled() -> AbstractContextManager[None]:
    """Return a context in which pictures look alike, whatever the user's own settings."""
    return mpl.rc_context({**mpl.rcParamsDefault, "backend": mpl.rcParams["backend"], **_SETTINGS})


class Picture(Figure):
    """A figure that shows itself in a notebook, without pyplot or a window."""

    def _repr_png_(self) -> bytes:
        """Return the figure as a PNG image."""
        return rendered(self, "png")


def figure(height: float) -> Picture:
    """Return an empty figure of the usual width, without a window."""
    return Picture(figsize=(WIDTH, height), layout="constrained")


def rendered(page: Figure, kind: str) -> bytes:
    """Return a picture as the content of a file: the same picture, the same bytes.

    Args:
        page: The picture.
        kind: png, svg or pdf.
    """
    content = io.BytesIO()
    undated: dict[str, Any] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
    with styled():
        page.savefig(content, format=kind, metadata=undated.get(kind, {}))
    return content.getvalue()


def bare(axes: Axes) -> None:
    """Take away the frame and ticks of a panel that shows an image."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
