"""Correlated Gaussian sequences as a pure function of position, exact however the data are cut.

A first-order process x[t + 1] = rho x[t] + step z[t + 1] is Markov: given its values at two
places, the values between depend on nothing else. So it is drawn from coarse to fine. The values at
the first element of every block of 8,192, its *skeleton*, form such a process too, with rho**8192.
Between two of them a block runs freely from the first and is then bent to meet the second (a
Gaussian bridge). The skeleton is drawn in the same way from its own skeleton, rung by rung, up to
a rung whose points are independent or fit in one block. A block needs its own variates and a few
skeleton values; nothing is carried from one chunk to the next. The innovation of point t of a rung
is the variate at index t.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from itertools import takewhile
from typing import TYPE_CHECKING

import numpy as np

from noisify.core.chunk import BLOCK
from noisify.core.errors import UsageError
from noisify.core.options import option
from noisify.kernels.decimal_functions import digits
from noisify.streams.streams import StreamName, StreamVariates
from noisify.streams.ziggurat import normal

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from noisify.streams.streams import Variates

SKELETON_POINTS = 1024
"""Points in a block of a skeleton; a thousand cached blocks take 8 MB."""
RUNGS = 5
"""One block of the fifth rung spans 8192 * 1024**4 = 2**53 elements, more than any field has."""
_LONGEST = (BLOCK + 1).bit_length()
"""How many doublings span a block."""
NEGLIGIBLE = 2.0**-60
"""Correlations below this vanish in float64 rounding."""


@dataclass(frozen=True)
class Process:
    """A first-order Gaussian process: x[0] = start z[0], x[t + 1] = rho x[t] + step z[t + 1].

    Attributes:
        rho: The share of a value that carries over to the next, from -1 to 1.
        step: The standard deviation of the innovations.
        start: The standard deviation of the first value.
    """

    rho: float
    step: float
    start: float

    @classmethod
    def stationary(cls, rho: float) -> Process:
        """Return the process of standard deviation 1 and autocorrelation rho**lag, |rho| < 1."""
        with digits():
            exact = Decimal(rho)
            return cls(rho, float((1 - exact * exact).sqrt()), 1.0)

    @classmethod
    def walk(cls) -> Process:
        """Return the random walk that starts at 0 with steps of standard deviation 1."""
        return cls(1.0, 1.0, 0.0)

    def every(self, stride: int) -> Process:
        """Return the process of every `stride`-th value."""
        with digits():
            rho = Decimal(self.rho)
            carried, square = rho**stride, rho * rho
            steps = Decimal(stride) if square == 1 else (1 - carried * carried) / (1 - square)
            step = float(Decimal(self.step) * steps.sqrt())
            return Process(float(carried) if abs(carried) > NEGLIGIBLE else 0.0, step, self.start)


@dataclass(frozen=True)
class Rung:
    """One resolution of a process.

    Attributes:
        process: The process at this rung's points.
        points: Points in one block.
        is_top: Whether there is no coarser rung.
    """

    process: Process
    points: int
    is_top: bool


@dataclass(frozen=True)
class Stream:
    """The variates of one process: one lane of one named stream."""

    name: StreamName
    lane: str

    @classmethod
    def of(cls, variates: Variates, lane: str) -> Stream:
        """Return a lane of the stream of a chunk's variates.

        Raises:
            UsageError: If the stream is sequential.
        """
        if not isinstance(variates, StreamVariates):
            raise UsageError(f"this model needs noisify's own streams; drop {option('rng')}")
        return cls(variates.name, lane)

    def normals(self, rung: int, start: int, stop: int) -> NDArray[np.float64]:
        """Return the standard normal variates of some points of one rung."""
        lane = f"{self.lane} skeleton {rung}" if rung else self.lane
        return normal(self.name.stream(lane).words(range(start, stop)))


def values_of_block(stream: Stream, process: Process, block: int) -> NDArray[np.float64]:
    """Return a process at the elements of one block and at the next block's first.

    Args:
        stream: The variates of this process alone.
        process: The process.
        block: The block number.

    Returns:
        Shape (8193,); the caller may overwrite it.
    """
    return _run(stream, process, 0, block)


def sequence(
    variates: Variates, block_values: Callable[[int], NDArray[np.float64]]
) -> NDArray[np.float64]:
    """Return the values at a chunk's positions, given a function that returns whole blocks."""
    out = np.empty(variates.positions.size)
    for block, inside, here in variates.positions.by_block():
        out[here] = block_values(block)[inside]
    return out


