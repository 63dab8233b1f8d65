"""Find arrays of a Zarr store that are not measurements, by the conventions of the store.

These are the conventions of HDF5 and NetCDF that Zarr stores use: xarray's dimensions and CF
attributes, and AnnData's data frames, categories and sparse matrices.
"""

from __future__ import annotations

import base64
import binascii
import math
import posixpath
import struct
from typing import TYPE_CHECKING, Any

from noisify.formats.datasets.declared import CF_ROLES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from noisify.core.dtypes import NumberType
    from noisify.formats.zarr.store import Tree, ZarrObject

_DIMENSIONS = "_ARRAY_DIMENSIONS"
_SPARSE_PARTS = {"data", "indices", "indptr"}


class Roles:
    """The roles of the arrays of a store, by path.

    Args:
        tree: The contents of the store.

    Attributes:
        roles: The role of each array that has one; such an array gets noise only if it is named.
        structure: The noun for each array that never gets noise.
        categories: The number of categories of each array of codes.
        masks: The mask of missing values of each array that has one.
    """

    def __init__(self, tree: Tree) -> None:
        self.roles: dict[str, str] = {}
        self.structure: dict[str, str] = {}
        self.categories: dict[str, int] = {}
        self.masks: dict[str, str] = {}
        self._arrays = tree.arrays
        for path, array in tree.arrays.items():
            named = getattr(array.metadata, "dimension_names", None) or array.attrs.get(_DIMENSIONS)
            if isinstance(named, list | tuple) and [*map(str, named)] == [posixpath.basename(path)]:
                self.roles[path] = "a dimension coordinate"
            self._note_words(posixpath.dirname(path), array.attrs)
        for path, attributes in tree.attributes.items():
            self._note_words(path, attributes)
            self._look_at_anndata(path, attributes)

    def _note(self, group: str, names: Iterable[str], role: str) -> None:
        for name in names:
            path = posixpath.join(group, name)
            if path in self._arrays:
                self.roles.setdefault(path, role)

    def _note_words(self, group: str, attributes: Mapping[str, Any]) -> None:
        """Note the arrays that attributes name, in their group or one above."""
        for name in CF_ROLES.keys() & attributes.keys():
            for word in str(attributes[name]).replace(",", " ").replace(":", " ").split():
                place = group
                while place and posixpath.join(place, word) not in self._arrays:
                    place = posixpath.dirname(place)
                self._note(place, [word], CF_ROLES[name])

    def _look_at_anndata(self, group: str, attributes: Mapping[str, Any]) -> None:
        names = {
            posixpath.basename(path) for path in self._arrays if posixpath.dirname(path) == group
        }
        if names >= _SPARSE_PARTS:
            for name in ("indices", "indptr", "shape"):
                self.structure[posixpath.join(group, name)] = "the structure of a sparse matrix"
        if names >= {"codes", "categories"}:
            self._note(group, ["codes"], "categorical codes")
            self._note(group, ["categories"], "categories")
            categories = self._arrays[posixpath.join(group, "categories")]
            self.categories[posixpath.join(group, "codes")] = math.prod(categories.shape)
        kind = str(attributes.get("encoding-type", ""))
        if kind == "dataframe":
            self._note(group, [str(attributes.get("_index", "_index"))], "an index of AnnData")
        elif kind.startswith("nullable"):
            self._note(group, ["mask"], "a mask of missing values")
            if "mask" in names:
                self.masks[posixpath.join(group, "values")] = posixpath.join(group, "mask")


def declarations(array: ZarrObject, number: NumberType) -> dict[str, Any]:
    """Return the attributes of an array, with its `_FillValue` as xarray reads it.

    In version 2 xarray stores it as the array's fill value; other arrays have one only for chunks
    that are not stored, often 0. In version 3 it is an attribute, a float in Base64.
    """
    attributes = dict(array.attrs)
    fill = attributes.get("_FillValue")
    if isinstance(fill, str) and number.kind == "float":
        try:
            attributes["_FillValue"] = struct.unpack("<d", base64.b64decode(fill, validate=True))[0]
        except (binascii.Error, struct.error):
            attributes.pop("_FillValue")
    if fill is None and _DIMENSIONS in attributes and array.fill_value is not None:
        attributes["_FillValue"] = array.fill_value
    return attributes
