"""Random numbers as a pure function of position.

A stream has a name, and the name gives its start and its increment; its word at an index is a hash
of these (see words.py). Element i takes the variate at index i, so elements get the same variates
however the data are cut, in any order, on any number of threads.

The compiled part, where it is built, makes the same words, uniform and normal variates to the bit.
"""

from __future__ import annotations

import dataclasses
import hashlib
from abc import ABC, abstractmethod
from functools import lru_cache, partial
from typing import TYPE_CHECKING, ClassVar, TypeAlias

import numpy as np

from noisify.core.errors import UsageError
from noisify.core.options import option
from noisify.core.overriding import override
from noisify.core.value_class import frozen
from noisify.streams import distributions
from noisify.streams.limits import LEGACY_SEED_LIMIT
from noisify.streams.words import Stream, Words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from noisify.core.chunk import Positions
    from noisify.streams.words import Index

    Floats = NDArray[np.float64]
    Uint64s = NDArray[np.uint64]
    NumpyGenerator: TypeAlias = np.random.Generator | np.random.RandomState

STREAM_VERSION = 2
"""Increase it whenever the same command would give different noise than before."""
_STRIP = 1 << 14
"""Elements whose variates are computed together; the intermediate results fit the cache."""
_STRIPS = {
    **dict.fromkeys(("uniform", "normal"), 0),
    **dict.fromkeys(("cauchy", "lognormal", "gamma", "student_t"), 1 << 16),
}
"""The same for distributions made in one step (0: all elements), or of normal variates, some of
which are drawn again in many short steps."""
_SERIES_BYTES = 8


@frozen
class StreamName:
    """The name of a stream of variates; equal names give equal variates.

    Attributes:
        seed: 0 to 2**128 - 1.
        field: The column's name, the HDF5 path without its leading slash, or `data` for a single
            array.
        model: The noise model's name.
        ordinal: How many earlier specs of the run used this model on this field.
        replicate: The number of the noisy copy.
        file: The input's name if each file gets noise of its own, otherwise empty.
        series: The number of the series along an axis of an array, for models that follow one.
    """

    seed: int
    field: str
    model: str
    ordinal: int = 0
    replicate: int = 0
    file: str = ""
    series: int = 0
    _known: dict[str, Stream] = dataclasses.field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def stream(self, lane: str) -> Stream:
        """Return the stream of one lane, that is one use of randomness in a model; cached."""
        if (known := self._known.get(lane)) is None:
            known = self._known[lane] = Stream.of_digest(self.digest(lane))
        return known

    def streams_of_series(self, lane: str, numbers: Sequence[int]) -> list[Stream]:
        """Return a lane's stream in each of some series of the field."""
        first = Stream.of_digest(_digest(self._encoded(lane, 0)))
        before = self._encoded(lane, 1)[:-_SERIES_BYTES]
        return [
            Stream.of_digest(_digest(before + number.to_bytes(_SERIES_BYTES, "little")))
            if number
            else first
            for number in numbers
        ]

    def digest(self, lane: str) -> bytes:
        """Return the 128-bit BLAKE2b of this name and a lane."""
        return _digest(self._encoded(lane, self.series))

    def _encoded(self, lane: str, number: int) -> bytes:
        """Return this name and a lane of a series, each part preceded by its length.

        So different names have different encodings.
        """
        field = self.field.encode("utf-8", "surrogateescape")
        before, after = _around_field(
            self.seed, self.replicate, self.model, self.ordinal, lane, self.file, number
        )
        return before + len(field).to_bytes(8, "little") + field + after


@lru_cache(maxsize=64)
def _around_field(
    seed: int, replicate: int, model: str, ordinal: int, lane: str, file: str, number: int
) -> tuple[bytes, bytes]:
    """Return what is before and after the field in the name of a stream; many fields share it."""
    before = (
        STREAM_VERSION.to_bytes(4, "little"),
        seed.to_bytes(16, "little"),
        replicate.to_bytes(8, "little"),
    )
    after = (
        model.encode(),
        ordinal.to_bytes(8, "little"),
        lane.encode(),
        *([file.encode("utf-8", "surrogateescape")] if file or number else ()),
        *([number.to_bytes(_SERIES_BYTES, "little")] if number else ()),
    )
    return _with_lengths(before), _with_lengths(after)


def _with_lengths(parts: Iterable[bytes]) -> bytes:
    return b"".join([len(part).to_bytes(8, "little") + part for part in parts])


def _digest(name: bytes) -> bytes:
    return hashlib.blake2b(name, digest_size=16).digest()


def index_of_key(key: str) -> int:
    """Return the index of a key: the 64-bit BLAKE2b of its UTF-8."""
    digest = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little")


class Variates(ABC):
    """The variates of one stream for the elements of one chunk.

    A lane names one use of randomness in a model. Every method returns float64 of shape (n,), one
    variate for each element; scales are 1 and locations 0.

    Attributes:
        positions: The positions of the chunk's elements.
    """

    __slots__ = ()
    positions: Positions

    @abstractmethod
    def stream(self, lane: str) -> Stream:
        """Return the stream of a lane, for variates that are not the elements' own.

        Raises:
            UsageError: If the stream is sequential.
        """

    @abstractmethod
    def integers(self, lane: str, count: int) -> Uint64s:
        """Return whole numbers from 0 to count - 1, of 1 to 2**64, as uint64.

        Raises:
            UsageError: If the stream is sequential.
        """

    @abstractmethod
    def drawn(self, distribution: str, lane: str, *parameters: float) -> Floats:
        """Return variates of one of the distributions of `streams.distributions`."""

    def uniform(self, lane: str) -> Floats:
        """Return variates uniform on [0, 1)."""
        return self.drawn("uniform", lane)

    def normal(self, lane: str) -> Floats:
        """Return standard normal variates."""
        return self.drawn("normal", lane)


