"""Apply a model to each series of an array along one axis."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby, islice
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from noisify.core.chunk import Positions
    from noisify.noise.model import Model, NoiseContext
    from noisify.plan.series import Series
    from noisify.streams.streams import Variates

    Which = slice | NDArray[np.int64]

_TOGETHER = 1 << 16
"""Elements of several series that a model takes at once."""


def apply_to_each(
    model: Model,
    values: NDArray[Any],
    context: NoiseContext,
    series: Series,
    variates_of: Callable[[Sequence[int], Positions], Variates],
) -> NDArray[Any]:
    """Return the noisy values of a chunk, each series with noise of its own.

    Args:
        model: The model.
        values: Shape (n,), the values of the chunk.
        context: The context of the whole chunk; what the model reports goes there.
        series: How the series lie in the array.
        variates_of: Returns the variates of series, by their numbers, at positions in each.
    """
    noisy = values.copy()
    saturated, erased = np.zeros(len(values), bool), np.zeros(len(values), bool)
    most = _TOGETHER if model.takes_series else 0
    for numbers, positions, places in _batches(series.parts(context.variates.positions), most):
        own = replace(
            context,
            variates=variates_of(numbers, positions),
            series=len(numbers),
            companions={name: _taken(other, places) for name, other in context.companions.items()},
            saturated=None,
            usable=None if context.usable is None else _taken(context.usable, places),
            erased=None,
        )
        _put(noisy, places, model.apply(_taken(values, places), own))
        if own.saturated is not None:
            _put(saturated, places, own.saturated)
        if own.erased is not None:
            _put(erased, places, own.erased)
    if saturated.any():
        context.saturate(saturated)
    if erased.any():
        context.erase(erased)
    return noisy


def _batches(
    parts: Iterable[tuple[int, Positions, Which]], most: int
) -> Iterator[tuple[list[int], Positions, list[Which]]]:
    """Yield groups of series with the same positions, of at most `most` elements in all."""
    for (_, length), group in groupby(parts, lambda part: (int(part[1].starts[0]), part[1].length)):
        while batch := list(islice(group, max(1, most // length))):
            numbers, positions, places = zip(*batch, strict=True)
            yield list(numbers), positions[0], list(places)


def _taken(values: NDArray[Any], places: Sequence[Which]) -> NDArray[Any]:
    """Return the elements of several series, one series after the other."""
    return np.concatenate([values[here] for here in places])


def _put(values: NDArray[Any], places: Sequence[Which], new: NDArray[Any]) -> None:
    """Replace the elements of several series."""
    for here, part in zip(places, new.reshape(len(places), -1), strict=True):
        values[here] = part
