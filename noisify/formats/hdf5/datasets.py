"""What is in an HDF5 file: its fields, and how each dataset of them is stored."""

from __future__ import annotations

import contextlib
import math
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import h5py
from h5py import h5d, h5l, h5z

from noisify.core.chunk import Field
from noisify.core.errors import DataError, UsageError
from noisify.core.value_class import frozen
from noisify.formats.hdf5.datatypes import (
    element_dtype,
    holds_pointers,
    is_exact,
    leaves,
    memory_type,
)
from noisify.formats.hdf5.declared import declared_of
from noisify.formats.hdf5.filters import filters_of, pipeline_of
from noisify.formats.hdf5.object_headers import has_unfiltered_edges
from noisify.formats.hdf5.pytables import is_in_index
from noisify.formats.hdf5.roles import is_bare_dimension
from noisify.formats.hdf5.storage import (
    Chunked,
    Contiguous,
    Storage,
    ThroughLibrary,
    fill_bytes,
    present_chunks,
)
from noisify.formats.numpy_fields import value_type

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from h5py.h5p import PropDCID

    from noisify.formats.hdf5.declared import Declared
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
_METADATA_BYTES = 1 << 16
_WHOLE_NUMBERS = 2
_FIRST_OF_OTHERS = 256
"""The lowest number of a filter that the HDF5 library does not bring along."""


@frozen
class Stored:
    """Where a field is.

    Attributes:
        path: Its dataset's path.
        member: The path of the member of a compound that it is, with dots; None: it is the dataset.
        shape: Its shape: the dataset's, then the member's own.
        dtype: Its dtype in the file.
    """

    path: str
    member: str | None
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def count(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)


def open_file(path: Path, mode: str) -> h5py.File:
    """Open an HDF5 file that is gone through once, in order, whose metadata need not be kept.

    The library counts what it keeps as it is on the disk. In memory an index of chunks takes nine
    times that, and 18 MB would be kept.

    Raises:
        OSError: If it is none, or cannot be read.
    """
    file = h5py.File(path, mode)
    config = file.id.get_mdc_config()
    config.set_initial_size = True
    config.initial_size = config.min_size = config.max_size = _METADATA_BYTES
    file.id.set_mdc_config(config)
    return file


def address_of(file: h5py.File, path: str) -> int:
    """Return the address of the object at a path; to ask for its other properties takes longer."""
    return int(file.id.links.get_info(path.encode("utf-8", "surrogateescape")).u)


def aliases_of(file: h5py.File) -> dict[int, list[str]]:
    """Return the paths by which hard links reach each object, by its address."""
    paths: dict[int, list[str]] = {}
    names: list[bytes] = []
    file.id.links.visit(names.append)  # no more here: h5py loses what is raised in a visit
    for name in names:
        link = file.id.links.get_info(name)
        if link.type == h5l.TYPE_HARD:
            paths.setdefault(link.u, []).append(name.decode("utf-8", "surrogateescape"))
    return paths


def fields_at(
    path: str, dataset: h5py.Dataset, aliases: Mapping[int, Sequence[str]], roles: Roles
) -> Iterator[tuple[Field, Stored | None]]:
    """Yield the fields of a dataset, and where those are that can get noise.

    Args:
        path: Its path.
        dataset: The dataset.
        aliases: The paths of all objects, by their address.
        roles: What datasets of the file are other than measurements.
    """
    if is_bare_dimension(dataset):
        return
    address = address_of(dataset.file, path)
    elsewhere = roles.structure(address) or _kept_elsewhere(path, dataset)
    others = [other for other in aliases.get(address, ()) if other != path]
    parts = list(leaves(dataset.id.get_type()))
    for leaf in parts:
        shape = (dataset.shape or ()) + leaf.shape
        member = ".".join(leaf.path) or None
        end = "" if member is None else f".{member}"
        number = None if leaf.dtype is None or elsewhere else value_type(leaf.dtype)
        if number is not None and leaf.bits:
            number = replace(number, bits=leaf.bits)
        stored = None
        if number is not None and leaf.dtype is not None:
            stored = Stored(path, member, shape, leaf.dtype)
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
        )
        if number is not None and member is None:
            field = _as_declared(field, declared_of(dataset, number, netcdf=roles.netcdf))
        yield field, stored


def _as_declared(field: Field, declared: Declared) -> Field:
    """Return a field with what the attributes of its dataset say of its values."""
    missing, packing = declared.missing, declared.packing
    kind, title = field.kind, field.type_name
    if packing is not None:
        kind, title = "float", f"float64 packed in {packing.codes.dtype}"
    elif declared.number != field.number:
        title = str(declared.number.dtype)
    return replace(
        field,
        kind=kind,
        type_name=title,
        number=declared.number,
        missing=missing,
        packing=packing,
        nullable=field.nullable or (missing is not None and missing.marker is not None),
    )