class IndexedVariates(Variates):
    """Variates of noisify's own streams: element i takes those at index i."""

    __slots__ = ()
    has_several: ClassVar[bool] = False
    """Whether each lane has several streams."""

    @abstractmethod
    def _words(self, lane: str, index: Index) -> Words:
        """Return the words of a lane."""

    def _index(self) -> Index:
        """Return the indices of the elements."""
        return _indices(self.positions)

    def integers(self, lane: str, count: int) -> Uint64s:
        """Return whole numbers from 0 to count - 1."""
        return distributions.integers(self._words(lane, self._index()), count)

    def drawn(self, distribution: str, lane: str, *parameters: float) -> Floats:
        """Return variates, made for a strip of the elements at a time."""
        make: Callable[..., Floats] = getattr(distributions, distribution)
        strip = 0 if self.has_several else _STRIPS.get(distribution, _STRIP)
        return in_strips(
            lambda index: make(partial(self._words, index=index), lane, *parameters),
            self._index(),
            strip,
        )


def in_strips(make: Callable[[Index], Floats], index: Index, strip: int) -> Floats:
    """Return the variates at some indices, made for `strip` of them at a time; for all if 0."""
    if not strip or len(index) <= strip:
        return make(index)
    out = np.empty(len(index))
    for start in range(0, len(index), strip):
        here = slice(start, start + strip)
        out[here] = make(index[here])
    return out


@frozen(slots=True)
class StreamVariates(IndexedVariates):
    """The variates of one named stream.

    Attributes:
        name: The stream's name.
        positions: The positions of the elements.
        keys: The elements' indices, shape (n,), if they are not their positions.
    """

    name: StreamName
    positions: Positions
    keys: Uint64s | None = None

    def stream(self, lane: str) -> Stream:
        """Return the stream of a lane."""
        return self.name.stream(lane)

    def _words(self, lane: str, index: Index) -> Words:
        return self.name.stream(lane).words(index)

    def _index(self) -> Index:
        return _indices(self.positions) if self.keys is None else self.keys


@frozen(slots=True)
class JoinedVariates(IndexedVariates):
    """The variates of several streams at the same few positions, stream after stream.

    Attributes:
        streams: Returns the streams of a lane.
        positions: The positions in each of them.
    """

    has_several: ClassVar[bool] = True
    streams: Callable[[str], Sequence[Stream]]
    positions: Positions

    def stream(self, lane: str) -> Stream:
        """Refuse: a lane has several streams."""
        raise AssertionError(lane)

    def _words(self, lane: str, index: Index) -> Words:
        return Words.of(self.streams(lane), index)


def _indices(positions: Positions) -> Index:
    """Return positions as indices of a stream."""
    if len(positions.starts) == 1:
        start = int(positions.starts[0])
        return range(start, start + positions.length)
    starts = np.asarray(positions.starts, np.uint64)[:, None]
    inside = np.arange(positions.length, dtype=np.uint64)
    return np.asarray(starts + inside, np.uint64).reshape(-1)


_OF_NUMPY: dict[str, Callable[..., object]] = {
    "uniform": lambda generator, count: generator.uniform(size=count),
    "normal": lambda generator, count: generator.standard_normal(count),
    "exponential": lambda generator, count: generator.standard_exponential(count),
    "laplace": lambda generator, count: generator.laplace(size=count),
    "logistic": lambda generator, count: generator.logistic(size=count),
    "gumbel": lambda generator, count: generator.gumbel(size=count),
    "triangular": lambda generator, count: generator.triangular(-1.0, 0.0, 1.0, count),
    "cauchy": lambda generator, count: generator.standard_cauchy(count),
    "lognormal": lambda generator, count, sigma: generator.lognormal(0.0, sigma, count),
    "gamma": lambda generator, count, shape: generator.standard_gamma(shape, count),
    "student_t": lambda generator, count, df: generator.standard_t(df, count),
}
"""How a NumPy generator draws so many variates of a distribution."""


@frozen(slots=True)
class SequentialVariates(Variates):
    """The compatibility streams: the next variates of one NumPy generator.

    Chunks must request them in the order in which a script would draw; lanes are ignored.
    """

    generator: NumpyGenerator
    positions: Positions

    @override
    def drawn(self, distribution: str, lane: str, *parameters: float) -> Floats:
        """Return the next variates."""
        draw = _OF_NUMPY[distribution]
        return np.asarray(draw(self.generator, self.positions.size, *parameters), np.float64)

    @override
    def stream(self, lane: str) -> Stream:
        """Refuse: there are no streams with names.

        Raises:
            UsageError: Always.
        """
        raise UsageError(f"this model needs noisify's own streams; drop {option('rng')}")

    @override
    def integers(self, lane: str, count: int) -> Uint64s:
        """Refuse, as `stream` does.

        Raises:
            UsageError: Always.
        """
        raise UsageError(f"this model needs noisify's own streams; drop {option('rng')}")


def numpy_generator(rng: str, seed: int) -> NumpyGenerator:
    """Return the generator of a compatibility stream.

    Args:
        rng: `numpy` for `default_rng(seed)`, `numpy-legacy` for `RandomState(seed)`.
        seed: The seed; `RandomState` takes 0 to 2**32 - 1.

    Raises:
        UsageError: If the seed is out of the generator's range.
    """
    if rng == "numpy":
        return np.random.default_rng(seed)
    if seed >= LEGACY_SEED_LIMIT:
        raise UsageError(
            f"{option('rng')} numpy-legacy takes a seed from 0 to 2**32 - 1, not {seed}"
        )
    return np.random.RandomState(seed)
