"""Write the ziggurat's tables, as exact hexadecimal floats, for C++.

Marsaglia and Tsang (2000), "The ziggurat method for generating random variables", with 256 layers
of equal area under f(x) = exp(-x**2 / 2). Layer 0 is a rectangle from 0 to r and the tail beyond.
Worked out to 60 digits by mpmath and rounded once.
"""

from __future__ import annotations

from pathlib import Path

import mpmath

LAYERS = 256
DIGITS = 60
CPP = Path(__file__).parents[2] / "noisify" / "streams" / "_ziggurat_tables.hpp"
_SOURCE = "tests/helpers/make_ziggurat.py"


def density(x: mpmath.mpf) -> mpmath.mpf:
    """Return the normal density up to its constant."""
    return mpmath.exp(-x * x / 2)


def area(r: mpmath.mpf) -> mpmath.mpf:
    """Return the area of a layer if the tail begins at r."""
    return r * density(r) + mpmath.sqrt(mpmath.pi / 2) * mpmath.erfc(r / mpmath.sqrt(2))


def edges(r: mpmath.mpf) -> list[mpmath.mpf]:
    """Return the right edges of all layers but the top one's upper, which is 0 for the right r."""
    found = [area(r) / density(r), r]
    while len(found) < LAYERS:
        found.append(mpmath.sqrt(-2 * mpmath.log(area(r) / found[-1] + density(found[-1]))))
    return found


def excess(r: mpmath.mpf) -> mpmath.mpf:
    """Return how far the layers reach above f(0) = 1; if they do early, by how many are left."""
    x, height = r, density(r)
    for layer in range(1, LAYERS):
        height += area(r) / x
        if height >= 1:
            return height - 1 + (LAYERS - 1 - layer)
        x = mpmath.sqrt(-2 * mpmath.log(height))
    return height - 1


def tables() -> tuple[list[float], list[float]]:
    """Return the right edge of each layer and 0, and the density there."""
    with mpmath.workdps(DIGITS):
        start = mpmath.mpf("3.65415288"), mpmath.mpf("3.65415289")
        edge = mpmath.findroot(excess, start, solver="secant")
        right = [*edges(edge), mpmath.mpf(0)]
        return [float(x) for x in right], [float(density(x)) for x in right]


def lines(numbers: list[float]) -> str:
    """Return numbers as hexadecimal floats, three to a line."""
    texts = [f"{number.hex()}," for number in numbers]
    return "\n".join("    " + " ".join(texts[at : at + 3]) for at in range(0, len(texts), 3))


def cpp(edge: list[float], height: list[float]) -> str:
    """Return the C++ header."""
    return f"""// The tables of the normal distribution's ziggurat, from {_SOURCE}.

#pragma once

namespace ziggurat {{

// The right edge of each of the 256 layers, and 0. The tail begins at edges[1].
constexpr double edges[] = {{
{lines(edge)}
}};

// The density exp(-x**2 / 2) at each edge.
constexpr double heights[] = {{
{lines(height)}
}};

}}  // namespace ziggurat
"""


if __name__ == "__main__":
    CPP.write_text(cpp(*tables()), encoding="utf-8")
