"""Draw what noise did: one row of panels for each field."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from noisify.comparison.comparison import compared, open_side
from noisify.comparison.figures import LabelFigures
from noisify.comparison.reading import matched_fields
from noisify.engine.open_input import Settings
from noisify.engine.parallel import default_jobs
from noisify.plots import density, numbers, pictures
from noisify.plots.samples import from_start, gather
from noisify.plots.style import figure, styled

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from matplotlib.figure import Figure, SubFigure

    from noisify.comparison.reading import Pair, Side
    from noisify.comparison.result import Comparison
    from noisify.plan.plan import Step
    from noisify.plots.samples import Sample

MOST_FIELDS = 8
"""The most fields that one picture shows; it says how many more there are."""
_HEAD = 0.45
_LEAST_SIDE = 8
_COLOURS = frozenset({3, 4})
_GREY = 2


def plot(before: object, after: object, settings: Settings | None = None) -> Figure:
    """Draw what changed between data and their noisy version.

    The picture shows itself in a notebook; `savefig` writes it to a file.

    Args:
        before: The path of a file, or data in memory, as for `noisify.compare`.
        after: Likewise.
        settings: How to read files; default: as the command does.

    Returns:
        The figure of matplotlib, with a row for each field that changed, eight at the most.

    Raises:
        NoisifyError: If one of them cannot be read.
        ImportError: If matplotlib is not installed.
    """
    return draw(before, after, {}, settings)


def draw(
    before: object,
    after: object,
    steps: Mapping[str, Sequence[Step]],
    settings: Settings | None = None,
    found: Comparison | None = None,
) -> Figure:
    """Draw what a run did, with the densities of its models.

    Args:
        before: As for `plot`.
        after: As for `plot`.
        steps: What each field got; empty where that is not known.
        settings: How to read files.
        found: Their comparison, or None to compare them here.
    """
    settings = settings or Settings(jobs=default_jobs())
    with ExitStack() as stack:
        sides = [open_side(data, settings, stack) for data in (before, after)]
        return _page(found or compared(*sides), sides[0], sides[1], steps)


def _page(
    found: Comparison, before: Side, after: Side, steps: Mapping[str, Sequence[Step]]
) -> Figure:
    pairs = [
        pair for pair in matched_fields(before, after).pairs if found.fields[pair.name].changed
    ]
    shown = pairs[:MOST_FIELDS]
    samples = gather(found, shown, before, after)
    rows = [_row(pair, found, samples, steps.get(pair.name, ()), before) for pair in shown]
    with styled():
        heights = [height for height, _ in rows] or [1.0]
        page = figure(sum(heights) + _HEAD)
        more = len(pairs) - len(shown)
        title = f"{Path(found.before).name} → {Path(found.after).name}"
        title += f", and {more:,} more fields" if more else ""
        page.suptitle(title if rows else f"{title}: no field changed", x=0.01, ha="left")
        panels = page.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)
        for (_, draw_in), panel in zip(rows, panels[:, 0], strict=False):
            draw_in(panel)
    return page


def _row(
    pair: Pair,
    found: Comparison,
    samples: Mapping[str, Sample],
    steps: Sequence[Step],
    side: Side,
) -> tuple[float, Callable[[SubFigure], None]]:
    """Return a field's height in inches, and what draws it, by what it holds."""
    figures = found.fields[pair.name]
    name = pair.name
    if isinstance(figures, LabelFigures):
        return (
            pictures.label_height(figures),
            lambda panel: pictures.draw_labels(panel, name, figures),
        )
    sample = samples[name]
    title = numbers.title(name, figures)
    shape = side.source.array_shape(pair.before) or ()
    rate = getattr(getattr(side.source, "header", None), "rate", None)
    if rate:
        channels = shape[1] if len(shape) > 1 else 1
        parts = sample.before[::channels], sample.after[::channels]
        return (
            pictures.SOUND_HEIGHT,
            lambda panel: pictures.draw_sound(panel, title, *parts, rate=float(rate)),
        )
    image = image_shape(shape)
    if image is not None and len(sample.before) >= np.prod(image):
        count = int(np.prod(image))
        before, after = (part[:count].reshape(image) for part in (sample.before, sample.after))
        if len(shape) > len(image):
            title += f"; the first of {np.prod(shape[: -len(image)]):,}"
        return (
            pictures.IMAGE_HEIGHT,
            lambda panel: pictures.draw_image(panel, title, before, after),
        )
    law = density.of_steps(steps) or density.normal(figures.change_mean, figures.change_sd)
    height = numbers.HEIGHT if figures.largest > 0 else numbers.SHORT
    if figures.is_time:
        sample = from_start(sample)
    return (height, lambda panel: numbers.draw(panel, sample, figures, law))


def image_shape(shape: Sequence[int]) -> tuple[int, ...] | None:
    """Return the shape of the first image of an array, or None if it holds no images.

    >>> image_shape((16, 28, 28)), image_shape((480, 640, 3)), image_shape((5000,))
    ((28, 28), (480, 640, 3), None)
    """
    if len(shape) < _GREY:
        return None
    sides = tuple(shape[-3:]) if len(shape) > _GREY and shape[-1] in _COLOURS else tuple(shape[-2:])
    return sides if min(sides[:2]) >= _LEAST_SIDE else None
