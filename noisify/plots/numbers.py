"""Draw a field of numbers: a stretch of values, distributions, the change, its spectrum."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from noisify.plots.style import AFTER, BEFORE, CHANGE, DENSITY

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import SubFigure
    from numpy.typing import NDArray

    from noisify.comparison.figures import NumberFigures
    from noisify.plots.density import Law
    from noisify.plots.samples import Sample

HEIGHT = 4.2
SHORT = 2.3
"""Heights in inches of a field's row: the usual one, and one for a field that only lost values."""
STRETCH = 300
LAGS = 40
_SEGMENT = 1024
_LEAST_SERIES = 64
_CONFIDENCE = 1.96


def draw(panel: SubFigure, sample: Sample, figures: NumberFigures, law: Law | None) -> None:
    """Draw what noise did to a field.

    Args:
        panel: Where to draw.
        sample: The values.
        figures: The measured figures.
        law: The density to draw over the change, or None.
    """
    panel.suptitle(title(sample.name, figures), x=0.01, ha="left", fontweight="bold")
    grid = panel.add_gridspec(2 if figures.largest > 0 else 1, 3)
    _stretch(panel.add_subplot(grid[0, :2]), sample)
    _distributions(panel.add_subplot(grid[0, 2]), sample)
    if not figures.largest > 0:
        return
    _change(panel.add_subplot(grid[1, 0]), sample, law)
    moved = sample.after - sample.before
    moved = np.where(np.isfinite(moved), moved, 0.0)
    spectrum, correlation = panel.add_subplot(grid[1, 1]), panel.add_subplot(grid[1, 2])
    if len(moved) >= _LEAST_SERIES and moved.any():
        _spectrum(spectrum, sample)
        _autocorrelation(correlation, moved)
    else:
        for axes in (spectrum, correlation):
            axes.set_axis_off()


def title(name: str, figures: NumberFigures) -> str:
    """Return a field's name and the figures that matter most."""
    parts = [f"{figures.changed:,} of {figures.compared:,} changed"]
    if figures.lost:
        parts.append(f"{figures.lost:,} lost")
    if figures.largest > 0:
        parts.append(f"sd of the change {figures.change_sd:.4g}")
    if np.isfinite(figures.snr):
        parts.append(f"SNR {figures.snr:.1f} dB")
    return f"{name}: {', '.join(parts)}"


def _stretch(axes: Axes, sample: Sample) -> None:
    """Show the values around the first that changed."""
    differs = ~(sample.before == sample.after) & ~(np.isnan(sample.before) & np.isnan(sample.after))
    first = int(differs.argmax()) if differs.any() else 0
    start = max(0, min(first - STRETCH // 10, len(sample.before) - STRETCH))
    stop = min(start + STRETCH, len(sample.before))
    rows = np.arange(start, stop)
    axes.plot(rows, sample.after[start:stop], color=AFTER, lw=1.4, label="after")
    axes.plot(rows, sample.before[start:stop], color=BEFORE, lw=0.7, label="before")
    lost = rows[np.isnan(sample.after[start:stop]) & np.isfinite(sample.before[start:stop])]
    if len(lost):
        axes.plot(lost, sample.before[lost], "x", color=DENSITY, ms=4, label="lost")
    axes.set_title(f"elements {start:,} to {stop - 1:,}")
    axes.margins(x=0.01)
    axes.legend(loc="upper right", ncols=3)


def _distributions(axes: Axes, sample: Sample) -> None:
    """Show how the values are distributed before and after."""
    totals = np.maximum(sample.counts.sum(axis=1), 1)
    width = np.diff(sample.edges)[0]
    after, before = sample.counts[1] / totals[1] / width, sample.counts[0] / totals[0] / width
    axes.stairs(after, sample.edges, color=AFTER, fill=True, alpha=0.85, label="after")
    axes.stairs(before, sample.edges, color=BEFORE, label="before")
    axes.set_title("distribution of the values")
    axes.set_yticks([])


def _change(axes: Axes, sample: Sample, law: Law | None) -> None:
    """Show how the change is distributed, and the density it should have."""
    width = np.diff(sample.moved_edges)[0]
    axes.stairs(
        sample.moved / max(sample.total, 1) / width, sample.moved_edges, color=CHANGE, fill=True,
        alpha=0.6,
    )  # fmt: skip
    axes.set_title("distribution of the change")
    axes.set_yticks([])
    if law is not None:
        x = np.linspace(sample.moved_edges[0], sample.moved_edges[-1], 400)
        axes.plot(x, law.of(x), color=DENSITY, ls="--", lw=1.2, label=law.title)
        axes.legend(loc="upper right", handlelength=1.4)


def _spectrum(axes: Axes, sample: Sample) -> None:
    """Show the power spectral densities of the values before and of the change, by Welch."""
    for values, colour, label in (
        (sample.before, BEFORE, "before"),
        (sample.after - sample.before, CHANGE, "change"),
    ):
        frequencies, power = welch(np.where(np.isfinite(values), values, 0.0))
        shown = power > 0
        axes.plot(frequencies[shown], power[shown], color=colour, label=label)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_title("spectrum, by cycles an element")
    axes.legend(loc="lower left")


def _autocorrelation(axes: Axes, moved: NDArray[np.float64]) -> None:
    """Show the autocorrelation of the change, with the 95 % interval of white noise."""
    found = autocorrelation(moved, min(LAGS, len(moved) - 1))
    axes.vlines(np.arange(len(found)), 0, found, color=CHANGE, lw=2)
    limit = _CONFIDENCE / np.sqrt(len(moved))
    axes.axhspan(-limit, limit, color="#cccccc", lw=0, zorder=0, label="95% of white noise")
    axes.set_title("autocorrelation of the change, by lag")
    axes.set_ylim(min(-0.25, found.min() * 1.1), 1.05)
    axes.legend(loc="upper right")


def welch(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return frequencies in cycles an element, above 0, and the power spectral density there.

    Welch (1967), "The use of fast Fourier transform for the estimation of power spectra", with
    Hann windows that overlap by half.

    Args:
        values: Shape (n,).
    """
    size = min(_SEGMENT, len(values))
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)
    starts = range(0, len(values) - size + 1, max(1, size // 2))
    total = np.zeros(size // 2 + 1)
    centred = values - values.mean()
    for start in starts:
        total += np.abs(np.fft.rfft(centred[start : start + size] * window)) ** 2
    density = 2 * total / len(starts) / (window**2).sum()
    return np.fft.rfftfreq(size)[1:].astype(np.float64), density[1:]


def autocorrelation(values: NDArray[np.float64], lags: int) -> NDArray[np.float64]:
    """Return the autocorrelation at lags 0 to `lags`, shape (lags + 1,)."""
    centred = values - values.mean()
    size = 1 << (2 * len(values) - 1).bit_length()
    power = np.abs(np.fft.rfft(centred, size)) ** 2
    found = np.fft.irfft(power)[: lags + 1]
    return found / found[0] if found[0] else np.zeros(lags + 1)
