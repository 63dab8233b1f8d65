"""Identify the run that wrote a mask, by a checksum of the values that it changed.

The checksum is a sum over the changed elements of a hash of field, position and value, modulo 2^64,
so that the pieces may come in any order. The values are those read back from the output. A mask
holds the checksum in a text of fixed length, in metadata that other software ignores: see `create`
and `reader` of each format. CSV, TSV and NPY files have no place for it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import numpy as np

from noisify.core.errors import DataError
from noisify.core.value_class import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pyarrow as pa
    from numpy.typing import NDArray

    from noisify.core.chunk import Column, Positions
    from noisify.formats import FormatEntry

KEY = "noisify.run"
"""The name of the entry, attribute or comment that holds a run's text."""
_VERSION = "noisify-run-1"
_NAME_LENGTH = 8
LENGTH = len(_VERSION) + 3 + _NAME_LENGTH + 3 * 16
"""The length of every run's text."""
BLANK = _VERSION.ljust(LENGTH)
"""The text in a mask that is not complete."""

_TEXT = re.compile(rf"{_VERSION} (?=.{{{_NAME_LENGTH}}}: )(\w+) *: " + "([0-9a-f]{16})" * 3)

_STEP = np.uint64(0x9E3779B97F4A7C15)
_WORD_STEP = 0xD1342543DE82EF95
_MISSING = np.uint64(0x6E756C6C)
"""The word of a missing value."""
_WORD = 8
_LONGEST_IN_WORDS = 256
"""Longer texts are hashed one by one."""
_TAILS = np.array([(1 << 8 * used) - 1 for used in range(_WORD)] + [2**64 - 1], np.uint64)
"""Bit masks of a word's first bytes, by the number of bytes."""


@frozen
class MaskRun:
    """The run that wrote a mask, identified by what it changed.

    Attributes:
        format: The folder of the noisy file's format, which says how values are read back.
        fields: A hash of the names of the fields with noise.
        changed: The number of changed elements.
        checksum: The checksum of the changed elements.
    """

    format: str
    fields: int
    changed: int
    checksum: int

    @property
    def text(self) -> str:
        """The run as a text of `LENGTH` characters."""
        numbers = "".join(f"{number:016x}" for number in (self.fields, self.changed, self.checksum))
        return f"{_VERSION} {self.format:{_NAME_LENGTH}}: {numbers}"

    @classmethod
    def parse(cls, text: str) -> MaskRun | None:
        """Parse the text of a run; return None if it is not one."""
        if not (found := _TEXT.fullmatch(text)):
            return None
        return cls(found[1], *(int(number, 16) for number in found.groups()[1:]))


@dataclass
class ChangedSum:
    """The number of changed elements, and their checksum, summed up piece by piece."""

    changed: int = 0
    checksum: int = 0

    def __iadd__(self, other: ChangedSum) -> ChangedSum:  # noqa: PYI034 - Self needs no subclass
        """Add the elements of another piece."""
        self.changed += other.changed
        self.checksum = (self.checksum + other.checksum) % (1 << 64)
        return self

    def add(self, column: Column, which: NDArray[np.bool_]) -> None:
        """Add some elements of a column, with the values as they are read."""
        at = np.flatnonzero(which)
        if not len(at):
            return
        values = column.values[at]
        if values.dtype == object:
            if column.valid is not None:
                values[~column.valid[at]] = ""
            texts = [str(value).encode("utf-8", "surrogatepass") for value in values.tolist()]
            ends = np.cumsum([0, *map(len, texts)])
            words = _words_of_bytes(np.frombuffer(b"".join(texts), np.uint8), ends)
        else:
            words = _words(values)
        missing = None if column.valid is None else ~column.valid[at]
        if values.dtype.kind in "fc":
            missing = np.isnan(values) if missing is None else missing | np.isnan(values)
        self._add(column.field.name, column.positions.at(at), words, missing)

    def add_cells(self, name: str, positions: Positions, cells: pa.Array) -> None:
        """Add cells of a field of a text table, given as bytes."""
        _, offsets, data = cells.buffers()
        ends = np.frombuffer(offsets, np.int32, len(cells) + cells.offset + 1)[cells.offset :]
        self._add(name, positions, _words_of_bytes(np.frombuffer(data or b"", np.uint8), ends))

    def _add(
        self,
        name: str,
        positions: Positions,
        words: Iterable[tuple[NDArray[np.int64] | slice, NDArray[np.uint64]]],
        missing: NDArray[np.bool_] | None = None,
    ) -> None:
        keys = np.asarray(positions.starts, np.int64).view(np.uint64) * _STEP + np.uint64(
            _hash(name)
        )
        self.changed += len(keys)
        keys = _mixed(keys)
        total = 0
        for number, (which, some) in enumerate(words):
            hashed = some if missing is None else np.where(missing[which], _MISSING, some)
            step = np.uint64((number + 1) * _WORD_STEP % (1 << 64))
            total += int(np.sum(_mixed((keys[which] + step) ^ hashed), dtype=np.uint64))
        self.checksum = (self.checksum + total) % (1 << 64)