def _kept_elsewhere(path: str, dataset: h5py.Dataset) -> str:
    """Return what a dataset holds instead of elements of its own; empty: it has such."""
    if dataset.shape is None:
        return "nothing"
    if dataset.is_virtual:
        return "values of other datasets (it is a virtual one)"
    if is_in_index(dataset.file, path):
        return "a part of a PyTables index"
    return "values that are in other files" if dataset.external else ""


def rounding_filter(dataset: h5py.Dataset) -> str | None:
    """Return the name of a filter of a dataset that does not keep every value as it is."""
    for one in filters_of(dataset.id.get_create_plist()):
        lossless = one.code == h5z.FILTER_SCALEOFFSET and one.values[:2] == (_WHOLE_NUMBERS, 0)
        if one.code in _ROUNDING and not lossless:
            return _ROUNDING[one.code]
    return None


def storage_of(path: str, dataset: h5py.Dataset, headers: HeaderFile) -> Storage:
    """Return how a dataset is stored.

    Args:
        path: Its path.
        dataset: The dataset; it has elements that noise can change.
        headers: Its file, past the HDF5 library.

    Raises:
        DataError: If it lies beyond the file's end.
        UsageError: If it needs a filter that is not installed.
    """
    kind = dataset.id.get_type()
    options = dataset.id.get_create_plist()
    exact = is_exact(kind) and not holds_pointers(kind)  # those are longer in the file
    element = element_dtype(kind, packed=not exact)
    if element is None:
        raise AssertionError(path)
    shape = dataset.shape + element.shape
    place = (path, shape, len(dataset.shape), element.base)
    layout = options.get_layout()
    if layout == h5d.CONTIGUOUS and exact and dataset.id.get_storage_size():
        offset = dataset.id.get_offset()  # not None after a user block, were there no storage
        if offset is not None:
            end = offset + math.prod(shape) * element.base.itemsize
            if end > os.fstat(headers.file.fileno()).st_size:
                raise DataError("is cut short: the file ends before it does", field=path)
            return Contiguous(*place, int(offset))
    if layout != h5d.CHUNKED:
        return ThroughLibrary(*place, None, memory_type(kind, element))
    own_chunks = options.get_chunk()
    chunks = own_chunks + element.shape
    pipeline = pipeline_of(options)
    if pipeline is not None and exact and not _is_for_the_library(path, dataset, headers):
        present = present_chunks(dataset.id, dataset.shape, own_chunks)
        fill = b"" if present is None else fill_bytes(dataset.id)
        return Chunked(*place, chunks, pipeline, present, fill)
    _check_filters(path, options)
    return ThroughLibrary(*place, chunks, memory_type(kind, element))


def _is_for_the_library(path: str, dataset: h5py.Dataset, headers: HeaderFile) -> bool:
    """Return whether only the HDF5 library knows which chunks are there, or which are filtered."""
    axes = list(zip(dataset.shape, dataset.chunks, dataset.maxshape, strict=True))
    growing = [at for at, (_, _, most) in enumerate(axes) if most is None]
    count = math.prod(-(-extent // step) for extent, step, _ in axes)
    if len(growing) == 1 and growing != [0] and dataset.id.get_num_chunks() != count:
        return True  # it may tell of chunks at wrong places: HDF5 2.0 does, of its newer layouts
    whole = not any(extent % step for extent, step, _ in axes)
    if whole or not dataset.id.get_create_plist().get_nfilters():
        return False
    return has_unfiltered_edges(headers, address_of(dataset.file, path))


def _check_filters(path: str, options: PropDCID) -> None:
    """Refuse a dataset with a filter that is not there, after looking for it in hdf5plugin."""
    for at in range(options.get_nfilters()):
        code, _, _, name = options.get_filter(at)
        if not h5z.filter_avail(code):
            with contextlib.suppress(ImportError):
                import hdf5plugin  # noqa: F401, PLC0415 - importing it registers its filters
        called = name.decode("utf-8", "replace") or _FILTER_NAMES.get(code, "")
        called = f"{called or 'unnamed'} ({code})"
        if not h5z.filter_avail(code):
            hint = "pip install hdf5plugin" if code >= _FIRST_OF_OTHERS else "use an h5py with it"
            raise UsageError(
                f"is compressed by the HDF5 filter {called}, which is not installed; {hint}",
                field=path,
            )
        if not h5z.get_filter_info(code) & h5z.FILTER_CONFIG_ENCODE_ENABLED:
            raise UsageError(
                f"is compressed by the HDF5 filter {called}, which can only be read here",
                field=path,
            )
