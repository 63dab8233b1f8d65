"""Give records the indices of their keys, and count keys that are missing or not unique."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from noisify.core.errors import DataError
from noisify.core.lazy_libraries import pa, pc
from noisify.core.options import option
from noisify.formats.interface import no_rows
from noisify.streams import keys

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from noisify.core.chunk import Chunk
    from noisify.formats.interface import Source

    Uint64s = NDArray[np.uint64]

MOST_KEPT = 1 << 18
"""Different keys that are remembered, 4 MB; of more, a sample chosen by their hash."""
_NANOSECONDS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
_SHORT_INTEGER = "^-?[0-9]{1,18}$"


class RecordKeys:
    """The key of a run: the fields whose values give each row its index.

    Args:
        source: The data.
        names: The fields.
        strict: Whether a missing key is an error.
    """

    def __init__(self, source: Source[Any], names: Sequence[str], *, strict: bool) -> None:
        self._source = source
        self.names = names
        self._strict = strict
        self._lock = threading.Lock()
        self.tally = KeyTally(names)

    def indices(self, raw: object, chunk: Chunk) -> Uint64s:
        """Return the index of each row of a piece; a row without a key keeps its number.

        Raises:
            DataError: If a key is missing, with `strict`.
            UsageError: If a key is missing, and the data have no numbers of rows.
        """
        values = self._source.key_values(raw, chunk, self.names)
        found = [_indices(values[name]) for name in self.names]
        index = keys.combined([part for part, _ in found])
        missing = np.logical_or.reduce([nulls for _, nulls in found])
        where = np.flatnonzero(missing)
        if len(where):
            if chunk.rows is None:
                raise no_rows()
            first = int(chunk.rows.starts[0])
            if self._strict:
                raise DataError(
                    f"row {first + int(where[0])} has no key; leave out {option('strict')}, and it "
                    "keeps the noise of its row number",
                    field=self.names[0],
                )
            index[where] = (first + where).astype(np.uint64)
        with self._lock:
            self.tally.missing += len(where)
            self.tally.repeats.add(index[~missing] if len(where) else index)
        return index


class Repeats:
    """Counts how often values come again, in constant memory.

    It counts exactly up to a quarter of a million different values. Of more it counts those whose
    hash is in a half, a quarter, ... of its range, and scales up; the order does not matter.
    """

    def __init__(self, most: int = MOST_KEPT) -> None:
        self._most = most
        self._halvings = 0
        self._kept = np.empty(0, np.uint64)
        self._counts = np.empty(0, np.int64)
        self._waiting: list[Uint64s] = []

    def add(self, hashes: Uint64s) -> None:
        """Add values, as their 64-bit hashes."""
        self._waiting.append(self._sampled(hashes)[0])
        if sum(map(len, self._waiting)) > self._most // 4:
            self._merge_waiting()

    def merge(self, other: Repeats) -> None:
        """Add the values that another one counted."""
        other._merge_waiting()
        self._merge_waiting()
        self._halvings = max(self._halvings, other._halvings)
        inside = self._sampled(other._kept, other._counts)
        mine = self._sampled(self._kept, self._counts)
        self._count(np.append(mine[0], inside[0]), np.append(mine[1], inside[1]))

    def count(self) -> tuple[int, bool]:
        """Return how many values came before, and whether that is exact."""
        self._merge_waiting()
        return int((self._counts - 1).sum()) << self._halvings, not self._halvings

    def _sampled(self, *columns: NDArray[Any]) -> tuple[NDArray[Any], ...]:
        """Keep the rows of columns whose hash, in the first column, is in the sample."""
        if not self._halvings:
            return columns
        inside = (columns[0] >> np.uint64(64 - self._halvings)) == 0
        return tuple(column[inside] for column in columns)

    def _merge_waiting(self) -> None:
        """Count the values that were added but not counted yet."""
        new, times = np.unique(np.concatenate([self._kept[:0], *self._waiting]), return_counts=True)
        self._waiting = []
        self._count(np.append(self._kept, new), np.append(self._counts, times))

    def _count(self, hashes: Uint64s, times: NDArray[np.int64]) -> None:
        """Keep some hashes, which may repeat; sample fewer if there are too many."""
        kept, inverse = np.unique(hashes, return_inverse=True)
        counts = np.zeros(len(kept), np.int64)
        np.add.at(counts, inverse, times)
        while len(kept) > self._most:
            self._halvings += 1
            kept, counts = self._sampled(kept, counts)
        self._kept, self._counts = kept, counts


@dataclass
class KeyTally:
    """The counts of missing and repeated keys of some rows.

    Attributes:
        names: The fields of the key.
        missing: The number of rows without a key.
        repeats: Counts the rows whose key came before.
    """

    names: Sequence[str]
    missing: int = 0
    repeats: Repeats = field(default_factory=Repeats)

    def __iadd__(self, other: KeyTally) -> Self:
        """Add what was found about other rows."""
        self.missing += other.missing
        self.repeats.merge(other.repeats)
        return self

    def notes(self) -> Iterator[str]:
        """Yield notes on keys that are missing or not unique."""
        key = ", ".join(self.names)
        if self.missing:
            yield (
                f"rows without a key ({key}): {self.missing:,}; they get the noise of their row "
                "number"
            )
        count, exact = self.repeats.count()
        if count:
            about = "" if exact else "about "
            yield (
                f"rows whose key ({key}) came before: {about}{count:,}; they get the same noise as "
                f"that row, unless {option('key')} names a field more"
            )


def _indices(values: pa.Array) -> tuple[Uint64s, NDArray[np.bool_]]:
    """Return the indices of values, and a mask of those that are missing."""
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    kind = values.type
    missing = np.asarray(values.is_null())
    if pa.types.is_integer(kind):
        whole = np.asarray(values.fill_null(0))
        return keys.indices_of_integers(whole), missing
    if pa.types.is_floating(kind):
        floats = np.asarray(values.fill_null(0))
        finite = np.isfinite(floats)
        return keys.indices_of_floats(np.where(finite, floats, 0)), missing | ~finite
    texts = _as_texts(values)
    empty = np.asarray(pc.equal(pc.utf8_trim_whitespace(texts), "").fill_null(fill_value=False))
    missing |= empty
    present = texts.filter(pa.array(~missing))
    found = np.zeros(len(values), np.uint64)
    if pc.all(pc.match_substring_regex(present, _SHORT_INTEGER)).as_py() in {True, None}:
        found[~missing] = keys.indices_of_integers(np.asarray(present.cast(pa.int64())))
        return found, missing
    encoded = present.dictionary_encode()
    different = keys.indices_of_texts(encoded.dictionary.to_pylist())
    found[~missing] = different[np.asarray(encoded.indices)]
    return found, missing


def _as_texts(values: pa.Array) -> pa.Array:
    """Return values of any other type as texts."""
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    kind = values.type
    # Decimals count as binary values of fixed size in Arrow.
    fixed = pa.types.is_fixed_size_binary(kind) and not pa.types.is_decimal(kind)
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or fixed:
        return pa.array([None if v is None else v.hex() for v in values.to_pylist()], pa.string())
    if pa.types.is_duration(kind):
        unit = _NANOSECONDS[kind.unit]
        counts = values.cast(pa.int64()).to_pylist()
        return pa.array([None if v is None else str(v * unit) for v in counts], pa.large_string())
    if pa.types.is_date64(values.type):
        values = values.cast(pa.timestamp("ms"))
    return values.cast(pa.large_string())
