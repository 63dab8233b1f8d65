"""Find the fields of an HDF5 file, and how their datasets are stored."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import h5py
from h5py import h5a, h5d, h5z

from noisify.core.chunk import Field
from noisify.core.dtypes import NumberType
from noisify.core.errors import DataError
from noisify.core.lazy import optional
from noisify.formats.datasets.declared import (
    ATTRIBUTES,
    MASKED,
    as_declared,
    codes_declared,
    says_missing,
)
from noisify.formats.datasets.storage import Stored
from noisify.formats.hdf5.datatypes import (
    TEXT,
    element_dtype,
    has_known_size,
    holds_pointers,
    is_text,
    leaves,
    size_in_file,
)
from noisify.formats.hdf5.filters import LibraryPipeline, fill_bytes, filters_of, pipeline_of
from noisify.formats.hdf5.object_headers import has_unfiltered_edges
from noisify.formats.hdf5.roles import is_bare_dimension, read_attribute
from noisify.formats.hdf5.storage import Chunked, Contiguous, LibraryStorage, Texts
from noisify.formats.hdf5.tree import held_elsewhere
from noisify.formats.numpy_fields import value_type

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from h5py.h5p import PropDCID
    from h5py.h5t import TypeID

    from noisify.formats.datasets.storage import Storage
    from noisify.formats.hdf5.object_headers import HeaderFile
    from noisify.formats.hdf5.roles import Roles

_FILTER_NAMES = {h5z.FILTER_SZIP: "szip", h5z.FILTER_NBIT: "nbit", h5z.FILTER_LZF: "lzf"}
_ROUNDING = {
    h5z.FILTER_SCALEOFFSET: "scale-offset",
    32013: "zfp",
    32017: "sz",
    32022: "bitgroom",
    32023: "granular bit-round",
    32024: "sz3",
    32031: "sperr",
}
_WHOLE_NUMBERS = 2
_UNWRITTEN_BYTES = 1 << 28
"""Datasets with more unwritten bytes than this get no noise, if `_UNWRITTEN_TIMES` holds too."""
_UNWRITTEN_TIMES = 100
"""The unwritten bytes must also be more than this many times the written ones."""
_REPACKED_CHUNK = 100
_FIRST_OF_OTHERS = 256
"""The lowest number of a filter that is not part of the HDF5 library."""


def fields_at(
    path: str,
    dataset: h5py.Dataset,
    address: int,
    aliases: Mapping[int, Sequence[str]],
    roles: Roles,
) -> Iterator[tuple[Field, Stored | None]]:
    """Yield the fields of a dataset, with the locations of those that can get noise.

    Args:
        path: The path of the dataset.
        dataset: The dataset.
        address: The address of the dataset.
        aliases: The paths of all objects, by their address.
        roles: The roles of the file's datasets.
    """
    if is_bare_dimension(dataset):
        return
    outside = held_elsewhere(dataset)
    elsewhere = outside or roles.structure.get(address, "")
    if not elsewhere and dataset.shape is None:
        elsewhere = "nothing"
    others = [other for other in aliases.get(address, ()) if other != path]
    parts = list(leaves(dataset.id.get_type()))
    has_numbers = not elsewhere and any(leaf.dtype is not None for leaf in parts)
    hindrance = _hindrance(dataset, roles.masks.get(address)) if has_numbers else ""
    texts = NumberType("text", TEXT)
    for leaf in parts:
        shape = (() if outside else dataset.shape or ()) + leaf.shape
        member = ".".join(leaf.path) or None
        end = "" if member is None else f".{member}"
        number = None
        if leaf.dtype is not None and not elsewhere and not hindrance:
            number = texts if leaf.dtype == TEXT else value_type(leaf.dtype)
        if number is not None and leaf.bits:
            number = replace(number, bits=leaf.bits.precision)
        stored = None
        if number is not None and leaf.dtype is not None:
            stored = Stored(path, member, shape, leaf.dtype, leaf.bits)
        field = Field(
            path + end,
            "other" if elsewhere else leaf.kind,
            elsewhere or leaf.title,
            number,
            str(shape),
            tuple(other + end for other in others),
            nullable=leaf.dtype is not None and leaf.dtype.kind in "fcMm",
            role=roles.role(address, member),
            member=len(parts) > 1,
            hindrance=hindrance if leaf.dtype is not None else "",
        )
        if number is not None and member is None:
            field = _as_declared(field, number, dataset, netcdf=roles.netcdf)
            if (categories := roles.categories.get(address)) is not None:
                field = as_declared(field, codes_declared(categories))
        yield field, stored


def _as_declared(field: Field, number: NumberType, dataset: h5py.Dataset, *, netcdf: bool) -> Field:
    """Add what the attributes of a dataset say of its values to a field.

    NetCDF's default fill value counts for bytes only where the dataset is filled with it.

    Args:
        field: The field.
        number: The type of its elements as stored.
        dataset: The dataset.
        netcdf: Whether NetCDF's default fill values count.
    """
    if number.kind not in {"int", "float"} or not (netcdf or h5a.get_num_attrs(dataset.id)):
        return field
    names = ATTRIBUTES.intersection(dataset.attrs)
    attributes = {name: read_attribute(dataset.attrs, name) for name in names}
    defined = dataset.id.get_create_plist().fill_value_defined()
    filled = number.dtype.itemsize > 1 or defined == h5d.FILL_VALUE_USER_DEFINED
    return as_declared(field, attributes, has_default_fill=netcdf and filled)


def rounding_filter(dataset: h5py.Dataset) -> str | None:
    """Return the name of a lossy filter of a dataset, or None."""
    for one in filters_of(dataset.id.get_create_plist()):
        lossless = one.code == h5z.FILTER_SCALEOFFSET and one.values[:2] == (_WHOLE_NUMBERS, 0)
        if one.code in _ROUNDING and not lossless:
            return _ROUNDING[one.code]
    return None


def storage_of(path: str, dataset: h5py.Dataset, address: int, headers: HeaderFile) -> Storage:
    """Return how a dataset is stored.

    Args:
        path: The path of the dataset.
        dataset: The dataset; it has elements that noise can change.
        address: The address of the dataset.
        headers: The file, to read it without the HDF5 library.

    Raises:
        DataError: If the file ends before the dataset does.
    """
    kind = dataset.id.get_type()
    options = dataset.id.get_create_plist()
    if is_text(kind):
        size = headers.size() // max(1, math.prod(dataset.shape))
        return Texts(path, dataset.shape, len(dataset.shape), TEXT, dataset.chunks, kind, size)
    element = element_dtype(kind, headers.address_bytes)
    if element is None:
        raise AssertionError(path)
    shape = dataset.shape + element.shape
    place = (path, shape, len(dataset.shape), element.base)
    layout = options.get_layout()
    is_written = bool(dataset.id.get_storage_size())
    if layout == h5d.CONTIGUOUS and is_written:
        offset = int(dataset.id.get_offset())
        end = offset + math.prod(shape) * element.base.itemsize
        if end > headers.size():
            raise DataError("is cut short: the file ends before it does", field=path)
        return Contiguous(*place, offset)
    if layout != h5d.CHUNKED:
        return LibraryStorage(*place, None, kind, rounds=False)
    chunks = options.get_chunk() + element.shape
    pipeline = pipeline_of(options)
    if pipeline is None:
        if not holds_pointers(kind):
            rounds = element.kind == "f" and rounding_filter(dataset) is not None
            return LibraryStorage(*place, chunks, kind, rounds=rounds)
        pipeline = LibraryPipeline.of(path, kind, options, headers.address_bytes)
        if pipeline is None:
            raise AssertionError(path)
    ends = zip(dataset.shape, dataset.chunks, strict=True)
    has_edges = options.get_nfilters() and any(extent % step for extent, step in ends)
    filters_edges = not (has_edges and has_unfiltered_edges(headers, address))
    fill = fill_bytes(kind, options, headers.address_bytes)
    return Chunked(*place, chunks, pipeline, filters_edges, is_written, fill)


def _hindrance(dataset: h5py.Dataset, mask: h5py.Dataset | None) -> str:
    """Return why a dataset gets no noise, by its storage or its mask, or an empty string."""
    if mask is not None and says_missing(mask):
        return MASKED
    kind = dataset.id.get_type()
    options = dataset.id.get_create_plist()
    if size := _unwritten_gibibytes(dataset, kind.get_size()):
        return f"was hardly ever written, and noise would write {size:,.1f} GiB"
    if options.get_nfilters() and pipeline_of(options) is None:
        missing = _missing_filter(options)
        if missing:
            return missing
    if is_text(kind) or not holds_pointers(kind) or _moves_pointers(dataset, kind, options):
        return ""
    chunk = "x".join(str(min(extent, _REPACKED_CHUNK)) for extent in dataset.shape)
    hint = f"; copy the file with h5repack -f GZIP=4 -l CHUNK={chunk} first" if chunk else ""
    return (
        "has text, lists or references beside its numbers, in storage that only the HDF5 "
        f"library can rewrite{hint}"
    )


def _unwritten_gibibytes(dataset: h5py.Dataset, width: int) -> float:
    """Return the unwritten GiB of a sparse dataset that noise would fill; 0 for others."""
    total = math.prod(dataset.shape) * width
    if total <= _UNWRITTEN_BYTES:
        return 0
    written = int(dataset.id.get_storage_size())
    if written and dataset.chunks:
        written = dataset.id.get_num_chunks() * math.prod(dataset.chunks) * width
    limit = max(_UNWRITTEN_BYTES, _UNWRITTEN_TIMES * written)
    return (total - written) / (1 << 30) if total - written > limit else 0


def _moves_pointers(dataset: h5py.Dataset, kind: TypeID, options: PropDCID) -> bool:
    """Return whether elements can be copied bytewise, without the library following pointers."""
    layout = options.get_layout()
    address_bytes = dataset.file.id.get_create_plist().get_sizes()[0]
    if layout == h5d.COMPACT or not has_known_size(kind):
        return False
    if layout == h5d.CONTIGUOUS:
        size = math.prod(dataset.shape) * size_in_file(kind, address_bytes)
        return bool(dataset.id.get_storage_size() == size)
    steps = zip(dataset.shape, dataset.chunks, strict=True)
    count = math.prod(-(-extent // step) for extent, step in steps)
    is_filled = fill_bytes(kind, options, address_bytes) is None
    if is_filled and dataset.id.get_num_chunks() < count:
        return False
    return pipeline_of(options) is not None or (
        LibraryPipeline.of("", kind, options, address_bytes) is not None
    )


def _missing_filter(options: PropDCID) -> str:
    """Return why a dataset's filters are not available, after trying hdf5plugin."""
    for at in range(options.get_nfilters()):
        code, _, _, name = options.get_filter(at)
        if not h5z.filter_avail(code):
            optional("hdf5plugin")  # importing it registers its filters
        called = name.decode("utf-8", "replace") or _FILTER_NAMES.get(code, "")
        called = f"is compressed by the HDF5 filter {called or 'unnamed'} ({code})"
        if not h5z.filter_avail(code):
            hint = "pip install hdf5plugin" if code >= _FIRST_OF_OTHERS else "use an h5py with it"
            return f"{called}, which is not installed; {hint}"
        if not h5z.get_filter_info(code) & h5z.FILTER_CONFIG_ENCODE_ENABLED:
            return f"{called}, which can only be read here"
    return ""
