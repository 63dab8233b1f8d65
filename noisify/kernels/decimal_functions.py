"""Functions of one number, worked out in decimal to more digits than float64 has.

Parameters that are computed once a run, such as a ratio in dB, take these: with 50 digits and one
rounding to float64 at the end they are the same on every machine. Python's decimal arithmetic is
specified to the digit (IBM, "General decimal arithmetic"); its exp and ln are correctly rounded.

Everything takes and returns `Decimal`; convert a float by `Decimal(x)`, which is exact, and the
result by `float()`, which rounds to nearest. Compute inside `with digits():`.
"""

from __future__ import annotations

from contextlib import contextmanager
from decimal import MAX_EMAX, MIN_EMIN, ROUND_HALF_EVEN, Context, Decimal, localcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

DIGITS = 50
PI = Decimal(
    "3.14159265358979323846264338327950288419716939937510582097494459230781640628620899862"
)
_NEGLIGIBLE = Decimal(10) ** -(DIGITS + 5)
_HALF = Decimal("0.5")
_SERIES_END = Decimal(3)
"""From here on the normal tail is a continued fraction, below it a series."""
_FRACTION_TERMS = 400
"""Enough for 50 digits from 3 on."""


@contextmanager
def digits(count: int = DIGITS) -> Iterator[None]:
    """Set the number of digits of decimal arithmetic; exponents have no limit."""
    context = Context(prec=count, rounding=ROUND_HALF_EVEN, Emin=MIN_EMIN, Emax=MAX_EMAX, traps=[])
    with localcontext(context):
        yield


def power(base: Decimal, exponent: Decimal) -> Decimal:
    """Return base**exponent for base > 0; 0**0 is 1, and 0 to a positive power 0."""
    if exponent == exponent.to_integral_value():
        return base ** int(exponent) if exponent else Decimal(1)
    return (exponent * base.ln()).exp() if base else Decimal(0)


def expm1(x: Decimal) -> Decimal:
    """Return e**x - 1 without cancellation."""
    if abs(x) > Decimal("0.1"):
        return x.exp() - 1
    total = term = x
    n = 1
    while abs(term) > abs(total) * _NEGLIGIBLE:
        n += 1
        term *= x / n
        total += term
    return total


def log1p(x: Decimal) -> Decimal:
    """Return the natural logarithm of 1 + x for x > -1, with all digits for small x as well."""
    with digits(DIGITS + max(0, -x.adjusted())):
        exact = (1 + x).ln()
    return +exact


def sine(x: Decimal) -> Decimal:
    """Return the sine of x for |x| up to 2 pi, by its series."""
    total = term = x
    n = 1
    while abs(term) > _NEGLIGIBLE * abs(x):
        term *= -x * x / ((n + 1) * (n + 2))
        total += term
        n += 2
    return total


def normal_density(z: Decimal) -> Decimal:
    """Return the standard normal density."""
    return (-z * z / 2).exp() / (2 * PI).sqrt()


def normal_tail(z: Decimal) -> Decimal:
    """Return the probability that a standard normal variate is above z."""
    return 1 - normal_tail(-z) if z < 0 else normal_density(z) * mills_ratio(z)


def normal_centre(z: Decimal) -> Decimal:
    """Return the probability that a standard normal variate is between 0 and z >= 0."""
    return _centre_series(z) * normal_density(z) if z < _SERIES_END else _HALF - normal_tail(z)


def mills_ratio(z: Decimal) -> Decimal:
    """Return the normal tail above z >= 0 over the density at z, which cannot overflow.

    Abramowitz and Stegun (1964), "Handbook of mathematical functions", 26.2.14.
    """
    if z < _SERIES_END:
        return _HALF / normal_density(z) - _centre_series(z)
    fraction = z
    for n in range(_FRACTION_TERMS, 0, -1):
        fraction = z + n / fraction
    return 1 / fraction


def _centre_series(z: Decimal) -> Decimal:
    """Return `normal_centre` over the density: Abramowitz and Stegun (1964), 26.2.11."""
    total = term = z
    n = 1
    while term > total * _NEGLIGIBLE:
        n += 2
        term *= z * z / n
        total += term
    return total
