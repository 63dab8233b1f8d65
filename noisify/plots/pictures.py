"""The panels of images, sounds and labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from noisify.comparison.result import cut_end, example_lines
from noisify.plots.style import DIVERGING, SEQUENTIAL, bare

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import SubFigure
    from numpy.typing import NDArray

    from noisify.comparison.figures import LabelFigures

IMAGE_HEIGHT = 3.4
SOUND_HEIGHT = 3.0
_LABEL_HEIGHT, _LINE_HEIGHT = 0.28, 0.2
_FLOOR = -100.0
"""The range of a spectrogram, in dB below the loudest."""
_WINDOW = 256
_SHORTENED = 18


def draw_image(
    panel: SubFigure, name: str, before: NDArray[np.float64], after: NDArray[np.float64]
) -> None:
    """Draw an image before and after, and the change.

    Args:
        panel: Where to draw.
        name: What to call it.
        before: Shape (rows, columns) or (rows, columns, 3 or 4).
        after: The same shape.
    """
    panel.suptitle(name, x=0.01, ha="left", fontweight="bold")
    low, high = float(np.nanmin(before)), float(np.nanmax(before))
    moved = after - before
    if moved.ndim > 2:  # noqa: PLR2004 - the mean over colours
        moved = moved.mean(axis=2)
    limit = float(np.nanmax(np.abs(moved))) or 1.0
    grid = panel.add_gridspec(1, 3)
    for at, (title, image) in enumerate((("before", before), ("after", after))):
        axes = panel.add_subplot(grid[0, at])
        shown = np.clip((image - low) / ((high - low) or 1.0), 0, 1)
        axes.imshow(shown, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        axes.set_title(title)
        bare(axes)
    axes = panel.add_subplot(grid[0, 2])
    drawn = axes.imshow(moved, cmap=DIVERGING, vmin=-limit, vmax=limit, interpolation="nearest")
    axes.set_title("change")
    bare(axes)
    panel.colorbar(drawn, ax=axes, shrink=0.8)


def draw_sound(
    panel: SubFigure,
    name: str,
    before: NDArray[np.float64],
    after: NDArray[np.float64],
    rate: float,
) -> None:
    """Draw the spectrograms of a sound before and after, and of the change.

    Args:
        panel: Where to draw.
        name: What to call it.
        before: Shape (n,), the samples of one channel.
        after: The same.
        rate: Samples a second.
    """
    panel.suptitle(name, x=0.01, ha="left", fontweight="bold")
    grid = panel.add_gridspec(1, 3)
    parts = [spectrogram(values) for values in (before, after, after - before)]
    top = max(float(part.max(initial=0.0)) for part in parts) or 1.0
    seconds, hertz = len(before) / rate, rate / 2
    for at, (title, part) in enumerate(zip(("before", "after", "change"), parts, strict=True)):
        axes = panel.add_subplot(grid[0, at])
        decibels = 10 * np.log10(np.maximum(part / top, 10 ** (_FLOOR / 10)))
        drawn = axes.imshow(
            decibels, origin="lower", aspect="auto", cmap=SEQUENTIAL, vmin=_FLOOR, vmax=0,
            extent=(0, seconds, 0, hertz / 1000),
        )  # fmt: skip
        axes.set_title(title)
        axes.set_xlabel("s")
        if not at:
            axes.set_ylabel("kHz")
    panel.colorbar(drawn, ax=axes, label="dB")


def label_height(figures: LabelFigures) -> float:
    """Return the height in inches that a field of labels or texts takes."""
    if figures.labels:
        return 1.2 + _LABEL_HEIGHT * len(figures.labels)
    return 0.5 + _LINE_HEIGHT * len(figures.examples)


def draw_labels(panel: SubFigure, name: str, figures: LabelFigures) -> None:
    """Draw the confusion matrix of a field of labels, or the most frequent changes of texts."""
    share = f" ({figures.changed / figures.compared:.1%})" if figures.compared else ""
    title = f"{name}: {figures.changed:,} of {figures.compared:,} changed{share}"
    panel.suptitle(title, x=0.01, ha="left", fontweight="bold")
    if figures.labels:
        _confusion(panel.add_subplot(panel.add_gridspec(1, 2)[0, 0]), figures)
        return
    axes = panel.add_subplot()
    axes.set_axis_off()
    lines = example_lines(figures, _SHORTENED)
    axes.text(0.02, 0.95, "\n".join(lines), va="top", family="monospace")


def spectrogram(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the power in windows that overlap by half, shape (frequencies, windows)."""
    size = min(_WINDOW, len(values))
    if not size:
        return np.zeros((1, 1))
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)
    starts = np.arange(0, len(values) - size + 1, max(1, size // 2))
    frames = values[starts[:, None] + np.arange(size)] * window
    return np.abs(np.fft.rfft(np.nan_to_num(frames), axis=1)).T ** 2


def _confusion(axes: Axes, figures: LabelFigures) -> None:
    counts = np.array(figures.confusion, float)
    rows = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(rows, cmap="Greys", vmin=0, vmax=1, aspect="auto")
    names = [cut_end(label, _SHORTENED) for label in figures.labels]
    axes.set_xticks(range(len(names)), names, rotation=20, ha="right")
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("after")
    axes.set_ylabel("before")
    for (row, column), count in np.ndenumerate(counts):
        if count:
            dark = rows[row, column] > 0.5  # noqa: PLR2004 - white on dark
            axes.text(
                column, row, f"{int(count):,}", ha="center", va="center",
                color="white" if dark else "black",
            )  # fmt: skip
