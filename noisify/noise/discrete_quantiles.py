"""Quantiles of the Poisson and the binomial distribution: a count from one uniform.

A count is the smallest k at which the CDF reaches u. Where the mean is small the CDF is summed from
0. Elsewhere an asymptotic expansion of the quantile gives k, unless it comes so close to a whole
number that its error could matter: then the CDF is summed from Loader's pmf. An element's count
depends only on its own parameters and u, not on its neighbours in the array.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache, reduce
from typing import TYPE_CHECKING

import numpy as np

from noisify.kernels.decimal_functions import digits, log1p
from noisify.kernels.elementary import exp, log
from noisify.noise.normal_quantile import normal_quantile, polynomial

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Which = slice | NDArray[np.bool_] | NDArray[np.int64]

LEAST_UNIFORM = 2.0**-54
"""Replaces u = 0, which is drawn once in 2**53 times."""
STRIP = 1 << 14
"""Elements processed together; they fit the cache."""
SMALL_MEAN = 8.0
"""Up to this mean the CDF is summed from 0."""
FAR_TAIL = 1e-9
"""Above 1 - this, where u and the CDF lose their last places, the upper tail is summed."""
LARGE_SD = 1e3
"""From this standard deviation on the expansion is exact to double precision."""
STRAY = 8.0
"""Step back by this much if a sum starts on the wrong side."""


@dataclass(frozen=True)
class Poisson:
    """Poisson distributions, one for each element.

    Attributes:
        mean: The means, at least 0, shape (n,).
        asymmetry: The skewness times the standard deviation.
        most: The largest possible count.
    """

    mean: Floats
    asymmetry: float = 1.0
    most: float = math.inf

    @property
    def sd(self) -> Floats:
        """The standard deviations."""
        return np.sqrt(self.mean)

    def none(self) -> Floats:
        """Return the probability of 0: exp(-mean)."""
        return exp(-self.mean)

    def ratio(self, k: Floats | float) -> Floats:
        """Return the probability of k + 1 over that of k: mean / (k + 1)."""
        return self.mean / (k + 1)

    def pmf(self, k: Floats) -> Floats:
        """Return the probability of k.

        Loader (2000), "Fast and accurate computation of binomial probabilities".
        """
        above = np.maximum(k, 1.0)
        exponent = _stirling_error(above) + _deviance(above, self.mean)
        return np.where(k > 0, exp(-exponent) / np.sqrt(2 * math.pi * above), self.none())

    def take(self, which: Which) -> Poisson:
        """Return the distributions of some of the elements."""
        return Poisson(self.mean[which])


@dataclass(frozen=True)
class Binomial:
    """Binomial distributions: whole trials of at least 0, shape (n,), and a share up to 1/2."""

    trials: Floats
    share: float

    @property
    def mean(self) -> Floats:
        """The means."""
        return self.trials * self.share

    @property
    def sd(self) -> Floats:
        """The standard deviations."""
        return np.sqrt(self.trials * (self.share * (1 - self.share)))

    @property
    def asymmetry(self) -> float:
        """The skewness times the standard deviation: 1 - 2 share."""
        return 1 - 2 * self.share

    @property
    def most(self) -> Floats:
        """The largest possible counts: the trials."""
        return self.trials

    def none(self) -> Floats:
        """Return the probability of 0: (1 - share)**trials."""
        return exp(self.trials * _logs(self.share)[1])

    def ratio(self, k: Floats | float) -> Floats:
        """Return the probability of k + 1 over that of k."""
        odds = self.share / (1 - self.share)
        return np.maximum(self.trials - k, 0.0) * odds / (k + 1)

    def pmf(self, k: Floats) -> Floats:
        """Return the probability of k; Loader (2000), as for Poisson."""
        n, other = self.trials, 1 - self.share
        inner = (k > 0) & (k < n)
        x = np.where(inner, k, 1.0)
        m = np.where(inner, n, 2.0)
        y = m - x
        exponent = _stirling_error(x) + _stirling_error(y) - _stirling_error(m)
        exponent += _deviance(x, m * self.share) + _deviance(y, m * other)
        between = exp(-exponent) * np.sqrt(m / (2 * math.pi * x * y))
        at_end = np.where(k > 0, exp(n * _logs(self.share)[0]), self.none())
        return np.where(inner, between, np.where(k > n, 0.0, at_end))

    def take(self, which: Which) -> Binomial:
        """Return the distributions of some of the elements."""
        return Binomial(self.trials[which], self.share)


Law = Poisson | Binomial


@lru_cache(maxsize=64)
def _logs(share: float) -> tuple[float, float]:
    """Return the logarithms of a share and of 1 - share."""
    with digits():
        return float(Decimal(share).ln()), float(log1p(-Decimal(share)))


def quantile(law: Law, uniform: Floats, *, falling: bool = False) -> Floats:
    """Return the smallest counts at which the CDFs reach u, shape (n,), whole numbers as float64.

    Args:
        law: The distributions.
        uniform: Multiples of 2**-53 in [0, 1); 0 is replaced by 2**-54.
        falling: Whether to use 1 - u instead of u.
    """
    lower = np.maximum(uniform, LEAST_UNIFORM)
    upper = 1 - uniform  # exact, unlike 1 - lower
    if falling:
        lower, upper = upper, lower
    count = np.zeros(len(lower))
    doubtful = np.zeros(len(lower), bool)
    for start in range(0, len(lower), STRIP):
        here = slice(start, start + STRIP)
        strip = law.take(here)
        count[here], doubtful[here] = _estimated(strip, lower[here], upper[here])
    at = np.flatnonzero(doubtful)
    if len(at):
        count[at] = _summed(law.take(at), lower[at], upper[at])
    return count


def _estimated(law: Law, lower: Floats, upper: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Return the counts, and a mask of those that rounding errors may have changed."""
    small = law.mean <= SMALL_MEAN
    if small.all():
        return _searched(law, lower, upper)
    if not small.any():
        return _expanded(law, lower, upper)
    count, doubtful = np.empty(len(lower)), np.empty(len(lower), bool)
    for which, method in ((small, _searched), (~small, _expanded)):
        count[which], doubtful[which] = method(law.take(which), lower[which], upper[which])
    return count, doubtful


