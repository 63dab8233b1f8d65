"""Derive the numbers of noisify/kernels with mpmath; as a script, write them for C++."""

import struct
from itertools import pairwise
from pathlib import Path

import mpmath

KERNELS = Path(__file__).parents[2] / "noisify" / "kernels"
DIGITS = 60
STEPS = 128
"""Entries of the tables of exp and of log."""
RECIPROCAL_BITS = 8
"""Fraction bits of log's reciprocals: the product with half of a significand is then exact."""
HIGH_BITS = 42
"""Fraction bits of the upper parts of logarithms, which are added to each other exactly."""
LOWEST = 0.6875
"""The significands of log are from here to twice this, so that 1 is inside."""
SIGNIFICAND_BITS = 52


def upper(number, bits):
    """Return a number rounded to so many fraction bits."""
    return float(mpmath.ldexp(mpmath.nint(mpmath.ldexp(number, bits)), -bits))


def polynomial(function, low, high, count):
    """Return the polynomial that meets a function at Chebyshev's points, highest power first."""
    angles = [mpmath.pi * (2 * i + 1) / (2 * count) for i in range(count)]
    points = [(low + high + (high - low) * mpmath.cos(angle)) / 2 for angle in angles]
    powers = mpmath.matrix([[x**power for power in range(count)] for x in points])
    coefficients = mpmath.lu_solve(powers, mpmath.matrix([function(x) for x in points]))
    return [float(c) for c in reversed(list(coefficients))]


def rest_of_exp(r):
    """Return (exp(r) - 1 - r) / r**2."""
    return sum(r**n / mpmath.factorial(n + 2) for n in range(24))


def rest_of_log(r):
    """Return (log(1 + r) - r + r**2 / 2) / r**3."""
    return sum((-r) ** n / (n + 3) for n in range(40))


def exp_tables():
    """Return the numbers of exp."""
    step = mpmath.log(2) / STEPS
    powers = [mpmath.mpf(2) ** (mpmath.mpf(j) / STEPS) for j in range(STEPS)]
    return {
        "EXP_STEPS": float(1 / step),
        "EXP_STEP_HIGH": upper(step, HIGH_BITS),
        "EXP_STEP_LOW": float(step - upper(step, HIGH_BITS)),
        "EXP_REST": polynomial(rest_of_exp, -step / 2, step / 2, 4),
        "EXP_HIGH": [float(power) for power in powers],
        "EXP_LOW": [float(power - float(power)) for power in powers],
    }


def intervals():
    """Return the intervals of log's significands: equal steps of the bits."""
    (first,) = struct.unpack(">q", struct.pack(">d", LOWEST))
    step = (1 << SIGNIFICAND_BITS) // STEPS
    edges = [struct.unpack(">d", struct.pack(">q", first + i * step))[0] for i in range(STEPS + 1)]
    return list(pairwise(edges))


def reciprocal(low, high):
    """Return a short number close to 1 / c for the middle c of an interval: 1 beside 1."""
    return 1.0 if 1 in {low, high} else upper(1 / mpmath.mpf((low + high) / 2), RECIPROCAL_BITS)


def log_tables():
    """Return the numbers of log."""
    reciprocals = [reciprocal(*interval) for interval in intervals()]
    logs = [-mpmath.log(one) for one in reciprocals]
    two = mpmath.log(2)
    far = max(
        abs(one * edge - 1)
        for one, interval in zip(reciprocals, intervals(), strict=True)
        for edge in interval
    )
    return {
        "LOG_TWO_HIGH": upper(two, HIGH_BITS),
        "LOG_TWO_LOW": float(two - upper(two, HIGH_BITS)),
        "LOG_REST": polynomial(rest_of_log, -far, far, 6),
        "LOG_RECIPROCAL": reciprocals,
        "LOG_HIGH": [upper(one, HIGH_BITS) for one in logs],
        "LOG_LOW": [float(one - upper(one, HIGH_BITS)) for one in logs],
    }


def tables():
    """Return all numbers by name."""
    with mpmath.workdps(DIGITS):
        return exp_tables() | log_tables()


def cpp_source():
    """Return noisify/kernels/_kernel_tables.hpp."""
    lines = [
        "// Numbers of the kernels, written by tests/helpers/kernel_tables.py.",
        "",
        "#pragma once",
        "",
        "namespace kernels {",
        "",
    ]
    for name, value in tables().items():
        if isinstance(value, float):
            lines.append(f"constexpr double {name} = {value.hex()};")
            continue
        texts = [one.hex() for one in value]
        rows = ["    " + ", ".join(texts[at : at + 3]) + "," for at in range(0, len(texts), 3)]
        lines += [f"constexpr double {name}[{len(texts)}] = {{", *rows, "};"]
    return "\n".join([*lines, "", "}  // namespace kernels", ""])


if __name__ == "__main__":
    (KERNELS / "_kernel_tables.hpp").write_text(cpp_source(), encoding="utf-8")