def run_of(entry: FormatEntry, names: Iterable[str], total: ChangedSum) -> MaskRun:
    """Describe the run that wrote a noisy file.

    Args:
        entry: The noisy file's format.
        names: The fields with noise.
        total: The sum over its changed elements.
    """
    family = entry.module.partition(".")[0]
    return MaskRun(family, _hash("\0".join(sorted(names))), total.changed, total.checksum)


def check_run(told: MaskRun | None, found: MaskRun, mask: str) -> None:
    """Refuse a mask of another run.

    A mask whose fields or flags were edited, or a noisy file converted to another format since,
    cannot be checked.

    Args:
        told: The run that the mask names, or None if it names none.
        found: The run that the noisy file was written by, if the mask is of that run.
        mask: The mask's name in messages.

    Raises:
        DataError: If they differ.
    """
    if told is None or told.checksum == found.checksum:
        return
    if (told.format, told.fields, told.changed) == (found.format, found.fields, found.changed):
        raise DataError(
            f"has other values than the run of the mask {mask} wrote; give --restore the mask that "
            "was written with it"
        )


def _hash(text: str) -> int:
    data = text.encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(data, digest_size=_WORD).digest(), "little")


def _mixed(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Mix the bits of words, by variant 13 of Stafford's finalizers."""
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))


def _words(values: NDArray[Any]) -> Iterable[tuple[slice, NDArray[np.uint64]]]:
    """Yield the 64-bit words of numbers: two for complex numbers, one for others."""
    every = slice(None)
    if values.dtype.kind == "c":
        yield every, values.real.astype(np.float64).view(np.uint64)
        yield every, values.imag.astype(np.float64).view(np.uint64)
    elif values.dtype.kind == "f":
        yield every, values.astype(np.float64).view(np.uint64)
    else:
        yield every, values.astype(np.int64).view(np.uint64)


def _words_of_bytes(
    data: NDArray[np.uint8], ends: NDArray[Any]
) -> Iterable[tuple[NDArray[np.int64] | slice, NDArray[np.uint64]]]:
    """Yield 64-bit words of texts: all lengths, then eight bytes at a time of texts so long.

    Args:
        data: The bytes of the texts.
        ends: The start of each text, and the end of the last.
    """
    starts, lengths = ends[:-1].astype(np.int64), np.diff(ends).astype(np.int64)
    yield slice(None), lengths.astype(np.uint64)
    padded = np.append(data, np.zeros(_WORD, np.uint8))
    shape = (len(padded) - _WORD + 1, _WORD)
    windows = np.lib.stride_tricks.as_strided(padded, shape, (1, 1))
    long = np.flatnonzero(lengths > _LONGEST_IN_WORDS)
    if len(long):
        whole = [
            blake2b(data[starts[at] : ends[at + 1]].tobytes(), digest_size=_WORD).digest()
            for at in long.tolist()
        ]
        yield long, np.frombuffer(b"".join(whole), "<u8").astype(np.uint64)
    which = np.flatnonzero(lengths <= _LONGEST_IN_WORDS)
    for start in range(0, _LONGEST_IN_WORDS, _WORD):
        which = which[lengths[which] > start]
        if not len(which):
            return
        words = windows[starts[which] + start].reshape(-1).view("<u8").astype(np.uint64)
        yield which, words & _TAILS[np.minimum(lengths[which] - start, _WORD)]