def _searched(law: Law, lower: Floats, upper: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Return the counts for small means: the number of k whose CDF is below u."""
    doubtful = (upper < FAR_TAIL) & (law.mean > LEAST_UNIFORM / 2)
    u = np.where(upper < FAR_TAIL, 0.0, lower)
    chance = law.none()
    reached = chance.copy()
    count = np.zeros(len(u))
    k = 0
    while (beyond := u > reached).any():
        count += beyond
        chance *= law.ratio(float(k))
        reached += chance
        k += 1
    return count, doubtful


_EXPANSION = (
    # The polynomials of order 1, 2, ... in sd**-1. A row for each second power of w from 0 or 1
    # up; in a row, the coefficients of each second power of the asymmetry.
    ((-1 / 6,), (1 / 6,)),
    ((1 / 48, -7 / 144), (-1 / 48, 1 / 144)),
    ((-1 / 45, 1 / 405), (7 / 720, -7 / 6480), (1 / 240, -1 / 2160)),
    (
        (181 / 23040, 349 / 34560, -433 / 622080),
        (-1 / 1920, -59 / 17280, 1 / 2430),
        (-13 / 23040, -1 / 1280, 1 / 69120),
    ),
    (
        (1 / 756, -37 / 17010, 23 / 102060),
        (-493 / 48384, -2591 / 1088640, -923 / 6531840),
        (43 / 48384, 97 / 120960, -1 / 26880),
        (5 / 12096, 13 / 90720, 1 / 544320),
    ),
)
"""Derived order by order from dF/dp = -n binom(n - 1, k) p**k (1 - p)**(n - 1 - k)."""
_ERROR = 1.5e-3
"""The expansion's error is below this times (1 + |w|)**7 / sd**5 for |w| below the sd. Twice the
largest error found against exact quantiles, near w = 0 at the smallest sd."""
_ROUNDING = 1e-15
"""The rounding error of the expansion, as a share of its terms."""
_NEGLIGIBLE = 2.0**-60
"""A sum ends at a term below this share of it."""


def _expanded(law: Law, lower: Floats, upper: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Return the counts by the expansion of the quantile in powers of 1 / sd.

    It is mean + sd w + a w**2 / 6 - a / 6 + 1/2 + ..., where w is the normal quantile of u and a
    the asymmetry (Giles, 2016, for Poisson).
    """
    w = _normal(lower, upper)
    mean, sd = law.mean, law.sd
    first, second, third, fourth, fifth = (
        _polynomial(order, law.asymmetry, w * w) for order in range(1, 6)
    )
    small = 1 / sd
    odd = second + small * small * fourth
    even = third + small * small * fifth
    whole = np.floor(mean)
    away = sd * w + (first + 0.5 + small * (w * odd + small * even)) + (mean - whole)
    count = np.clip(whole + (np.ceil(away) - 1), 0.0, law.most)
    size = 1 + np.abs(w)
    cube, small_square = size * size * size, small * small
    error = _ERROR * (cube * cube * size) * (small_square * small_square * small)
    error += _ROUNDING * (size * sd + mean)
    doubtful = (np.abs(away - np.rint(away)) <= error) | (size - 1 > sd)
    doubtful &= sd < LARGE_SD
    return count, doubtful


def _normal(lower: Floats, upper: Floats) -> Floats:
    """Return the normal quantiles of u, given u and 1 - u."""
    tail = normal_quantile(np.minimum(lower, upper))
    return np.where(lower < upper, tail, -tail)


def _polynomial(order: int, asymmetry: float, square: Floats) -> Floats:
    """Return the polynomial of one order (divided by w if even) for `square` = w**2."""
    factor = asymmetry if order % 2 else 1.0
    at = asymmetry * asymmetry
    rows = reversed(_EXPANSION[order - 1])
    powers = [factor * reduce(lambda value, c: value * at + c, row[::-1], 0.0) for row in rows]
    return polynomial(powers, square)


def _summed(law: Law, lower: Floats, upper: Floats) -> Floats:
    """Return the counts by summing the nearer tail, smallest terms last."""
    count = np.empty(len(lower))
    left = lower <= upper
    count[left] = _from_below(law.take(left), lower[left], upper[left])
    count[~left] = _from_above(law.take(~left), lower[~left], upper[~left])
    return count


def _guess(law: Law, lower: Floats, upper: Floats) -> Floats:
    w = _normal(lower, upper)
    return law.mean + law.sd * w + law.asymmetry * (w * w - 1) / 6


def _from_below(law: Law, lower: Floats, upper: Floats) -> Floats:
    """Return the smallest k with P(K <= k) >= u."""
    k: Floats = np.clip(np.floor(_guess(law, lower, upper)) - 1, 0.0, law.most)
    reached = _tail_below(law, k)
    while (stray := np.flatnonzero((reached >= lower) & (k > 0))).size:
        k[stray] = np.maximum(k[stray] - STRAY, 0.0)
        reached[stray] = _tail_below(law.take(stray), k[stray])
    chance = law.pmf(k)
    reached += chance
    while (short := (reached < lower) & (k < law.most)).any():
        chance *= np.where(short, law.ratio(k), 0.0)
        reached += chance
        k += short
    return k


def _from_above(law: Law, lower: Floats, upper: Floats) -> Floats:
    """Return the smallest k with P(K > k) <= 1 - u."""
    k: Floats = np.clip(np.ceil(_guess(law, lower, upper)) + 4, 0.0, law.most)
    left = _tail_above(law, k)
    while (stray := np.flatnonzero((left > upper) & (k < law.most))).size:
        k[stray] = np.minimum(k + STRAY, law.most)[stray]
        left[stray] = _tail_above(law.take(stray), k[stray])
    chance = law.pmf(k)
    while (free := (left + chance <= upper) & (k > 0)).any():
        left += np.where(free, chance, 0.0)
        k -= free
        np.divide(chance, law.ratio(k), out=chance, where=free)
    return k


def _tail_below(law: Law, k: Floats) -> Floats:
    """Return P(K < k) for k on the side where the terms decrease."""
    chance, total, j = law.pmf(k), np.zeros(len(k)), k.copy()
    while (chance > total * _NEGLIGIBLE).any():
        more = j > 0
        j -= more
        chance = np.where(more, chance / law.ratio(j), 0.0)
        total += chance
    return total


def _tail_above(law: Law, k: Floats) -> Floats:
    """Return P(K > k) for k on the side where the terms decrease."""
    chance, total, j = law.pmf(k), np.zeros(len(k)), k.copy()
    while (chance > total * _NEGLIGIBLE).any():
        chance = chance * law.ratio(j)
        total += chance
        j += 1
    return total


_STIRLING = (1 / 12, 1 / 360, 1 / 1260, 1 / 1680, 1 / 1188)
_EXACT_FACTORIALS = 16
_STIRLING_TABLE = np.array([
    0.0, 0.08106146679532726, 0.0413406959554093,
    0.02767792568499834, 0.020790672103765093, 0.016644691189821193,
    0.013876128823070748, 0.01189670994589177, 0.010411265261972096,
    0.009255462182712733, 0.00833056343336287, 0.007573675487951841,
    0.00694284010720953, 0.006408994188004207, 0.0059513701127588475,
    0.005554733551962801,
])  # fmt: skip
"""log(n!) - log(sqrt(2 pi n) (n / e)**n) for n from 1, worked out with mpmath."""
_NEAR = 0.1


def _stirling_error(n: Floats) -> Floats:
    """Return log(n!) - log(sqrt(2 pi n) (n / e)**n), for whole n of at least 1."""
    a, b, c, d, e = _STIRLING
    inverse = 1 / (n * n)
    series = (a - (b - (c - (d - e * inverse) * inverse) * inverse) * inverse) / n
    exact = _STIRLING_TABLE[np.minimum(n, _EXACT_FACTORIALS - 1).astype(np.int64)]
    return np.where(n < _EXACT_FACTORIALS, exact, series)


def _deviance(x: Floats, mean: Floats) -> Floats:
    """Return x log(x / mean) + mean - x, without cancellation for x near the mean."""
    gap = x - mean
    v = gap / (x + mean)
    square = v * v
    series = np.zeros(len(x))
    for j in range(9, 0, -1):
        series = (series + 1 / (2 * j + 1)) * square
    near = gap * v + 2 * x * v * series
    return np.where(np.abs(v) < _NEAR, near, x * log(x / mean) - gap)
