"""Random numbers as a pure function of position.

No generator is carried from one chunk to the next. A stream is named; its name gives its entropy;
it is cut into blocks of 8,192 elements (`chunks.BLOCK`); block *b* comes from a fresh generator
that knows the entropy and *b* only. Whoever asks for elements start...stop therefore gets the same
variates, however the data were cut, in whatever order, on however many threads.

Where the compiled part is built, normal and uniform variates are drawn by it, to the same bits.

The generator is SFC64 seeded through NumPy's `SeedSequence` with the block number as spawn key
(https://numpy.org/doc/stable/reference/random/parallel.html).
"""

from __future__ import annotations

import dataclasses
import hashlib
from itertools import chain
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np

from noisify.core.chunk import BLOCK
from noisify.core.errors import UsageError
from noisify.core.value_class import frozen
from noisify.streams import compiled
from noisify.streams.block_seeds import block_generator, block_generators
from noisify.streams.limits import LEGACY_SEED_LIMIT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from noisify.core.chunk import Positions
    from noisify.streams.compiled import Kind

    NumpyGenerator: TypeAlias = np.random.Generator | np.random.RandomState
    Sampler: TypeAlias = Callable[[NumpyGenerator, int], NDArray[np.float64]]

STREAM_VERSION = 1
"""Moves whenever the same command would give other noise than the version before."""


@frozen
class StreamName:
    """What a stream of variates is called; equal names give equal variates.

    Attributes:
        seed: 0 to 2**128 - 1.
        field: The column's name, the HDF5 path without its leading slash, `data` for a lone array.
        model: The noise model's name.
        ordinal: How many earlier specs of the run used this model on this field.
        replicate: Which of several noisy copies this is.
        file: What the input is called, where files get noise of their own; otherwise empty.
    """

    seed: int
    field: str
    model: str
    ordinal: int = 0
    replicate: int = 0
    file: str = ""
    _known: dict[str, int] = dataclasses.field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    begun: dict[tuple[str, Kind], tuple[int, np.random.Generator]] = dataclasses.field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    """By lane and kind, where a chunk ended inside a block, and the block's generator by then."""

    def entropy(self, lane: str) -> int:
        """Return the 128-bit BLAKE2b of this name and `lane`, one use of randomness in a model.

        Every part is preceded by its length, so that no two names encode alike. It is worked out
        once for all chunks.
        """
        if (known := self._known.get(lane)) is None:
            known = self._known[lane] = self._digest(lane)
        return known

    def _digest(self, lane: str) -> int:
        parts = (
            STREAM_VERSION.to_bytes(4, "little"),
            self.seed.to_bytes(16, "little"),
            self.replicate.to_bytes(8, "little"),
            self.field.encode("utf-8", "surrogateescape"),
            self.model.encode(),
            self.ordinal.to_bytes(8, "little"),
            lane.encode(),
            *([self.file.encode("utf-8", "surrogateescape")] if self.file else ()),
        )
        named = b"".join([len(part).to_bytes(8, "little") + part for part in parts])
        return int.from_bytes(hashlib.blake2b(named, digest_size=16).digest(), "little")


class Variates(Protocol):
    """The variates of one stream at the positions of one chunk, always float64."""

    @property
    def positions(self) -> Positions:
        """Where the chunk's elements stand."""
        ...

    def sample(self, lane: str, sampler: Sampler) -> NDArray[np.float64]:
        """Return what `sampler(generator, count)` draws for these positions, one an element.

        `sampler` must draw its elements one after another, so that its first *k* variates do not
        depend on `count`; every method of NumPy's `Generator` used here does.
        """
        ...

    def block(self, lane: str, block: int, sampler: Sampler, count: int) -> NDArray[np.float64]:
        """Return the first `count` variates of one block, wherever the chunk is.

        Raises:
            UsageError: If the stream is a sequential one.
        """
        ...

    def normal(self, lane: str) -> NDArray[np.float64]:
        """Return standard normal variates."""
        ...

    def uniform(self, lane: str) -> NDArray[np.float64]:
        """Return variates uniform on [0, 1)."""
        ...


@frozen(slots=True)
class BlockVariates:
    """Noisify's own streams: every block from a generator of its own."""

    name: StreamName
    positions: Positions

    def sample(self, lane: str, sampler: Sampler) -> NDArray[np.float64]:
        """Return what `sampler` draws in each block touched, at these positions."""
        entropy = self.name.entropy(lane)
        out = np.empty(self.positions.size)
        pieces = list(self.positions.by_block())
        generators = block_generators(entropy, [block for block, _, _ in pieces])
        for generator, (_, inside, here) in zip(generators, pieces, strict=True):
            out[here] = sampler(generator, _reach(inside))[inside]
        return out

    def block(self, lane: str, block: int, sampler: Sampler, count: int) -> NDArray[np.float64]:
        """Return the first `count` variates of one block."""
        return sampler(block_generator(self.name.entropy(lane), block), count)

    def normal(self, lane: str) -> NDArray[np.float64]:
        """Return standard normal variates."""
        return _filled("normal", lane, [self.name], self.positions)

    def uniform(self, lane: str) -> NDArray[np.float64]:
        """Return variates uniform on [0, 1)."""
        return _filled("uniform", lane, [self.name], self.positions)


