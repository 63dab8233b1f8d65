"""The masks of NPZ files: NPZ files too, with the mask of each array that gets noise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noisify.core.errors import DataError
from noisify.core.overriding import override
from noisify.formats.interface import Sink
from noisify.formats.mask import check_names, fields_with_originals, no_such_field, no_values
from noisify.formats.npy.mask import mask_of, npy_header, npy_mask_dtype, unmasked
from noisify.formats.npy.source import box_elements
from noisify.formats.npz.sink import Encoded, NpzSink, NpzWriter, Part, part_of
from noisify.formats.npz.source import Array, NpzSource, Piece, whole_units
from noisify.formats.npz.zip_archive import new_member

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from noisify.core.chunk import Chunk, Field
    from noisify.files.input import Input
    from noisify.files.output import Output
    from noisify.formats.interface import NoisyColumn


class NpzMask(NpzWriter, Sink[Piece, Encoded]):
    """The mask of an NPZ file, being written."""

    def __init__(
        self, source: NpzSource, output: Output, noised: Sequence[Field], *, values: bool
    ) -> None:
        self._values = values
        self._paths: dict[Array, dict[str, str]] = {}
        for field in noised:
            place = source.places[field.name]
            self._paths.setdefault(place.array, {})[field.name] = place.path
        self._masks = {
            array: _mask_array(array, list(paths.values()), values=values)
            for array, paths in self._paths.items()
        }
        arrays = list(self._masks.values())
        super().__init__(output.local_path(), [array.member for array in arrays], arrays, None)

    @override
    def encode(self, raw: Piece, chunk: Chunk, noisy: Sequence[NoisyColumn]) -> Encoded:
        """Return the masks of a piece."""
        parts = {}
        for array, values in raw.values.items():
            if (mask := self._masks.get(array)) is not None:
                paths, dtype = self._paths[array], mask.header.dtype
                found = mask_of(values, noisy, paths, dtype, values=self._values)
                parts[mask] = part_of(mask, raw, found, changed=True)
        return Encoded(parts, raw.box)


def _mask_array(array: Array, paths: list[str], *, values: bool) -> Array:
    """Return what the mask of an array will be."""
    old = array.header
    if old.dtype.names is not None:
        check_names(paths, values=values)
    dtype = npy_mask_dtype(old.dtype, paths, values=values)
    header = npy_header(old.shape, dtype, fortran=old.fortran)
    size = len(header.text) + header.count * dtype.itemsize
    return Array(array.name, new_member(f"{array.name}.npy", size, deflated=True), header)


def restore_npz(
    source: NpzSource,
    mask: Input,
    output: Output,
    size: int,
    progress: Callable[[int], None],
) -> int:
    """Give an NPZ file back as it was, to the byte if NumPy wrote it with the same zlib.

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
    originals = NpzSource(mask)
    count = 0
    try:
        pairs = _pairs(source, originals, mask.name)
        names = [
            name
            for name, place in source.places.items()
            if place.array in pairs and place.path in pairs[place.array][1]
        ]
        sink = NpzSink(source, output, names, in_units=False)
        try:
            for array, (old, paths) in pairs.items():
                elements = whole_units([array], size // max(1, array.itemsize))
                cut = elements, box_elements(array.itemsize)
                pieces, masks = source.pieces([array], *cut), originals.pieces([old], *cut)
                for piece, marks in zip(pieces, masks, strict=True):
                    values, restored = unmasked(piece.values[array], marks.values[old], paths)
                    part = Part(values, None, changed=bool(restored))
                    sink.write(Encoded({array: part}, piece.box))
                    count += restored
                    progress(source.size_of(piece))
            sink.finish()
        finally:
            sink.close()
    finally:
        originals.close()
    return count


def _pairs(
    source: NpzSource, originals: NpzSource, mask: str
) -> dict[Array, tuple[Array, list[str]]]:
    """Return, for each array to restore, its mask and the members that it is of."""
    arrays = {place.array.name: place.array for place in source.places.values()}
    masks = {place.array.name: place.array for place in originals.places.values()}
    pairs = {}
    for name, old in masks.items():
        if name not in arrays:
            raise no_such_field(name, mask)
        array = arrays[name]
        dtype, found = array.header.dtype, old.header.dtype
        if dtype.names is None and found.kind == "b":
            raise no_values(mask)
        paths = [place.path for place in source.places.values() if place.array is array]
        if dtype.names is not None:
            paths = fields_with_originals(found.names or (), paths, mask)
        expected = npy_mask_dtype(dtype, paths, values=True)
        if found != expected:
            raise DataError(f"holds {found}, where this array's mask has {expected}",
                            path=mask, field=name)  # fmt: skip
        if (old.header.shape, old.header.fortran) != (array.header.shape, array.header.fortran):
            raise DataError(
                f"is of shape {old.header.shape}, and the noisy array of shape "
                f"{array.header.shape}",
                path=mask,
                field=name,
            )
        pairs[array] = old, paths
    return pairs
