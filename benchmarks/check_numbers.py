"""Compare the compiled part's numbers with Python's: repr one way, float the other way.

    python benchmarks/check_numbers.py --count 100000000

Every float is written and compared with repr; its text, and a text of it with another number of
digits, are read and compared, bit for bit, with float. Exits with 1 at the first difference.
"""

from __future__ import annotations

import argparse
import sys
import time
from itertools import cycle, pairwise
from typing import TYPE_CHECKING

import numpy as np

from noisify.formats.csv import native
from noisify.formats.csv.types import Cells

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

AT_ONCE = 500_000


def any_bits(rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw any floats that are no NaN."""
    values = np.frombuffer(rng.bytes(8 * AT_ONCE), np.float64)
    return values[~np.isnan(values)]


def subnormals(rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw floats below the smallest normal one."""
    return rng.integers(0, 1 << 52, AT_ONCE).view(np.float64)


def ordinary(rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw what data with noise looks like."""
    return rng.normal(0, 10.0 ** rng.integers(-6, 9), AT_ONCE)


def short(rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw what data without noise looks like."""
    return np.round(rng.normal(0, 1e4, AT_ONCE), int(rng.integers(0, 8)))


def exact(rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw floats with short exact decimals, among them those halfway between shorter ones."""
    whole = rng.integers(0, 1 << int(rng.integers(1, 54)), AT_ONCE).astype(np.float64)
    return np.ldexp(whole, rng.integers(-80, 80, AT_ONCE))


KINDS: tuple[Callable[[np.random.Generator], NDArray[np.float64]], ...] = (
    any_bits,
    any_bits,
    any_bits,
    subnormals,
    ordinary,
    short,
    exact,
)


def main() -> None:
    """Check as many floats as asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--count", type=int, default=10_000_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    rng = np.random.default_rng(given.seed)
    start = time.monotonic()
    done = 0
    for kind in cycle(KINDS):
        values = kind(rng)
        check_written(values)
        digits = rng.integers(0, 25, len(values))
        check_read([f"{v:.{d}e}" for v, d in zip(values.tolist(), digits.tolist(), strict=True)])
        done += len(values)
        if done >= given.count:
            break
    print(
        f"{done:,} floats written as repr and twice read as float, {time.monotonic() - start:.0f} s"
    )


def check_written(values: NDArray[np.float64]) -> None:
    """Compare what is written with repr, and what is read of it with the values."""
    found = native.format_floats(values)
    if found is None:
        sys.exit("the compiled part is not built")
    offsets, texts = found
    expected = [repr(value) for value in values.tolist()]
    if bytes(texts) != "".join(expected).encode():
        written = [texts[a:b].decode() for a, b in pairwise(offsets.tolist())]
        sys.exit(f"written otherwise: {first_difference(written, expected)}")
    lengths = np.fromiter(map(len, expected), np.int64, len(expected))
    if (np.diff(offsets) != lengths).any():
        sys.exit("the offsets are wrong")
    check_read(expected, values)


def check_read(texts: list[str], expected: NDArray[np.float64] | None = None) -> None:
    """Compare what is read with float."""
    if expected is None:
        expected = np.fromiter(map(float, texts), np.float64, len(texts))
    ends = np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts)))
    starts = np.concatenate((np.zeros(1, np.int64), ends[:-1]))
    read = native.parse_floats(Cells("".join(texts).encode(), starts, ends), ())
    if read is None:
        sys.exit("the compiled part is not built")
    if (read.values.view(np.uint64) != expected.view(np.uint64)).any():
        sys.exit(f"read otherwise: {first_difference(read.values.tolist(), expected.tolist())}")


def first_difference(found: list[str] | list[float], expected: list[str] | list[float]) -> str:
    """Return the first two that differ."""
    pairs = zip(found, expected, strict=True)
    return next((f"{a!r}, not {b!r}" for a, b in pairs if repr(a) != repr(b)), "nothing")


if __name__ == "__main__":
    main()
