"""Noise for dates and times only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from noisify.core.dtypes import DAY
from noisify.noise import parameters
from noisify.noise.model import TIMES, NoiseContext, RateModel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from noisify.noise.level import Rate

MONTHS = 12


@dataclass(frozen=True, kw_only=True)
class DayMonthSwap(RateModel):
    """Day and month mistaken for each other: 3 April (04/03) becomes 4 March (03/04).

    Where it hits, the day becomes the month and the month the day, as when American dates are read
    as European ones. The year and the time of day stay. Times with a zone are swapped as they are
    stored, in UTC. The confusion of all-numeric dates that ISO 8601 was written to end.

    Only dates whose day is at most 12 and is not the month's number can change: about 36% of all
    days. The others stay as they are.
    """

    name: ClassVar[str] = "day-month-swap"
    family: ClassVar[str] = "time"
    takes: ClassVar[frozenset[str]] = TIMES
    example: ClassVar[str] = "-c birthday --rate 5%"

    rate: Rate = parameters.rate("share of the elements that are hit", 0.05)

    def apply(self, values: NDArray[Any], context: NoiseContext) -> NDArray[Any]:
        """Return the times, with day and month swapped where hit."""
        where, noisy = self.places_hit(context), values.copy()
        noisy[where] = swap_day_and_month(values[where], DAY // context.number.tick)
        return noisy


def swap_day_and_month(times: NDArray[np.int64], ticks_per_day: int) -> NDArray[np.int64]:
    """Swap day and month of times where the result is a valid date.

    Args:
        times: Shape (n,), in ticks since 1970.
        ticks_per_day: Ticks in a day.
    """
    days = times // ticks_per_day
    date = days.astype("M8[D]")
    months, years = date.astype("M8[M]"), date.astype("M8[Y]")
    day = (date - months.astype("M8[D]")).astype(np.int64)  # both from 0
    month = (months - years.astype("M8[M]")).astype(np.int64)
    swapped = ((years.astype("M8[M]") + day).astype("M8[D]") + month).astype(np.int64)
    limits = np.iinfo(times.dtype)
    within = (swapped > limits.min // ticks_per_day) & (swapped < limits.max // ticks_per_day)
    able = (day < MONTHS) & within
    return np.where(able, times + np.where(able, swapped - days, 0) * ticks_per_day, times)
