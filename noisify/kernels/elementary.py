"""exp and log of arrays, with the same bits whatever the CPU, the C library or NumPy's version.

Each is an argument reduction with a table and a short polynomial, with an error well below one unit
in the last place. `_kernels.hpp` does the same operations in the same order; tests hold the two to
the same bits. A NaN's payload is not specified.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from noisify.core.native import Part, load, pure
from noisify.kernels import tables

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]
    Kernel = Callable[[Floats], Floats]

_part: Any = load(Part.KERNELS)
_STRIP = 1 << 13
"""Elements computed together; the intermediate results fit the cache."""
_SIGNIFICAND_BITS = 52
_SIGNIFICAND = (1 << _SIGNIFICAND_BITS) - 1
_BIAS = 1023
_INTEGER = 1.5 * (1 << _SIGNIFICAND_BITS)
"""Adding this rounds to a whole number, which is then in the lowest bits."""
_STEP_BITS = 7
_STEP = (1 << _STEP_BITS) - 1
_UPPER_HALF = ~((1 << 27) - 1)
"""Mask of a significand's upper 26 bits; their product with a reciprocal of the table is exact."""
_LOG_FIRST = np.array(tables.LOG_FIRST).view(np.int64).item()
"""The bits of the lowest significand."""
_LEAST_NORMAL = 1 << _SIGNIFICAND_BITS
_INFINITY = 0x7FF << _SIGNIFICAND_BITS
_SUBNORMAL_SCALE = float(1 << _SIGNIFICAND_BITS)
_EXP_ZERO, _EXP_INFINITE = -746.0, 710.0
"""Below the first number exp is 0, above the second it is infinite."""
_SPLITTER = float((1 << 27) + 1)
"""Multiplying by this splits a significand into halves whose products are exact."""
_E0, _E1, _E2, _E3 = tables.EXP_REST
_L0, _L1, _L2, _L3, _L4, _L5 = tables.LOG_REST


def exp(x: ArrayLike) -> Floats:
    """Return e**x.

    Tang (1989), "Table-driven implementation of the exponential function in IEEE floating-point
    arithmetic", ACM Transactions on Mathematical Software 15, 144-157.

    Args:
        x: Numbers, of any shape.

    Returns:
        The same shape. 0, infinity or a subnormal number where float64 has no other.

    >>> exp([0.0, 1.0, -1000.0]).tolist()
    [1.0, 2.718281828459045, 0.0]
    """
    return _of_each("exp", _exp, x)


def log(x: ArrayLike) -> Floats:
    """Return the natural logarithm of x.

    Tang (1990), "Table-driven implementation of the logarithm function in IEEE floating-point
    arithmetic", ACM Transactions on Mathematical Software 16, 378-400. The reduced argument is
    exact, as the reciprocals of the table have few bits.

    Args:
        x: Numbers, of any shape.

    Returns:
        The same shape: minus infinity for 0, NaN for negative numbers.

    >>> log([1.0, 10.0, 0.0]).tolist()
    [0.0, 2.302585092994046, -inf]
    """
    return _of_each("log", _log, x)


def magnitude(values: NDArray[Any]) -> Floats:
    """Return the absolute values of real numbers, or the moduli of complex ones.

    The root of a sum of squares is corrected for the rounding of the squares; Borges
    (2021), "Algorithm 1014: an improved algorithm for hypot(x, y)", ACM Transactions on
    Mathematical Software 47, 9.

    Args:
        values: Of any shape, float64 or complex128.

    >>> magnitude(np.array([3 - 4j])).tolist()
    [5.0]
    """
    if not np.iscomplexobj(values):
        return np.asarray(np.abs(values), np.float64)
    real, imaginary = np.abs(values.real), np.abs(values.imag)
    larger, smaller = np.maximum(real, imaginary), np.minimum(real, imaginary)
    exponent = np.frexp(larger)[1]
    with np.errstate(all="ignore"):
        x, y = np.ldexp(larger, -exponent), np.ldexp(smaller, -exponent)
        root = np.sqrt(x * x + y * y)
        rest = (_square_rest(x) + _square_rest(y)) - _square_rest(root)
        rest += (x * x - root * root) + y * y
        root += np.where(root > 0, rest / (2 * root), 0.0)
        modulus = np.ldexp(root, exponent)
    infinite = np.isinf(real) | np.isinf(imaginary)
    return np.asarray(np.where(infinite, np.inf, modulus))


