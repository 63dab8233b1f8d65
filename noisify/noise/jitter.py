"""Timing noise: samples taken a little too early or too late."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from noisify.noise import level, parameters
from noisify.noise.model import Model, NoiseContext
from noisify.noise.parameters import ParameterError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from noisify.noise.level import Level


@dataclass(frozen=True, kw_only=True)
class TimingJitter(Model):
    """Timing jitter: each sample is taken scale * z too late, z ~ N(0, 1), between its neighbours.

    The shift, in samples, is limited to -1 to 1; values are interpolated linearly between the
    elements. A missing neighbour counts as the element's own value. Sampling clock jitter, as IEEE
    Std 1241 (analog-to-digital converters) describes it.
    """

    name: ClassVar[str] = "timing-jitter"
    family: ClassVar[str] = "time series"
    example: ClassVar[str] = "-s 0.2"
    takes_series: ClassVar[bool] = True

    scale: Level = parameters.level(
        "standard deviation of the shift, in samples", level.Absolute(0.1)
    )
    axis: int = parameters.axis()

    def __post_init__(self) -> None:
        """Check that the scale is a number of samples."""
        super().__post_init__()
        if not isinstance(self.scale, level.Absolute):
            raise ParameterError(
                f"scale {self.scale} of timing-jitter is not in samples; type 0.1", "scale"
            )

    @property
    def halo(self) -> int:
        """One element: the neighbour."""
        return 1

    def apply(self, values: NDArray[Any], context: NoiseContext) -> NDArray[Any]:
        """Return the values a little earlier or later."""
        if not len(values):
            return values
        scale = context.level(self.scale, values)
        shift = np.clip(context.variates.normal("noise") * scale, -1.0, 1.0)
        floats = context.number.to_float(values)
        there = np.ones(len(values), bool) if context.usable is None else context.usable
        own = np.arange(len(values))
        length = len(values) // context.series
        first = own // length * length
        towards = np.clip(own + np.where(shift < 0, -1, 1), first, first + length - 1)
        towards = np.where(there[towards], towards, own)
        with np.errstate(over="ignore", invalid="ignore"):
            share, gap = np.abs(shift), floats[towards] - floats
            wide = ~np.isfinite(gap)
            noisy = context.add(values, np.where(wide, 0.0, gap) * share)
            if wide.any():  # the difference of the two values overflows
                noisy[wide] = (floats * (1 - share) + floats[towards] * share)[wide]
        return noisy
