"""The mask of an HDF5 file: an HDF5 file with a dataset of booleans for each noised field.

It has the field's shape; with values it holds pairs: `changed` and `original`.
"""

from __future__ import annotations

import mmap
import os
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
from h5py import h5d, h5p, h5s, h5t

from noisify.core.errors import DataError, NoisifyError
from noisify.core.overriding import override
from noisify.formats.hdf5.pieces import box_in
from noisify.formats.hdf5.sink import Hdf5Sink
from noisify.formats.hdf5.source import Hdf5Source
from noisify.formats.hdf5.tree import (
    UNREADABLE,
    Tree,
    dataset_at,
    held_elsewhere,
    reason,
    stored_name,
    written_by_library,
)
from noisify.formats.interface import NoisyColumn, Sink
from noisify.formats.mask import (
    CHANGED,
    ORIGINAL,
    changed_by_field,
    no_such_field,
    no_values,
)
from noisify.formats.npy.source import drop_from_memory, map_file, reserve
from noisify.formats.numpy_fields import stored, unpacked

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from noisify.core.chunk import Chunk, Column, Field
    from noisify.files.input import Input
    from noisify.files.output import Output
    from noisify.formats.hdf5.boxes import Box
    from noisify.formats.hdf5.datasets import Stored
    from noisify.formats.hdf5.pieces import Piece

Marks = dict[str, tuple[int, "NDArray[Any]"]]
"""For each field of a piece, the index of its first element there, and the mask of them."""


class Hdf5Mask(Sink["Piece", "Marks"]):
    """The mask of an HDF5 file, being written.

    Its datasets get their places in the file first, one after the other, and are then written there
    past the HDF5 library.
    """

    def __init__(
        self, source: Hdf5Source, output: Output, noised: Sequence[Field], *, values: bool
    ) -> None:
        self._values = values
        self._name = output.name
        self._parts = {field.name: source.stored[field.name] for field in noised}
        path = output.local_path()
        self._places = self._make(path)
        self._file = path.open("r+b")
        reserve(self._file, os.fstat(self._file.fileno()).st_size)
        self._mapped = map_file(self._file.fileno(), mmap.ACCESS_WRITE)

    def _dtype(self, name: str) -> np.dtype[Any]:
        return pair(self._parts[name].dtype) if self._values else np.dtype(bool)

    def _make(self, path: Path) -> dict[str, int]:
        """Make the datasets; return where in the file each starts."""
        places: dict[str, int] = {}
        try:
            with written_by_library(path) as file:
                for name, part in self._parts.items():
                    place = _make_dataset(file, name, part.shape, self._dtype(name))
                    if place is not None:
                        places[name] = place
        except (OSError, RuntimeError, ValueError) as error:
            raise NoisifyError(f"cannot be written: {error}", path=self._name) from None
        return places

    @override
    def encode(self, raw: Piece, chunk: Chunk, noisy: Sequence[NoisyColumn]) -> Marks:
        """Return the mask of a piece."""
        columns = {result.column.field.name: result.column for result in noisy}
        marks: Marks = {}
        for name, which in changed_by_field(noisy).items():
            column = columns[name]
            out = np.zeros(len(which), self._dtype(name))
            if self._values:
                out[CHANGED] = which
                out[ORIGINAL][which] = _in_file(column, which, self._parts[name].dtype)
            else:
                out[...] = which
            marks[name] = int(column.positions.starts[0]), out
        return marks

    def write(self, encoded: Marks) -> None:
        """Write the mask of a piece to its places."""
        for name, (start, marks) in encoded.items():
            place = self._places[name] + start * marks.itemsize
            self._mapped[place : place + marks.nbytes] = marks.tobytes()
        drop_from_memory(self._mapped)

    def finish(self) -> None:
        """Do nothing: the file is complete."""

    def close(self) -> None:
        """Close the map."""
        self._mapped.close()
        self._file.close()


