"""Random numbers as a pure function of position.

A stream has a name, and the name gives its entropy. It is divided into blocks of 8,192 elements
(`chunk.BLOCK`); block *b* comes from a fresh generator seeded with the entropy and *b* only. So
elements start...stop get the same variates however the data are cut, in any order, on any number
of threads.

The compiled part, where it is built, draws the same normal and uniform variates to the bit.

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
"""Increase it whenever the same command would give different noise than before."""


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
    """By lane and kind, where a chunk ended inside a block, and that block's generator there."""

    def entropy(self, lane: str) -> int:
        """Return the 128-bit BLAKE2b of this name and `lane`, one use of randomness in a model.

        Each part is preceded by its length, so that different names have different encodings. The
        result is cached.
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
        """The positions of the chunk's elements."""
        ...

    def sample(self, lane: str, sampler: Sampler) -> NDArray[np.float64]:
        """Return one variate per element, drawn by `sampler(generator, count)`.

        `sampler` must draw its variates one after another, so that the first *k* do not depend on
        `count`; all methods of NumPy's `Generator` used here do.
        """
        ...

    def block(self, lane: str, block: int, sampler: Sampler, count: int) -> NDArray[np.float64]:
        """Return the first `count` variates of one block, in the chunk or not.

        Raises:
            UsageError: If the stream is sequential.
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
    """Noisify's own streams: each block has its own generator."""

    name: StreamName
    positions: Positions

    def sample(self, lane: str, sampler: Sampler) -> NDArray[np.float64]:
        """Return one variate per element, drawn by `sampler` in each block."""
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
    """Several of noisify's streams at the same positions, their variates concatenated."""

    names: Sequence[StreamName]
    positions: Positions

    def sample(self, lane: str, sampler: Sampler) -> NDArray[np.float64]:
        """Return one variate per element of each stream, drawn by `sampler` in each block."""
        streams = (BlockVariates(name, self.positions) for name in self.names)
        return np.concatenate([stream.sample(lane, sampler) for stream in streams])

    def block(self, lane: str, *_: object, **__: object) -> NDArray[np.float64]:
        """Refuse: a block belongs to one stream."""
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
    """Return the variates of several streams, concatenated."""
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
    """Draw variates at several runs of positions with the compiled part; False if not in use."""
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
    """Draw the variates of one stream from `start` on with NumPy.

    If a chunk ends inside a block, keep the block's generator, which saves the next chunk drawing
    the block from its start. Whether it is there in time depends on other threads; the variates do
    not.
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


def uniforms(generator: NumpyGenerator, count: int) -> NDArray[np.float64]:
    """Draw variates uniform on [0, 1)."""
    return np.asarray(generator.uniform(size=count))


_SAMPLERS: dict[Kind, Sampler] = {"normal": _normals, "uniform": uniforms}


def _reach(inside: slice | NDArray[np.int64]) -> int:
    """Return how many variates of a block must be drawn to get those at `inside`."""
    return int(inside.stop) if isinstance(inside, slice) else int(inside[-1]) + 1


@frozen(slots=True)
class SequentialVariates:
    """The compatibility streams: the next variates of one NumPy generator.

    Chunks must request them in the order in which a script would draw; lanes are ignored.
    """

    generator: NumpyGenerator
    positions: Positions

    def sample(self, lane: str, sampler: Sampler) -> NDArray[np.float64]:  # noqa: ARG002
        """Return the next variates of `sampler`, one per element."""
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
        return self.sample(lane, uniforms)


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
        raise UsageError(f"--rng numpy-legacy takes a seed from 0 to 2**32 - 1, not {seed}")
    return np.random.RandomState(seed)
