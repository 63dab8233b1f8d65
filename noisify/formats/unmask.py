"""Read masks, to restore the original values of a noisy file."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np

from noisify.core.arrow_arrays import array, to_bools
from noisify.core.errors import DataError, UsageError
from noisify.core.lazy_libraries import pa
from noisify.formats.arrow import columns as arrow_columns
from noisify.formats.interface import NoisyColumn
from noisify.formats.mask_layout import arrays_of, in_array, original_of, schema_of, views
from noisify.formats.mask_run import ChangedSum, MaskRun, check_run, run_of
from noisify.formats.numpy_fields import unpacked

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from noisify.core.chunk import Chunk, Column, Field
    from noisify.files.input import Input
    from noisify.formats import FormatEntry
    from noisify.formats.arrays import ArrayFile, StoredArray
    from noisify.formats.interface import AnyPiece, FieldArray, Sink, Source


class Originals(ABC):
    """The original values of a noisy file, read from its mask.

    Args:
        of: The format of the noisy file.
        name: The mask's name in messages.

    Attributes:
        groups: The fields to restore, in groups that must be in the same piece.
        run: The run that the mask names, or None if it names none.
        compared: The fields whose values enter the checksum that identifies the run.
    """

    groups: Sequence[Sequence[Field]]
    run: MaskRun | None
    compared: Sequence[str]

    def __init__(self, of: FormatEntry, name: str) -> None:
        self._of = of
        self._name = name
        self._total = ChangedSum()

    @abstractmethod
    def put_back(
        self, raw: AnyPiece, source: Source[Any], sink: Sink[Any, Any]
    ) -> tuple[AnyPiece, int]:
        """Encode the next raw piece with its original values; return it and how many changed."""

    def check(self) -> None:
        """Refuse a mask of another run, once the whole file has been read.

        Raises:
            DataError: If it is of another run.
        """
        check_run(self.run, run_of(self._of, self.compared, self._total), self._name)

    def close(self) -> None:
        """Close the mask."""
        return


def open_originals(
    source: Source[Any], of: FormatEntry, mask: Input, entry: FormatEntry
) -> Originals:
    """Open the mask of a noisy file.

    Args:
        source: The noisy file.
        of: Its format.
        mask: The mask.
        entry: The mask's format.

    Raises:
        DataError: If it is the mask of another file.
        UsageError: If it holds no values.
    """
    if of.shape == "arrays":
        return ArrayOriginals(source, of, mask, entry)
    return TableOriginals(source, of, mask, entry)


def fields_with_originals(columns: Sequence[str], known: Iterable[str], mask: str) -> list[str]:
    """Return the names of the fields in a mask with values.

    Args:
        columns: The names of the mask's columns.
        known: The names of the noisy file's fields.
        mask: The mask's name in errors.

    Raises:
        DataError: If it is the mask of another file.
        UsageError: If it holds no values.
    """
    names, originals = list(columns[0::2]), list(columns[1::2])
    paired = [original_of(name) for name in names] == originals
    if not paired:
        names = list(columns)
    unknown = set(names) - set(known)
    if unknown:
        raise no_such_field(min(unknown), mask)
    if not paired:
        raise no_values(mask)
    return names


def no_such_field(name: str, mask: str) -> DataError:
    """Return the error for the mask of another file."""
    return DataError("is not a field of the noisy file", path=mask, field=name)


def no_values(mask: str) -> UsageError:
    """Return the error for a mask without original values."""
    return UsageError(
        "does not say what the values were; make the mask with --mask-values", path=mask
    )


class TableOriginals(Originals):
    """The mask of a table, read in step with it."""

    def __init__(
        self, source: Source[Any], of: FormatEntry, mask: Input, entry: FormatEntry
    ) -> None:
        super().__init__(of, mask.name)
        reader = entry.load_whole().reader(mask)
        self.run = MaskRun.parse(reader.run)
        known = {field.name: field for field in source.fields}
        self.compared = self._names = fields_with_originals(reader.names, known, mask.name)
        if self._names != [name for name in known if name in set(self._names)]:
            raise DataError("has its fields in another order than the table", path=mask.name)
        fields = [known[name] for name in self._names]
        schema = schema_of(source, fields, values=True)
        self._cells = any(map(pa.types.is_binary, schema.types))
        self.groups = [] if self._cells or not fields else [fields]
        self._batches: Iterator[pa.RecordBatch] = reader.batches(schema) if fields else iter(())
        self._waiting: list[pa.RecordBatch] = []
        self._rows = self._found = 0

    def _take(self, rows: int) -> pa.Table | None:
        """Return the mask of the next rows; None if it has fewer rows."""
        there = sum(batch.num_rows for batch in self._waiting)
        while there < rows:
            if (batch := next(self._batches, None)) is None:
                return None
            self._waiting.append(batch)
            there += batch.num_rows
            self._found += batch.num_rows
        taken = []
        while rows:
            first = self._waiting.pop(0)
            taken.append(first.slice(0, rows))
            if first.num_rows > rows:
                self._waiting.insert(0, first.slice(rows))
            rows -= taken[-1].num_rows
        return pa.Table.from_batches(taken) if taken else pa.table({})

    def put_back(
        self, raw: AnyPiece, source: Source[Any], sink: Sink[Any, Any]
    ) -> tuple[AnyPiece, int]:
        """Encode the next raw piece with its original values; return it and how many changed."""
        fields = [field for group in self.groups for field in group]
        chunk = source.decode(raw, fields)
        rows = 0 if chunk.rows is None else chunk.rows.size
        self._rows += rows
        part = self._take(rows) if self._names else pa.table({})
        if part is None or not part.num_columns:
            return sink.encode(raw, chunk, []), 0  # `check` reports missing rows
        changed = np.stack(
            [to_bools(arrow_columns.whole(part[name])) for name in self._names], axis=1
        )
        count = int(np.count_nonzero(changed))
        if self._cells:
            cells = pa.concat_arrays(
                [arrow_columns.whole(part[original_of(n)]) for n in self._names]
            )
            records, columns = np.divmod(np.flatnonzero(changed), len(self._names))
            ordered = cells.take(array(columns * rows + records))
            if self.run is not None and chunk.rows is not None:
                for name, at, noisy_cells in source.cells_where(raw, self._names, changed):
                    self._total.add_cells(name, chunk.rows.at(at), noisy_cells)
            return sink.with_cells(raw, self._names, changed, ordered), count
        noisy = self._restored(chunk, part, changed)
        return sink.encode(raw, chunk, noisy), count

    def _restored(self, chunk: Chunk, part: pa.Table, changed: Any) -> list[NoisyColumn]:  # noqa: ANN401
        found = []
        for column in chunk.columns:
            name = column.field.name
            which = changed[:, self._names.index(name)]
            if self.run is not None:
                self._total.add(column, which)
            old = arrow_columns.column_of(
                column.field, arrow_columns.whole(part[original_of(name)]), column.positions
            )
            found.append(NoisyColumn(column, np.where(which, old.values, column.values), which))
        return found

    def check(self) -> None:
        """Refuse a mask of another run, or of another number of rows.

        Raises:
            DataError: If it is of another run, or the numbers of rows differ.
        """
        self._found += sum(batch.num_rows for batch in self._batches)
        if self._names and self._found != self._rows:
            raise DataError(
                f"has {self._rows:,} rows, and its mask {self._name} has {self._found:,}"
            )
        super().check()


class ArrayOriginals(Originals):
    """The mask of a file of arrays, read at the positions of each piece."""

    def __init__(
        self, source: Source[Any], of: FormatEntry, mask: Input, entry: FormatEntry
    ) -> None:
        super().__init__(of, mask.name)
        self._open = ExitStack()
        self._arrays: dict[str, StoredArray] = {}
        self._places: dict[str, FieldArray] = {}
        try:
            file = self._opened(mask, entry)
            self.run = MaskRun.parse(file.run)
            fields = {f.name: f for f in source.fields if f.number is not None}
            by_array: dict[str, dict[str, FieldArray]] = {}
            for name, field in fields.items():
                place = source.array_of(field)
                by_array.setdefault(place.name, {})[name] = place
            if entry.name == "npy" and len(by_array) == 1:  # the one array in it has no name
                by_array = {file.arrays[0].type.name: next(iter(by_array.values()))}
            for found in file.arrays:
                self._add(found, by_array)
        except BaseException:
            self._open.close()
            raise
        names = [name for name in fields if name in self._places]
        self.groups = [[fields[name]] for name in names]
        self.compared = [name for name in names if not self._places[name].rounded]

    def _opened(self, mask: Input, entry: FormatEntry) -> ArrayFile:
        """Open the mask; what cannot be read as arrays makes it invalid."""
        try:
            file: ArrayFile = self._open.enter_context(entry.load_whole().opened(mask))
        except UsageError as error:
            raise DataError(error.message, path=mask.name, field=error.field) from None
        return file

    def _add(self, found: StoredArray, by_array: Mapping[str, Mapping[str, FieldArray]]) -> None:
        """Check an array of the mask, and record it for the fields that it has values of."""
        name, dtype = found.type.name, found.type.dtype
        if name not in by_array:
            raise no_such_field(name, self._name)
        places = dict(by_array[name])
        first = next(iter(places.values()))
        if first.member is None and dtype == np.dtype(bool):
            raise no_values(self._name)
        if first.member is not None:
            known = [str(place.member) for place in places.values()]
            members = fields_with_originals(dtype.names or (), known, self._name)
            places = {key: place for key, place in places.items() if place.member in members}
        expected = arrays_of(places.values(), values=True)
        (kind,) = expected.values() or (None,)
        if kind is not None and dtype != kind.dtype:
            raise DataError(
                f"holds {dtype}, where this array's mask has {kind.dtype}",
                path=self._name,
                field=name,
            )
        if found.type.shape != first.shape:
            raise DataError(
                f"is of shape {found.type.shape}, and the noisy array of shape {first.shape}",
                path=self._name,
                field=name,
            )
        for key, place in places.items():
            self._places[key], self._arrays[key] = place, found

    def put_back(
        self, raw: AnyPiece, source: Source[Any], sink: Sink[Any, Any]
    ) -> tuple[AnyPiece, int]:
        """Encode the next raw piece with its original values; return it and how many changed."""
        chunk = source.decode(raw, [field for group in self.groups for field in group])
        noisy = [self._restored(column) for column in chunk.columns]
        count = sum(int(np.count_nonzero(result.changed)) for result in noisy)
        return sink.encode(raw, chunk, noisy), count

    def _restored(self, column: Column) -> NoisyColumn:
        """Return a column with its original values."""
        name = column.field.name
        place = self._places[name]
        pairs = self._arrays[name].at(in_array(column.positions, place))
        flags, old = (part.reshape(-1) for part in views(pairs, place.member))
        if self.run is not None and name in self.compared:
            self._total.add(column, flags)
        values = column.values.copy()
        values[flags] = unpacked(old[flags], column.field)
        return NoisyColumn(column, values, flags)

    def close(self) -> None:
        """Close the mask."""
        self._open.close()
