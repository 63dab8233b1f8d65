"""The mask of a CSV or TSV file: itself a CSV, a record for each of the table's.

`true` or `false` for each noised cell; with values, each changed cell's old bytes follow it, quotes
and blanks included, so that the table can be given back to the byte.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from noisify.core.arrow_arrays import bools, strings, without_nulls
from noisify.core.errors import DataError
from noisify.core.value_class import frozen
from noisify.files.write_behind import write_all
from noisify.formats.csv import cells as csv_texts
from noisify.formats.csv import numbers
from noisify.formats.csv.numbers import slices
from noisify.formats.csv.sink import DelimitedSink
from noisify.formats.csv.source import DelimitedSource
from noisify.formats.csv.types import Cells, count_lines
from noisify.formats.interface import Sink
from noisify.formats.mask import (
    changed_by_field,
    check_names,
    fields_with_originals,
    original_of,
)
from noisify.formats.read_options import ReadOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from noisify.core.chunk import Chunk, Field
    from noisify.files.input import Input
    from noisify.files.output import Output
    from noisify.formats.csv.types import Block, Layout
    from noisify.formats.interface import NoisyColumn

_NOTHING, _QUOTE, _COMMA, _LINE_END, _TRUE, _FALSE = (
    text for text in strings(["", '"', ",", "\n", "true", "false"]).view(pa.binary())
)  # scalars; `pa.scalar` would import pandas, which is slow


def outer_bounds(data: bytes, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> Cells:
    """Return the bounds of cells with the quotes around them."""
    in_quotes = csv_texts.quoted(data, starts)
    return Cells(starts - in_quotes, ends + in_quotes)


class CsvMask(Sink["Block", "bytes | pa.Buffer"]):
    """The mask of a table, being written."""

    def __init__(self, output: Output, noised: Sequence[Field], *, values: bool) -> None:
        self._names = [field.name for field in noised]
        self._values = values
        self._file = output.file
        check_names(self._names, values=values)
        titles = [n for name in self._names for n in (name, original_of(name))[: 1 + values]]
        cells = csv_texts.encode(
            np.array(titles, object), np.zeros(len(titles), bool), ",", "utf-8"
        )
        header = b",".join(cells.view(pa.binary()).to_pylist())
        write_all(self._file, header + b"\n")

    def encode(self, raw: Block, chunk: Chunk, noisy: Sequence[NoisyColumn]) -> bytes | pa.Buffer:
        """Return the records of a block's mask."""
        if not self._names or not raw.rows:
            return b""
        changed = changed_by_field(noisy)
        cells = []
        for name in self._names:
            which = bools(changed[name])
            cells.append(pc.if_else(which, _TRUE, _FALSE))
            if self._values:
                quoted = self._quoted(raw, chunk.layout, name)
                cells.append(pc.if_else(which, quoted, _NOTHING))
        records = pc.binary_join_element_wise(*cells, _COMMA)
        return numbers.text_bytes(pc.binary_join_element_wise(records, _NOTHING, _LINE_END))

    def _quoted(self, raw: Block, layout: Layout, name: str) -> pa.Array:
        """Return the old bytes of a field's cells, each in quotes."""
        at = layout.places[name]
        bounds = outer_bounds(raw.data, layout.found.starts[:, at], layout.found.ends[:, at])
        old = without_nulls(numbers.chosen(slices(raw.data, bounds.starts, bounds.ends)))
        old = old.view(pa.binary())
        if raw.quotes:
            old = pc.replace_substring(old, '"', '""')
        return pc.binary_join_element_wise(_QUOTE, old, _QUOTE, _NOTHING)

    def write(self, encoded: bytes | pa.Buffer) -> None:
        """Write some records."""
        write_all(self._file, memoryview(encoded))

    def finish(self) -> None:
        """Do nothing: a table has no end mark."""

    def close(self) -> None:
        """Do nothing: the output closes its file."""


def restore(
    source: DelimitedSource,
    mask: Input,
    output: Output,
    size: int,
    progress: Callable[[int], None],
) -> int:
    """Give a table back as it was.

    Args:
        source: The noisy table.
        mask: Its mask, with values.
        output: Where to write.
        size: Bytes in a block.
        progress: Told the bytes of each block done.

    Returns:
        How many cells were given back.

    Raises:
        DataError: If the mask is not one, or that of another table.
        UsageError: If it holds no values.
    """
    originals = _Originals(source, mask, size)
    sink = DelimitedSink(source, output)
    blocks = source.read((), size).pieces
    rows = count = 0
    for block in blocks:
        rows += block.rows
        part = originals.take(block.rows)
        if part is None:
            rows += sum(later.rows for later in blocks)
            break
        sink.write([_restored(source, block, originals.names, part)])
        count += len(part.texts)
        progress(source.size_of(block))
    sink.finish()
    found = originals.count_all()
    if originals.names and found != rows:
        raise DataError(f"has {rows:,} rows, and its mask {mask.name} has {found:,}")
    return count