def pair(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype of a mask with values."""
    return np.dtype([(CHANGED, bool), (ORIGINAL, dtype)])


def _in_file(column: Column, which: NDArray[np.bool_], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return some elements as they were, in the file's dtype."""
    values = column.values[which]
    if column.number.kind == "text":
        texts = [text.encode("utf-8", "surrogateescape") for text in values.tolist()]
        return np.array(texts, dtype)
    return stored(NoisyColumn(column, values, which), dtype)


def _make_dataset(
    file: h5py.File, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]
) -> int | None:
    """Make a contiguous dataset whose space is there at once; return where, if it has elements."""
    options = h5p.create(h5p.DATASET_CREATE)
    options.set_layout(h5d.CONTIGUOUS)
    options.set_alloc_time(h5d.ALLOC_TIME_EARLY)
    options.set_fill_time(h5d.FILL_TIME_NEVER)
    options.set_obj_track_times(False)  # the same run has to give the same bytes
    space = h5s.create_simple(shape) if shape else h5s.create(h5s.SCALAR)
    made = h5d.create(file.id, None, _mask_type(dtype), space, options)
    file[stored_name(name)] = h5py.Dataset(made)
    place = made.get_offset()
    return None if place is None else int(place)


def _mask_type(dtype: np.dtype[Any]) -> h5t.TypeID:
    """Return the HDF5 datatype of a mask's dtype; NumPy's times are what h5py makes of them."""
    if dtype.names is not None and dtype[ORIGINAL].kind in "Mm":
        dtype = np.dtype([(CHANGED, bool), (ORIGINAL, h5py.opaque_dtype(dtype[ORIGINAL]))])
    return h5t.py_create(dtype, logical=True)


def restore(
    source: Hdf5Source,
    mask: Input,
    output: Output,
    size: int,
    progress: Callable[[int], None],
) -> int:
    """Give an HDF5 file back as it was.

    Args:
        source: The noisy file.
        mask: Its mask, with values.
        output: Where to write.
        size: Bytes in a piece.
        progress: Told the bytes of each piece done.

    Returns:
        How many elements were given back.

    Raises:
        DataError: If the mask is that of another file.
        UsageError: If it holds no values.
    """
    originals = Hdf5Source(mask)  # says what is wrong with the file
    sink = Hdf5Sink(source.path, source.stored, output)
    count = 0
    try:
        with h5py.File(originals.path, "r") as old:
            names = _check(old, source.stored, mask.name)
            fields = [field for field in source.fields if field.name in names]
            for piece in source.read([[field] for field in fields], size).pieces:
                chunk = source.decode(piece, fields)
                noisy = [
                    _original(old, column, source, piece, mask.name) for column in chunk.columns
                ]
                sink.write(sink.encode(piece, chunk, noisy))
                count += sum(int(np.count_nonzero(result.changed)) for result in noisy)
                progress(source.size_of(piece))
        sink.finish()
    finally:
        sink.close()
        originals.close()
    return count


def _original(
    old: h5py.File, column: Column, source: Hdf5Source, piece: Piece, mask: str
) -> NoisyColumn:
    """Return a column as it was before it got noise."""
    name = column.field.name
    part = source.stored[name]
    storage = next(storage for storage, _ in piece.parts if storage.path == part.path)
    box: Box = box_in(storage, piece.box)
    box += tuple(slice(0, extent) for extent in part.shape[len(box) :])
    try:
        pairs = np.asarray(dataset_at(old, name)[box]).reshape(-1)
    except UNREADABLE as error:
        raise DataError(f"cannot be read: {reason(error)}", path=mask, field=name) from None
    changed = pairs[CHANGED]
    values = column.values.copy()
    values[changed] = unpacked(pairs[ORIGINAL][changed], column.field)
    return NoisyColumn(column, values, changed)


def _check(old: h5py.File, stored: Mapping[str, Stored], mask: str) -> list[str]:
    """Return the fields to restore."""
    datasets = {path: dataset_at(old, path) for path in Tree.of(old).datasets}
    for name, dataset in datasets.items():
        if outside := held_elsewhere(dataset):
            raise DataError(f"holds {outside}, which no mask does", path=mask, field=name)
        if name not in stored:
            raise no_such_field(name, mask)
        if dataset.dtype == np.dtype(bool):
            raise no_values(mask)
        expected = pair(stored[name].dtype)
        if dataset.dtype != expected:
            raise DataError(
                f"holds {dataset.dtype}, where this field's mask has {expected}",
                path=mask,
                field=name,
            )
        if dataset.shape != stored[name].shape:
            raise DataError(
                f"is of shape {dataset.shape}, and the noisy dataset of shape {stored[name].shape}",
                path=mask,
                field=name,
            )
    return list(datasets)