def _run(stream: Stream, process: Process, number: int, block: int) -> NDArray[np.float64]:
    """Return one block of one rung and the point after it, shape (points + 1,)."""
    rung = _ladder(process)[number]
    at_rung, points = rung.process, rung.points
    first = block * points
    values = stream.normals(number, first, first + points + 1)
    if rung.is_top and at_rung.rho == 0:
        return values * at_rung.start
    end = None
    if rung.is_top:
        start = at_rung.start * values[0]
    else:
        start = _point(stream, process, number + 1, block)
        end = _point(stream, process, number + 1, block + 1)
    values *= at_rung.step
    values[0] = start
    _filter(values, at_rung.rho)
    if end is not None:
        pull = _pull(at_rung.rho, points)
        values[len(values) - len(pull) :] += pull * (end - values[-1])
        values[-1] = end
    return values


def _point(stream: Stream, process: Process, number: int, index: int) -> float:
    """Return one point of a skeleton."""
    block, inside = divmod(index, _ladder(process)[number].points)
    return float(_skeleton_block(stream, process, number, block)[inside])


@lru_cache(maxsize=1024)
def _skeleton_block(
    stream: Stream, process: Process, number: int, block: int
) -> NDArray[np.float64]:
    """Return one block of a skeleton, cached because a thousand blocks in a row need it."""
    values = _run(stream, process, number, block)
    values.setflags(write=False)
    return values


@lru_cache(maxsize=256)
def _ladder(process: Process) -> tuple[Rung, ...]:
    """Return the rungs of a process, up to the first whose points are independent."""
    rungs: list[Rung] = []
    points = BLOCK
    while not rungs or not rungs[-1].is_top:
        is_top = process.rho == 0 or len(rungs) == RUNGS - 1
        rungs.append(Rung(process, points, is_top))
        process = process.every(points)
        points = SKELETON_POINTS
    return tuple(rungs)


def _filter(values: NDArray[np.float64], rho: float) -> None:
    """Turn innovations into values in place: x[t] = rho x[t - 1] + values[t].

    Works by doubling: after each pass a value includes the innovations of twice as many elements.
    It uses plain products and sums, so the bits are the same on every machine.
    """
    if rho == 1:
        np.cumsum(values, out=values)
        return
    lag = 1
    for power in _doublings(rho):
        if lag >= len(values):
            break
        values[lag:] += power * values[:-lag]
        lag *= 2


@lru_cache(maxsize=256)
def _doublings(rho: float) -> tuple[float, ...]:
    """Return rho to the powers 1, 2, 4, ... as far as they are not negligible."""
    with digits():
        powers = (Decimal(rho) ** (1 << doubling) for doubling in range(_LONGEST))
        return tuple(float(power) for power in takewhile(lambda p: abs(p) > NEGLIGIBLE, powers))


@lru_cache(maxsize=128)
def _pull(rho: float, points: int) -> NDArray[np.float64]:
    """Return how far each point of a block moves when its end moves by 1.

    That is Cov(x[t], x[n] | x[0]) / Var(x[n] | x[0]) = rho**(n - t) v[t] / v[n] with
    v[t] = 1 + rho**2 + ... + rho**(2 (t - 1)). Leading points that do not move are left out.
    """
    powers = np.cumprod(np.concatenate([[1.0], np.full(points, rho)]))
    spread = np.concatenate([[0.0], np.cumsum(powers[:-1] * powers[:-1])])
    pull: NDArray[np.float64] = powers[::-1] * (spread / spread[-1])
    return pull[int(np.argmax(np.abs(pull) > NEGLIGIBLE)) :]
