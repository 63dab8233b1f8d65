"""The mask of an NPY file: an NPY file of the same shape.

It is an array of booleans; with values, of pairs: `changed` and `original`. What an array of
several members has instead is told at `npy_mask_dtype`.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib import format as npy_format

from noisify.core.errors import DataError
from noisify.core.overriding import override
from noisify.formats.mask import (
    CHANGED,
    ORIGINAL,
    changed_by_field,
    check_names,
    fields_with_originals,
    no_values,
    original_of,
)
from noisify.formats.npy.source import Header, NpySink, NpySource, Piece, box_elements
from noisify.formats.numpy_fields import member_of, raw_bytes, stored

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from noisify.core.chunk import Chunk, Field
    from noisify.files.input import Input
    from noisify.files.output import Output
    from noisify.formats.interface import NoisyColumn

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
        super().__init__(header, output)

    @override
    def encode(self, raw: Piece, chunk: Chunk, noisy: Sequence[NoisyColumn]) -> Piece:
        """Return the mask of a piece."""
        names = {name: name for name in self._names}
        mask = mask_of(raw.values, noisy, names, self._dtype, values=self._values)
        return Piece.of(mask, raw.positions, raw.box)


def mask_of(
    before: NDArray[Any],
    noisy: Sequence[NoisyColumn],
    paths: Mapping[str, str],
    dtype: np.dtype[Any],
    *,
    values: bool,
) -> NDArray[Any]:
    """Return the mask of some elements of an array.

    Args:
        before: The elements before noise.
        noisy: Their noisy fields.
        paths: By the name of each field that gets noise, the member that it is of the array.
        dtype: The mask's dtype, as `npy_mask_dtype` returns it.
        values: Whether the mask holds what they were.
    """
    out = np.zeros(before.shape, dtype)
    own = [result for result in noisy if result.column.field.name in paths]
    changed = changed_by_field(
        _as_stored(result, member_of(before, paths[result.column.field.name])) for result in own
    )
    for name, path in paths.items():
        old = member_of(before, path)
        which = changed[name].reshape(old.shape)
        flags, originals = _columns(out, path if before.dtype.names else None)
        flags[...] = which
        if values:
            originals[which] = old[which]
    return out


def _as_stored(result: NoisyColumn, before: NDArray[Any]) -> NoisyColumn:
    """Return a noisy column; a text that is as before once cut to its dtype has not changed."""
    if result.column.number.kind != "text":
        return result
    cut = stored(result, before.dtype)
    return replace(result, changed=result.changed & (cut != before.reshape(-1)))


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
    itemsize = max(1, source.header.dtype.itemsize)
    cut = size // itemsize, box_elements(itemsize)
    count = 0
    with closing(NpySource(mask)) as originals:
        names = _check_npy(source, originals, mask.name)
        with closing(NpySink(source.header, output)) as sink:
            masks = originals.pieces(*cut)
            for piece in source.pieces(*cut):
                mask_values = next(masks).values if names else piece.values  # or there are none
                values, restored = unmasked(piece.values, mask_values, names)
                count += restored
                sink.write(Piece.of(values, piece.positions, piece.box))
                progress(source.size_of(piece))
            sink.finish()
    return count


def unmasked(
    noisy: NDArray[Any], mask: NDArray[Any], paths: Sequence[str]
) -> tuple[NDArray[Any], int]:
    """Return some elements of an array as they were, and how many of them were others.

    Args:
        noisy: The elements.
        mask: Their mask, with values.
        paths: The members of the array that the mask is of.
    """
    values = np.empty_like(noisy)
    raw_bytes(values)[...] = raw_bytes(noisy)
    count = 0
    for path in paths:
        columns = _columns(mask, path if values.dtype.names else None)
        count += _put(member_of(values, path), *columns)
    return values, count


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
