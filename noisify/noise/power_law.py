"""The sum of first-order processes whose spectrum follows a power law.

The numbers are worked out in decimal and rounded once, so they are the same on every machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from functools import lru_cache
from typing import TYPE_CHECKING

from noisify.kernels.decimal_functions import PI, digits, power, sine
from noisify.noise.gaussian_processes import Process

if TYPE_CHECKING:
    from collections.abc import Sequence

STEEPEST = 2.0
"""The largest magnitude of an exponent."""
APART = 64
"""The largest ratio of neighbouring corners; that of their time constants is 8."""
LEAST_PERIOD = 16
"""Shorter fields get the noise of one with so many elements."""
_SLOWEST = Decimal("0.4")
"""The lowest corner, in cycles per longest period: at one cycle brown noise is then 0.6 dB low."""
_HIGHEST = Decimal(4)
"""The highest corner, the squared frequency (2 sin(pi f))**2 at f = 1/2."""


@dataclass(frozen=True)
class Part:
    """One stationary process in a blend: its number, which names its lane, and its share."""

    number: int
    process: Process
    amplitude: float


@dataclass(frozen=True)
class Blend:
    """A weighted sum of processes, filtered over each element and the following one.

    Attributes:
        parts: The independent processes.
        own: The filter's weight of the sum at the element itself.
        following: The filter's weight of the sum at the next element.
        mean_square: The expected square of an element.
    """

    parts: tuple[Part, ...]
    own: float
    following: float
    mean_square: float


def has_slow_part(exponent: float) -> bool:
    """Return whether noise of this exponent has a slowest period; white and violet have none."""
    return exponent not in {0, -STEEPEST}


@lru_cache(maxsize=64)
def blend_for_length(exponent: float, length: int) -> Blend:
    """Return the blend whose standard deviation in a field of this length is expected to be 1.

    That is the root of the expected mean square of the deviations from the field's own mean.
    """
    period = max(length, LEAST_PERIOD)
    with digits():
        blend = _blend(exponent, period)
        return blend.rounded(blend.variance() - blend.variance_of_mean(period))


@lru_cache(maxsize=64)
def blend_for_period(exponent: float, period: int) -> Blend:
    """Return the blend with this slowest period, whose elements have standard deviation 1."""
    with digits():
        blend = _blend(exponent, max(period, LEAST_PERIOD))
        return blend.rounded(blend.variance())


@dataclass(frozen=True)
class _ExactBlend:
    """A blend in decimal, of any scale: the processes' correlations and variances."""

    correlations: Sequence[Decimal]
    variances: Sequence[Decimal]
    own: Decimal
    following: Decimal

    def variance(self) -> Decimal:
        """Return the variance of an element."""
        both, product = self.own + self.following, self.own * self.following
        taps = [both * both - 2 * product * (1 - rho) for rho in self.correlations]
        return sum((v * tap for v, tap in zip(self.variances, taps, strict=True)), Decimal(0))

    def variance_of_mean(self, length: int) -> Decimal:
        """Return the variance of the mean of so many consecutive elements."""
        squares = self.own * self.own + self.following * self.following
        product = self.own * self.following
        total = Decimal(0)
        for rho, variance in zip(self.correlations, self.variances, strict=True):
            shorter, same, longer = (_sum_variance(rho, length + n) for n in (-1, 0, 1))
            # The covariance of the sum with the sum of the elements one later.
            covariance = (shorter + longer) / 2 - 1
            total += variance * (squares * same + 2 * product * covariance)
        return total / length / length

    def rounded(self, square: Decimal) -> Blend:
        """Return the blend divided by the square root of a number, as floats."""
        processes = [Process.stationary(float(rho)) for rho in self.correlations]
        amplitudes = [float((variance / square).sqrt()) for variance in self.variances]
        parts = [
            Part(number, process, amplitude)
            for number, (process, amplitude) in enumerate(zip(processes, amplitudes, strict=True))
            if amplitude
        ]
        mean_square = float(self.variance() / square)
        return Blend(tuple(parts), float(self.own), float(self.following), mean_square)


def _sum_variance(rho: Decimal, count: int) -> Decimal:
    """Return the variance of the sum of consecutive elements of a process of variance 1."""
    gap = 1 - rho
    return (count * (1 + rho) - 2 * rho * (1 - power(rho, Decimal(count))) / gap) / gap


def _blend(exponent: float, period: int) -> _ExactBlend:
    """Return the blend of a power law, of any scale."""
    law = Decimal(exponent)
    if law < 0:
        return _of_taps(law + 2, period, Decimal(-1), Decimal(1))
    # A sum of first-order processes follows (2 sin(pi f))**-exponent, which exceeds the power law
    # towards f = 1/2. Two taps 1 : a pass (1 + a**2) / (1 + a)**2 of the power at f = 1/4; this a
    # corrects the excess there, and within 0.1 dB up to f = 0.3.
    left = power(sine(PI / 4) / (PI / 4), law)
    return _of_taps(law, period, Decimal(1), (1 - left) / (left + (2 * left - 1).sqrt()))


def _of_taps(exponent: Decimal, period: int, own: Decimal, following: Decimal) -> _ExactBlend:
    corners = _corners(period)
    correlations = [1 + corner / 2 - (corner * (1 + corner / 4)).sqrt() for corner in corners]
    variances = _variances(exponent, corners)
    return _ExactBlend([Decimal(0), *correlations], variances, own, following)


def _variances(exponent: Decimal, corners: Sequence[Decimal]) -> list[Decimal]:
    """Return the relative variances of the parts: white, then the fastest to the slowest.

    With x = (2 sin(pi f))**2 and d = exponent / 2, for 0 < d < 1,

        x**-d = sin(pi d) / pi * integral of s**(1 - d) / (s + x) d(ln s) over all s > 0,

    and 1 / (s + x) is the spectrum of a first-order process of variance 1 / sqrt(s**2 + 4 s). The
    trapezoidal rule in ln s gives the weights; it converges so fast that corners a factor of 64
    apart leave a ripple of 0.16 dB. The terms below the lowest corner are added to it, and those
    above the highest are white noise: two geometric series.
    """
    d = exponent / 2
    if d in {0, 1}:
        return [Decimal(d == 0), *([Decimal(0)] * (len(corners) - 1)), Decimal(d == 1)]
    apart = corners[0] / corners[1]
    weights = [power(corner, 1 - d) for corner in corners]
    weights[-1] /= 1 - power(apart, d - 1)
    white = power(corners[0] * apart, -d) / (1 - power(apart, -d))
    variances = [
        weight / (corner * (corner + 4)).sqrt()
        for weight, corner in zip(weights, corners, strict=True)
    ]
    return [white, *variances]


def _corners(period: int) -> list[Decimal]:
    """Return the squared corner frequencies, in equal ratios, the highest first."""
    root = 2 * sine(PI * _SLOWEST / period)
    lowest = root * root
    span = _HIGHEST / lowest
    steps = int((span.ln() / Decimal(APART).ln()).to_integral_value(ROUND_CEILING))
    apart = power(span, Decimal(1) / steps)
    return [*(_HIGHEST / apart**number for number in range(steps)), lowest]