def _square_rest(x: Floats) -> Floats:
    """Return the rounding error of x * x, exactly: Dekker (1971), Numerische Mathematik 18."""
    scaled = x * _SPLITTER
    high = scaled - (scaled - x)
    low = x - high
    return ((high * high - x * x) + 2 * high * low) + low * low


def _of_each(name: str, kernel: Kernel, x: ArrayLike) -> Floats:
    """Return a kernel's values, compiled where that can be used."""
    given = np.asarray(x, np.float64)
    flat = np.ascontiguousarray(given).reshape(-1)
    out = np.empty(flat.shape)
    if _part is not None and not pure():
        getattr(_part, name)(flat, out)
        return out.reshape(given.shape)
    with np.errstate(all="ignore"):
        for start in range(0, len(flat), _STRIP):
            here = slice(start, start + _STRIP)
            out[here] = kernel(flat[here])
    return out.reshape(given.shape)


def _exp(x: Floats) -> Floats:
    x = np.minimum(np.maximum(x, _EXP_ZERO), _EXP_INFINITE)
    shifted = x * tables.EXP_STEPS + _INTEGER
    steps = shifted.view(np.int64)
    k = shifted - _INTEGER
    r = (x - k * tables.EXP_STEP_HIGH) - k * tables.EXP_STEP_LOW
    rest = r + (r * r) * (_E3 + r * (_E2 + r * (_E1 + r * _E0)))
    entry = steps & _STEP
    powers = tables.powers()
    high = powers.high[entry]
    value: Floats = high + (powers.low[entry] + high * rest)
    # The power of two in two factors: it may be beyond the range of float64.
    power = (steps << (64 - _SIGNIFICAND_BITS)) >> (64 - _SIGNIFICAND_BITS + _STEP_BITS)
    first = power >> 1
    value *= _power_of_two(first)
    value *= _power_of_two(power - first)
    return value


def _power_of_two(exponent: NDArray[np.int64]) -> Floats:
    bits = (exponent + _BIAS) << _SIGNIFICAND_BITS
    return np.asarray(bits.view(np.float64))


def _log(x: Floats) -> Floats:
    bits = x.view(np.int64)
    special = (bits < _LEAST_NORMAL) | (bits >= _INFINITY)
    if not special.any():
        return _log_of_bits(bits, 0.0)
    subnormal = special & (x > 0) & (bits < _INFINITY)
    scaled = np.where(subnormal, x * _SUBNORMAL_SCALE, x).view(np.int64)
    value = _log_of_bits(scaled, np.where(subnormal, float(_SIGNIFICAND_BITS), 0.0))
    value[x == 0] = -np.inf
    value[np.isposinf(x)] = np.inf
    value[(x < 0) | np.isnan(x)] = np.nan
    return value


def _log_of_bits(bits: NDArray[np.int64], less: Floats | float) -> Floats:
    """Return the logarithms of positive normal numbers, each divided by 2**less first."""
    above = bits - _LOG_FIRST
    entry = (above >> (_SIGNIFICAND_BITS - _STEP_BITS)) & _STEP
    k = (above >> _SIGNIFICAND_BITS).astype(np.float64) - less
    z_bits = bits - (above & ~_SIGNIFICAND)
    z = z_bits.view(np.float64)
    z_high = (z_bits & _UPPER_HALF).view(np.float64)
    reciprocal, logarithms = tables.reciprocals()[entry], tables.logarithms()
    r = (z_high * reciprocal - 1.0) + (z - z_high) * reciprocal
    whole = k * tables.LOG_TWO_HIGH + logarithms.high[entry]
    high = whole + r
    low = ((whole - high) + r) + (k * tables.LOG_TWO_LOW + logarithms.low[entry])
    square = r * r
    rest = _L5 + r * (_L4 + r * (_L3 + r * (_L2 + r * (_L1 + r * _L0))))
    return np.asarray(high + (low + square * (r * rest - 0.5)))
