"""Write CSV and TSV files: new cells between the old bytes."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from noisify.core.arrow_arrays import array, bools
from noisify.core.lazy_libraries import pa, pc
from noisify.core.share import WHOLE
from noisify.files.write_behind import write_all
from noisify.formats.csv import cells as csv_texts
from noisify.formats.csv import native
from noisify.formats.csv import numbers as csv_numbers
from noisify.formats.csv import times as csv_times
from noisify.formats.csv.native import Change
from noisify.formats.csv.scan import without_blanks
from noisify.formats.csv.types import Cells
from noisify.formats.interface import Sink
from noisify.formats.row_selection import places_in_versions

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from noisify.core.chunk import Chunk
    from noisify.core.share import Share
    from noisify.files.output import Output
    from noisify.formats.csv.source import DelimitedSource
    from noisify.formats.csv.types import Block, Layout
    from noisify.formats.interface import NoisyColumn

Encoded: TypeAlias = "Sequence[bytes | bytearray | pa.Buffer]"
"""The bytes of a block, in pieces."""


class DelimitedSink(Sink["Block", Encoded]):
    """A CSV or TSV file being written.

    Args:
        source: The file that was read.
        output: Where to write.
        share: Which part of the file is written; only the first has the header.
    """

    def __init__(self, source: DelimitedSource, output: Output, share: Share = WHOLE) -> None:
        self._file = source.text.writer(output.file)
        self._source = source
        self._ended = True
        if share.is_first:
            write_all(self._file, source.prefix)

    def encode(self, raw: Block, chunk: Chunk, noisy: Sequence[NoisyColumn]) -> Encoded:
        """Return the block's bytes with its changed cells replaced."""
        if not any(column.changed.any() for column in noisy):
            return [raw.data]
        layout: Layout = chunk.layout
        if not self._source.marks_cells:
            spliced = native.splice(layout.cells, self._changes(layout, noisy))
            if spliced is not None:
                return spliced
        return self._encode_with_arrow(raw, layout, noisy)

    def _changes(self, layout: Layout, noisy: Sequence[NoisyColumn]) -> Iterator[Change]:
        """Yield the changes of each column, in file order."""
        placed = [(layout.places[one.column.field.name], one) for one in noisy]
        placed.sort(key=itemgetter(0))
        for place, column in placed:
            erased = column.erased
            kept = column.changed if erased is None else column.changed & ~erased
            yield self._change(column, place, kept)
            if erased is not None:
                in_quotes = layout.cells.column(place).where(erased).quoted()
                texts = self._source.nothing(column.column.field, in_quotes)
                yield Change(place, erased, *_bytes_and_offsets(texts), trim=False)

    def _change(self, column: NoisyColumn, place: int, which: NDArray[np.bool_]) -> Change:
        """Return the change of some cells of a column."""
        if self._source.notation.is_usual:
            if column.values.dtype == np.float64:
                return Change(place, which, column.values, decimals=column.decimals)
            if column.values.dtype == np.int64 and column.column.number.kind == "int":
                return Change(place, which, column.values)
        texts = self._text(column, which)
        is_number = column.column.number.kind not in {"text", "time"}
        return Change(place, which, *_bytes_and_offsets(texts), trim=is_number)

    def _encode_with_arrow(
        self, raw: Block, layout: Layout, noisy: Sequence[NoisyColumn]
    ) -> list[pa.Buffer]:
        """Return the same as `encode`, without the compiled module."""
        noisy = [column for column in noisy if column.changed.any()]
        found = [layout.places[column.column.field.name] for column in noisy]
        order = sorted(set(found))
        places = np.searchsorted(order, found).tolist()
        changed = np.zeros((raw.rows, len(order)), bool)
        cells = layout.cells
        if len(order) < cells.starts.shape[1]:
            cells = cells.columns(order)
        in_quotes = None
        trimmed = np.zeros(changed.shape, bool)
        for column, place in zip(noisy, places, strict=True):
            changed[:, place] |= column.changed
            if column.column.number.kind not in {"text", "time"}:
                trimmed[:, place] |= True if column.erased is None else ~column.erased
        marks_cells = self._source.marks_cells
        if trimmed.all() and not marks_cells:
            cells = without_blanks(cells.flat())
        else:
            in_quotes = cells.quoted()
            if marks_cells:
                trimmed &= in_quotes  # a blank before the new quote would make it plain text
            starts, ends = np.array(cells.starts), np.array(cells.ends)
            bare = without_blanks(cells.where(trimmed))
            starts[trimmed], ends[trimmed] = bare.starts, bare.ends
            cells = Cells(raw.data, starts, ends).flat()
        which = changed.reshape(-1)
        values = self._floats(noisy, places, changed.shape)
        if values is not None:
            return list(csv_numbers.splice_floats(cells, which, values.reshape(-1)))
        texts = self._texts(noisy, places, changed, in_quotes)
        if marks_cells and in_quotes is not None:
            texts = texts.view(pa.binary())
            closed = csv_texts.with_quotes_if_cut(texts, self._source.dialect.delimiter)
            texts = pc.if_else(bools(in_quotes[changed]), texts, closed).view(pa.utf8())
        return [csv_numbers.splice(cells, which, texts)]

    def _floats(
        self, noisy: Sequence[NoisyColumn], places: Sequence[int], shape: tuple[int, ...]
    ) -> NDArray[np.float64] | None:
        """Return the values of all cells if all are floats in the usual notation, else None."""
        plain = self._source.notation.is_usual and all(
            c.values.dtype == np.float64 and c.decimals is None and c.erased is None for c in noisy
        )
        if not plain or self._source.marks_cells or len(set(places)) < len(places):
            return None
        values = np.empty(shape)
        for column, place in zip(noisy, places, strict=True):
            values[:, place] = column.values
        return values

    def _texts(
        self,
        noisy: Sequence[NoisyColumn],
        places: Sequence[int],
        changed: NDArray[np.bool_],
        in_quotes: NDArray[np.bool_] | None,
    ) -> pa.Array:
        """Return a text for each changed cell, record by record."""
        width = changed.shape[1]
        texts, where = [], []
        for column, place in zip(noisy, places, strict=True):
            kept = column.changed if column.erased is None else column.changed & ~column.erased
            texts.append(self._text(column, kept))
            where.append(np.flatnonzero(kept) * width + place)
            if column.erased is not None and in_quotes is not None:
                nothing = self._source.nothing(column.column.field, in_quotes[column.erased, place])
                texts.append(nothing)
                where.append(np.flatnonzero(column.erased) * width + place)
        order = np.argsort(np.concatenate(where), kind="stable")
        return pa.concat_arrays(texts).take(array(order))

    def _text(self, column: NoisyColumn, which: NDArray[np.bool_]) -> pa.Array:
        """Format some elements of a column as texts."""
        kind, values = column.column.number.kind, column.values
        if kind == "time":
            return csv_times.encode_times(
                values, column.column.layout, which, column.column.number.tick
            )
        if kind == "text":
            in_quotes = column.column.layout[which]
            return self._source.written(column.column.field, values[which], in_quotes)
        numbers = _number(values[which], column.decimals, which)
        notation = self._source.notation
        if notation.is_usual:
            return numbers
        grouped = column.column.layout
        return notation.to_file(numbers, None if grouped is None else grouped[which])

    def with_cells(
        self, raw: Block, names: Sequence[str], changed: NDArray[np.bool_], cells: pa.Array
    ) -> Encoded:
        """Replace the changed cells of a block by cells whose bytes are given."""
        if not len(cells):
            return [raw.data]
        outer = self._source.cells(raw, names).flat().outer()
        return [csv_numbers.splice(outer, changed.reshape(-1), cells.view(pa.utf8()))]

    def with_rows(self, versions: Sequence[Encoded], copies: NDArray[np.int64]) -> Encoded:
        """Drop or repeat the records of a block; the bytes between them stay.

        Args:
            versions: The block as encoded; then versions with new noise, for the copies.
            copies: How many times to write each record.
        """
        laid = [self._source.records(b"".join(version)) for version in versions]
        count = len(copies)
        version, record = np.divmod(places_in_versions(copies, len(versions)), count)
        which = version * (2 * count + 1) + 2 * record + 1
        ends = np.cumsum(copies)
        order = np.insert(which, np.append(ends - copies, len(which)), 2 * np.arange(count + 1))
        taken = pa.concat_arrays(laid).take(array(order))
        return [csv_numbers.text_bytes(taken)]

    def write(self, encoded: Encoded) -> None:
        """Write one block."""
        views = [memoryview(piece).cast("B") for piece in encoded]  # Arrow's bytes are signed
        views = [view for view in views if view.nbytes]
        if not views:
            return
        if not self._ended:
            write_all(self._file, self._source.line_end)
        self._ended = views[-1][-1] in b"\r\n"
        for view in views:
            write_all(self._file, view)

    def finish(self) -> None:
        """Write the bytes that return the encoding to its initial state, if there are any."""
        self._file.flush()


def _bytes_and_offsets(texts: pa.Array) -> tuple[memoryview, NDArray[np.int32]]:
    """Return the bytes of texts, and the start of each and the end of the last in them."""
    _, offsets, data = texts.buffers()
    count = len(texts) + texts.offset + 1
    return memoryview(data or b""), np.frombuffer(offsets, np.int32, count)[texts.offset :]


def _number(
    values: NDArray[Any], decimals: int | NDArray[Any] | None, which: NDArray[np.bool_]
) -> pa.Array:
    """Format numbers in the usual notation."""
    if values.dtype != np.float64:
        return csv_numbers.format_integers(values)
    match decimals:
        case None:
            return csv_numbers.format_floats(values)
        case int() as digits:
            return csv_numbers.format_fixed(values, digits)
        case digits:
            return csv_numbers.format_fixed(values, digits[which])