@frozen
class _Part:
    """The mask of some records.

    Attributes:
        changed: Shape (records, fields).
        texts: What each changed cell was, record by record.
    """

    changed: NDArray[np.bool_]
    texts: pa.Array

    def split(self, rows: int) -> tuple[_Part, _Part]:
        """Return the first records and the rest."""
        cells = int(np.count_nonzero(self.changed[:rows]))
        return (
            _Part(self.changed[:rows], self.texts.slice(0, cells)),
            _Part(self.changed[rows:], self.texts.slice(cells)),
        )


class _Originals:
    """Reads a mask in step with its table.

    Attributes:
        names: The fields it is of, in the order of the table.
    """

    def __init__(self, source: DelimitedSource, mask: Input, size: int) -> None:
        self._name = mask.name
        self.names: list[str] = []
        self._parts: Iterator[_Part] = iter(())
        self._rest: list[_Part] = []
        self._rows = 0
        if not mask.head().strip():
            return  # nothing was noised
        self._table = DelimitedSource(mask, ReadOptions(delimiter=",", escape=""))
        known = {field.name: at for at, field in enumerate(source.fields)}
        columns = [field.name for field in self._table.fields]
        self.names = fields_with_originals(columns, known, mask.name)
        if self.names != sorted(self.names, key=lambda name: known[name]):
            raise DataError("has its fields in another order than the table", path=mask.name)
        self._columns = columns
        self._parts = self._read(size)

    def _read(self, size: int) -> Iterator[_Part]:
        for block in self._table.read((), size).pieces:
            self._rows += block.rows
            yield self._parse(block)

    def _parse(self, block: Block) -> _Part:
        cells = self._table.cells(block, self._columns)
        flags = Cells(cells.starts[:, 0::2].reshape(-1), cells.ends[:, 0::2].reshape(-1))
        words = numbers.chosen(slices(block.data, flags.starts, flags.ends))
        changed = numbers.matches(words, "true")
        strange = np.flatnonzero(~changed & ~numbers.matches(words, "false"))
        if len(strange):
            start, end = int(flags.starts[strange[0]]), int(flags.ends[strange[0]])
            raise DataError(
                f"has {block.data[start:end].decode('utf-8', 'replace')!r} for true or false",
                path=self._name,
                line=block.line + count_lines(block.data, start),
            )
        starts, ends = cells.starts[:, 1::2].reshape(-1), cells.ends[:, 1::2].reshape(-1)
        old = numbers.chosen(slices(block.data, starts[changed], ends[changed]))
        texts = without_nulls(old)
        if block.quotes:
            plain = pc.replace_substring(texts.view(pa.binary()), '""', '"')
            texts = plain.view(pa.utf8())
        return _Part(changed.reshape(block.rows, len(self.names)), texts)

    def take(self, rows: int) -> _Part | None:
        """Return the mask of the next records; None if there are not so many."""
        if not self.names:
            return _Part(np.zeros((rows, 0), bool), strings([]))
        parts, self._rest = self._rest, []
        there = sum(len(part.changed) for part in parts)
        while there < rows:
            part = next(self._parts, None)
            if part is None:
                return None
            parts.append(part)
            there += len(part.changed)
        if not parts:
            return _Part(np.zeros((rows, len(self.names)), bool), strings([]))
        last, rest = parts[-1].split(len(parts[-1].changed) - (there - rows))
        self._rest = [rest]
        parts = [*parts[:-1], last]
        return _Part(
            np.concatenate([part.changed for part in parts]),
            pa.concat_arrays([part.texts for part in parts]),
        )

    def count_all(self) -> int:
        """Return how many records there are, read or not."""
        for _ in self._parts:
            pass
        return self._rows


def _restored(
    source: DelimitedSource, block: Block, names: Sequence[str], part: _Part
) -> bytes | pa.Buffer:
    """Return a block with its old cells in the place of the changed ones."""
    if not len(part.texts):
        return block.data
    cells = source.cells(block, names)
    bounds = outer_bounds(block.data, cells.starts.reshape(-1), cells.ends.reshape(-1))
    return numbers.splice(
        block.data, bounds.starts, bounds.ends, part.changed.reshape(-1), part.texts
    )
