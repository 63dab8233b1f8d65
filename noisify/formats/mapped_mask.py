"""The masks of NPY and HDF5 files: of the same format, and of the same shape.

A mask is an array of booleans; with values, of pairs: `changed` and `original`. What an array of
several members has instead is told at `npy_mask_dtype`.
"""

from __future__ import annotations

import mmap
import os
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.lib import format as npy_format

from noisify.chunks import Positions, boxes
from noisify.errors import DataError, NoisifyError
from noisify.formats.interface import ReadOptions
from noisify.formats.masks import (
    CHANGED,
    ORIGINAL,
    changed_by_field,
    check_names,
    fields_with_originals,
    no_such_field,
    no_values,
    original_of,
)
from noisify.formats.npy import (
    Header,
    NpySink,
    NpySource,
    Piece,
    drop_from_memory,
    map_file,
    member_of,
    raw_bytes,
    stored,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import h5py
    from numpy.typing import NDArray

    from noisify.chunks import Chunk, Field
    from noisify.formats import hdf5
    from noisify.formats.interface import NoisyColumn
    from noisify.inputs import Input
    from noisify.sink import Output

_ALIGNMENT = 64
_LONGEST_COUNT = 4
"""Bytes in which NPY 3.0 says how long its header is."""


def npy_mask_dtype(dtype: np.dtype[Any], names: Sequence[str], *, values: bool) -> np.dtype[Any]:
    """Return the dtype of the mask of an NPY array.

    A plain array's is bool, or with values `changed` and `original`. A structured array's has a
    member for each noised member, and with values one more called `NAME.original`.

    Args:
        dtype: The array's dtype.
        names: The fields that get noise.
        values: Whether the mask holds what they were.
    """
    if dtype.names is None:
        return _pair(dtype) if values else np.dtype(bool)
    members: list[tuple[Any, ...]] = []
    for name in names:
        member = member_of(np.empty(0, dtype), name)
        kind, shape = member.dtype, member.shape[1:]
        members.append((name, bool, shape))
        if values:
            members.append((original_of(name), kind, shape))
    return np.dtype(members)


def _pair(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return np.dtype([(CHANGED, bool), (ORIGINAL, dtype)])


def npy_header(shape: tuple[int, ...], dtype: np.dtype[Any], *, fortran: bool) -> Header:
    """Return the header of an NPY file, of the lowest version that can say it."""
    described = npy_format.dtype_to_descr(dtype)
    text = repr({"descr": described, "fortran_order": fortran, "shape": shape})
    version, count = (1, 2) if text.isascii() else (3, _LONGEST_COUNT)
    if version == 1 and len(text) + _ALIGNMENT >= 1 << 16:
        version, count = 2, _LONGEST_COUNT
    encoded = text.encode()
    magic = npy_format.magic(version, 0)
    padding = -(len(magic) + count + len(encoded) + 1) % _ALIGNMENT
    length = len(encoded) + padding + 1
    whole = magic + length.to_bytes(count, "little") + encoded + b" " * padding + b"\n"
    return Header(whole, shape, fortran, dtype)


class NpyMask(NpySink):
    """The mask of an NPY file, being written."""

    def __init__(
        self, source: NpySource, output: Output, noised: Sequence[Field], *, values: bool
    ) -> None:
        self._names = [field.name for field in noised]
        self._values = values
        old = source.header
        if old.dtype.names is not None:
            check_names(self._names, values=values)
        self._dtype = npy_mask_dtype(old.dtype, self._names, values=values)
        header = npy_header(old.shape, self._dtype, fortran=old.fortran)
        super().__init__(cast("NpySource", SimpleNamespace(header=header)), output)

    def encode(self, raw: Piece, chunk: Chunk, noisy: Sequence[NoisyColumn]) -> Piece:  # noqa: ARG002
        """Return the mask of a piece."""
        out = np.zeros(raw.values.shape, self._dtype)
        changed = changed_by_field([_as_stored(result, raw.values) for result in noisy])
        for name in self._names:
            old = member_of(raw.values, name)
            which = changed[name].reshape(old.shape)
            flags, originals = _columns(out, name if raw.values.dtype.names else None)
            flags[...] = which
            if self._values:
                originals[which] = old[which]
        return Piece(out, raw.positions, raw.box)


def _as_stored(result: NoisyColumn, before: NDArray[Any]) -> NoisyColumn:
    """Return a noisy column; a text that is as before once cut to its dtype has not changed."""
    if result.column.number.kind != "text":
        return result
    old = member_of(before, result.column.field.name)
    cut = stored(result, old.dtype)
    return replace(result, changed=result.changed & (cut != old.reshape(-1)))


def _columns(mask: NDArray[Any], member: str | None) -> tuple[NDArray[np.bool_], NDArray[Any]]:
    """Return the views of a mask that say which elements changed, and what they were.

    Without values, the second is the first.

    Args:
        mask: The mask, or a piece of it.
        member: The member of a structured array that is asked for; None: the array is plain.
    """
    names = mask.dtype.names
    if names is None:
        return mask, mask
    flag, original = (CHANGED, ORIGINAL) if member is None else (member, original_of(member))
    return mask[flag], mask[original if original in names else flag]


def restore_npy(
    source: NpySource,
    mask: Input,
    output: Output,
    size: int,
    progress: Callable[[int], None],
) -> int:
    """Give an array back as it was.

    Args:
        source: The noisy file.
        mask: Its mask, with values.
        output: Where to write.
        size: Bytes in a piece.
        progress: Told the bytes of each piece done.

    Returns:
        How many elements were given back.

    Raises:
        DataError: If the mask is that of another array.
        UsageError: If it holds no values.
    """
    originals = NpySource(mask, ReadOptions())
    names = _check_npy(source, originals, mask.name)
    sink = NpySink(source, output)
    count = 0
    try:
        per_piece = max(1, size // max(1, source.header.dtype.itemsize))
        pieces = source.chunks((), size, complete=True)
        masks = originals.chunks((), per_piece * originals.header.dtype.itemsize, complete=True)
        for piece, old in zip(pieces, masks, strict=True):
            values = np.empty_like(piece.values)
            raw_bytes(values)[...] = raw_bytes(piece.values)
            for name in names:
                member = name if values.dtype.names else None
                count += _put(member_of(values, name), *_columns(old.values, member))
            sink.write(Piece(values, piece.positions, piece.box))
            progress(source.size_of(piece))
        sink.finish()
    finally:
        sink.close()
    return count


def _put(values: NDArray[Any], changed: NDArray[np.bool_], old: NDArray[Any]) -> int:
    """Put old values in the place of the changed ones; return how many there are."""
    values[changed] = old[changed]
    return int(np.count_nonzero(changed))


def _check_npy(source: NpySource, originals: NpySource, mask: str) -> list[str]:
    """Return the fields to restore."""
    header, found = source.header, originals.header
    if header.dtype.names is None:
        names = [field.name for field in source.fields]
        if found.dtype == np.dtype(bool):
            raise no_values(mask)
    else:
        known = [field.name for field in source.fields]
        names = fields_with_originals(found.dtype.names or (), known, mask)
    expected = npy_mask_dtype(header.dtype, names, values=True)
    if found.dtype != expected:
        raise DataError(f"holds {found.dtype}, where this array's mask has {expected}", path=mask)
    if (found.shape, found.fortran) != (header.shape, header.fortran):
        raise DataError(
            f"is of shape {_shape(header)}, and its mask {mask} of shape {_shape(found)}"
        )
    return names


def _shape(header: Header) -> str:
    return f"{header.shape}{' in Fortran order' if header.fortran else ''}"


class Hdf5Mask:
    """The mask of an HDF5 file, being written.

    Its datasets get their places in the file first, one after the other, and are then written there
    past the HDF5 library, in whatever order their elements come.
    """

    def __init__(
        self, source: hdf5.Hdf5Source, output: Output, noised: Sequence[Field], *, values: bool
    ) -> None:
        self._values = values
        self._name = output.name
        self._parts = {field.name: source.stored[field.name] for field in noised}
        path = output.local_path()
        self._places = self._make(path)
        self._file = path.open("r+b")
        size = os.fstat(self._file.fileno()).st_size
        if hasattr(os, "posix_fallocate"):  # a full disk is an error now, not a crash later
            os.posix_fallocate(self._file.fileno(), 0, size)
        self._mapped = map_file(self._file.fileno(), mmap.ACCESS_WRITE)

    def _dtype(self, name: str) -> np.dtype[Any]:
        return _pair(self._parts[name].dtype) if self._values else np.dtype(bool)

    def _make(self, path: Path) -> dict[str, int]:
        """Make the datasets; return where in the file each starts."""
        import h5py  # noqa: PLC0415 - slow to import, and NPY does without

        places: dict[str, int] = {}
        try:
            with h5py.File(path, "w") as file:
                for name, part in self._parts.items():
                    place = _make_dataset(file, name, part.shape, self._dtype(name))
                    if place is not None:
                        places[name] = place
        except (OSError, RuntimeError, ValueError) as error:
            raise NoisifyError(f"cannot be written: {error}", path=self._name) from None
        return places

    def encode(self, raw: hdf5.Piece, chunk: Chunk, noisy: Sequence[NoisyColumn]) -> hdf5.Piece:  # noqa: ARG002
        """Return the mask of a piece."""
        masks = {}
        for name, which in changed_by_field(noisy).items():
            out = np.zeros(len(which), self._dtype(name))
            flags, originals = _columns(out, None)
            flags[...] = which
            if self._values:
                originals[which] = raw.values[name][which]
            masks[name] = out
        return type(raw)(masks, raw.positions, raw.box)

    def write(self, encoded: hdf5.Piece) -> None:
        """Write the mask of a piece to its places."""
        for name, values in encoded.values.items():
            shape = self._parts[name].shape
            array: NDArray[Any] = np.ndarray(shape, values.dtype, self._mapped, self._places[name])
            if encoded.box is None:
                start = int(encoded.positions.starts[0])
                array.reshape(-1)[start : start + len(values)] = values
            else:
                array[encoded.box] = values.reshape(array[encoded.box].shape)
            del array
        drop_from_memory(self._mapped)

    def finish(self) -> None:
        """Do nothing: the file is complete."""

    def close(self) -> None:
        """Close the map."""
        self._mapped.close()
        self._file.close()


def _make_dataset(
    file: h5py.File, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]
) -> int | None:
    """Make a contiguous dataset whose space is there at once; return where, if it has elements."""
    import h5py  # noqa: PLC0415 - slow to import, and NPY does without

    options = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    options.set_layout(h5py.h5d.CONTIGUOUS)
    options.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    options.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    options.set_obj_track_times(False)  # the same run has to give the same bytes
    space = h5py.h5s.create_simple(shape) if shape else h5py.h5s.create(h5py.h5s.SCALAR)
    kind = h5py.h5t.py_create(dtype, logical=True)
    made = h5py.h5d.create(file.id, None, kind, space, options)
    file[name] = h5py.Dataset(made)
    place = made.get_offset()
    return None if place is None else int(place)


def restore_hdf5(
    source: hdf5.Hdf5Source,
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
    import h5py  # noqa: PLC0415 - slow to import, and NPY does without

    from noisify.formats.hdf5 import Hdf5Sink, Hdf5Source  # noqa: PLC0415 - likewise
    from noisify.formats.hdf5 import Piece as Hdf5Piece  # noqa: PLC0415 - likewise

    originals = Hdf5Source(mask, ReadOptions())  # says what is wrong with the file
    sink = Hdf5Sink(source, output)
    count = 0
    try:
        with h5py.File(originals.path, "r") as old, h5py.File(source.path, "r") as noisy:
            for name in _check_hdf5(old, source.stored, mask.name):
                part = source.stored[name]
                whole = noisy[part.path]
                values = whole if part.member is None else whole.fields(part.member)
                for box in boxes(part.shape, max(1, size // part.dtype.itemsize), part.chunks):
                    elements = np.array(_read(values, box, source.name, name)).reshape(-1)
                    pairs = np.asarray(_read(old[name], box, mask.name, name)).reshape(-1)
                    if restored := _put(elements, *_columns(pairs, None)):
                        positions = Positions.box(part.shape, box)
                        sink.write(Hdf5Piece({name: elements}, positions, box))
                        count += restored
                    progress(elements.nbytes)
        sink.finish()
    finally:
        sink.close()
        originals.close()
    return count


def _read(dataset: Any, box: tuple[slice, ...], path: str, name: str) -> Any:  # noqa: ANN401
    """Return a box of a dataset, or of a member of it."""
    try:
        return dataset[box]
    except (OSError, RuntimeError) as error:
        raise DataError(f"cannot be read: {error}", path=path, field=name) from None


def _check_hdf5(old: h5py.File, stored: Mapping[str, hdf5.Stored], mask: str) -> list[str]:
    """Return the fields to restore."""
    import h5py  # noqa: PLC0415

    datasets: dict[str, h5py.Dataset] = {}
    old.visititems(
        lambda path, item: datasets.update({path: item} if isinstance(item, h5py.Dataset) else {})
    )
    for name, dataset in datasets.items():
        if name not in stored:
            raise no_such_field(name, mask)
        if dataset.dtype == np.dtype(bool):
            raise no_values(mask)
        part = stored[name]
        if dataset.dtype != _pair(part.dtype):
            raise DataError(
                f"holds {dataset.dtype}, where this field's mask has {_pair(part.dtype)}",
                path=mask,
                field=name,
            )
        if dataset.shape != part.shape:
            raise DataError(
                f"is of shape {dataset.shape}, and the noisy dataset of shape {part.shape}",
                path=mask,
                field=name,
            )
    return list(datasets)