@frozen(slots=True)
class JoinedVariates:
    """Several of noisify's streams at the same positions, the variates of one after another's."""

    names: Sequence[StreamName]
    positions: Positions

    def sample(self, lane: str, sampler: Sampler) -> NDArray[np.float64]:
        """Return what `sampler` draws in each block touched of each stream."""
        streams = (BlockVariates(name, self.positions) for name in self.names)
        return np.concatenate([stream.sample(lane, sampler) for stream in streams])

    def block(self, lane: str, *_: object, **__: object) -> NDArray[np.float64]:
        """Refuse: there is no one stream of which it could be a block."""
        raise AssertionError(lane)

    def normal(self, lane: str) -> NDArray[np.float64]:
        """Return standard normal variates."""
        return _filled("normal", lane, self.names, self.positions)

    def uniform(self, lane: str) -> NDArray[np.float64]:
        """Return variates uniform on [0, 1)."""
        return _filled("uniform", lane, self.names, self.positions)


def _filled(
    kind: Kind, lane: str, names: Sequence[StreamName], positions: Positions
) -> NDArray[np.float64]:
    """Return the variates of some streams, one's after another's."""
    out = np.empty((len(names), positions.size))
    entropies = [name.entropy(lane) for name in names]
    if len(positions.starts) == 1:
        start = int(positions.starts[0])
        if not compiled.fill(kind, entropies, start, out):
            for name, row in zip(names, out, strict=True):
                _draw_run(kind, lane, name, start, row)
        return out.reshape(-1)
    for row, name, entropy in zip(out, names, entropies, strict=True):
        if not _fill_runs(kind, entropy, positions, row):
            row[:] = BlockVariates(name, positions).sample(lane, _SAMPLERS[kind])
    return out.reshape(-1)


def _fill_runs(kind: Kind, entropy: int, positions: Positions, out: NDArray[np.float64]) -> bool:
    """Fill in variates at several runs of positions by the compiled part, if it is in use."""
    block_of = np.empty((1, BLOCK))
    for block, inside, here in positions.by_block():
        drawn = block_of[:, : _reach(inside)]
        if not compiled.fill(kind, [entropy], block * BLOCK, drawn):
            return False
        out[here] = drawn[0, inside]
    return True


def _draw_run(
    kind: Kind, lane: str, name: StreamName, start: int, out: NDArray[np.float64]
) -> None:
    """Fill in the variates of one stream from `start` on, as NumPy draws them.

    A block that goes on in the next chunk leaves its generator for it, or the chunk would have to
    draw the block from its start. Whether it is there in time depends on other threads; the
    variates do not.
    """
    stop = start + len(out)
    first, begun = name.begun.pop((lane, kind), (-1, None))
    if first != start or begun is None:
        first, begun = start // BLOCK * BLOCK, None
    blocks = range(first // BLOCK, -(-stop // BLOCK))
    goes_on = () if begun is None else (begun,)
    fresh = block_generators(name.entropy(lane), blocks[len(goes_on) :])
    for block, generator in zip(blocks, chain(goes_on, fresh), strict=True):
        last = min((block + 1) * BLOCK, stop)
        drawn = _SAMPLERS[kind](generator, last - first)
        out[max(0, first - start) : last - start] = drawn[max(0, start - first) :]
        first = last
        if last % BLOCK:
            name.begun[lane, kind] = last, generator


def _normals(generator: NumpyGenerator, count: int) -> NDArray[np.float64]:
    return np.asarray(generator.standard_normal(count))


def _uniforms(generator: NumpyGenerator, count: int) -> NDArray[np.float64]:
    return np.asarray(generator.uniform(size=count))


_SAMPLERS: dict[Kind, Sampler] = {"normal": _normals, "uniform": _uniforms}


def _reach(inside: slice | NDArray[np.int64]) -> int:
    """Return how many variates of a block have to be drawn to have those at `inside`."""
    return int(inside.stop) if isinstance(inside, slice) else int(inside[-1]) + 1


@frozen(slots=True)
class SequentialVariates:
    """The compatibility streams: whatever one NumPy generator gives next.

    Chunks must ask in the order in which a script would have drawn; the lane is of no account.
    """

    generator: NumpyGenerator
    positions: Positions

    def sample(self, lane: str, sampler: Sampler) -> NDArray[np.float64]:  # noqa: ARG002
        """Return what `sampler` draws next."""
        return np.asarray(sampler(self.generator, self.positions.size))

    def block(self, *_: object, **__: object) -> NDArray[np.float64]:
        """Refuse: a sequential stream has no blocks.

        Raises:
            UsageError: Always.
        """
        raise UsageError("this model needs noisify's own streams; drop --rng")

    def normal(self, lane: str) -> NDArray[np.float64]:
        """Return the next standard normal variates."""
        return self.sample(lane, _normals)

    def uniform(self, lane: str) -> NDArray[np.float64]:
        """Return the next variates uniform on [0, 1)."""
        return self.sample(lane, _uniforms)


def numpy_generator(rng: str, seed: int) -> NumpyGenerator:
    """Return the generator of a compatibility stream.

    Args:
        rng: `numpy` for `default_rng(seed)`, `numpy-legacy` for `RandomState(seed)`.
        seed: The seed; `RandomState` takes 0 to 2**32 - 1.

    Raises:
        UsageError: If the seed is out of that generator's range.
    """
    if rng == "numpy":
        return np.random.default_rng(seed)
    if seed >= LEGACY_SEED_LIMIT:
        raise UsageError(f"--rng numpy-legacy takes a seed from 0 to 2**32 - 1, not {seed}")
    return np.random.RandomState(seed)
