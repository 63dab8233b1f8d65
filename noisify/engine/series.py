"""Apply a model to each series of an array along one axis."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from noisify.core.chunk import Positions
    from noisify.noise.model import Model, NoiseContext
    from noisify.plan.series import Series
    from noisify.streams.streams import Variates

    Which = slice | NDArray[np.int64]


def apply_to_each(
    model: Model,
    values: NDArray[Any],
    context: NoiseContext,
    series: Series,
    variates_of: Callable[[int, Positions], Variates],
) -> NDArray[Any]:
    """Return the noisy values of a chunk, each series with noise of its own.

    Args:
        model: The model.
        values: Shape (n,), the values of the chunk.
        context: The context of the whole chunk; what the model reports goes there.
        series: How the series lie in the array.
        variates_of: Returns the variates of a series, by its number, at positions in it.
    """
    noisy = values.copy()
    saturated, erased = np.zeros(len(values), bool), np.zeros(len(values), bool)
    for number, positions, here in series.parts(context.variates.positions):
        own = replace(
            context,
            variates=variates_of(number, positions),
            companions=_part(context.companions, here),
            saturated=None,
            usable=None if context.usable is None else context.usable[here],
            erased=None,
        )
        noisy[here] = model.apply(values[here], own)
        if own.saturated is not None:
            saturated[here] = own.saturated
        if own.erased is not None:
            erased[here] = own.erased
    if saturated.any():
        context.saturate(saturated)
    if erased.any():
        context.erase(erased)
    return noisy


def _part(
    columns: Mapping[str, NDArray[np.float64]], here: Which
) -> dict[str, NDArray[np.float64]]:
    """Return some elements of each column."""
    return {name: values[here] for name, values in columns.items()}
