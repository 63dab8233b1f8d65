"""Find datasets that are not measurements, by the conventions of their file.

Axes (dimension scales, the coordinates of NetCDF's CF conventions, NeXus, NWB), indexes (pandas,
AnnData) and categories have a role: they get noise only if they are named. The structure of a
sparse matrix never gets noise. Nor do the indexes that PyTables, and pandas with it, keeps of a
table's columns: groups `_i_TABLE/COLUMN` of arrays with copies of the column's values. Those of
columns with noise are marked as out of date, or queries would find wrong rows.
"""

from __future__ import annotations

import pickletools
import re
from itertools import islice
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
from h5py import h5a, h5d, h5ds, h5g, h5o, h5s, h5t

from noisify.core.value_class import frozen
from noisify.formats.datasets.declared import CF_ROLES
from noisify.formats.hdf5.tree import UNREADABLE, group_at, own_object, stored_name

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from noisify.formats.hdf5.tree import ObjectID

_DIMENSION = b"This is a netCDF dimension but not a netCDF variable"
"""The start of the name of a dimension scale without values."""
_NETCDF_SUFFIXES = (".nc", ".nc4", ".cdf")
_NETCDF_OF_DATASETS = (b"_Netcdf4Dimid", b"_Netcdf4Coordinates")
_AXIS = "a NeXus axis"
_NWB_TIMES = ("timestamps", "starting_time")
_NWB_INDEXES = {"VectorIndex", "ElementIdentifiers", "DynamicTableRegion"}
_SPARSE = "the structure of a sparse matrix"
_SPARSE_PARTS = (("data", "indices", "indptr"), ("data", "ir", "jc"))
_PANDAS = "an index of pandas"
_PANDAS_VALUES = re.compile(r"values|block\d+_values")
_CATEGORIES, _CODES = "categories", "categorical codes"
_INDEX_PREFIX = "_i_"
_OUT_OF_DATE = b"DIRTY"
_MOST_LEVELS = 100
"""The most groups to search for a name."""


@frozen
class _Level:
    """A group around an object.

    Attributes:
        prefix: The prefix of the paths of its members.
        group: The group.
        names: The names of its links.
        datasets: The address found for each name or path looked up here, or None if there is no
            such dataset.
    """

    prefix: str
    group: h5py.Group
    names: Collection[str]
    datasets: dict[str, int | None]


class GroupsAbove:
    """The groups around the current object of a walk through a file.

    Each name in each group is looked up once at most, and only in the nearest groups. So the time
    is linear, however deep groups are nested, and whatever attributes name.
    """

    def __init__(self) -> None:
        self._levels: list[_Level] = []

    def enter(self, prefix: str, group: h5py.Group, names: Collection[str]) -> None:
        """Enter a group, whose members come next.

        Args:
            prefix: The prefix of the paths of its members.
            group: The group.
            names: The names of its links.
        """
        if self._levels:
            self.leave(prefix)
        self._levels.append(_Level(prefix, group, names, {}))

    def leave(self, path: str) -> h5py.Group:
        """Leave the groups that do not contain an object; return the one that does."""
        while not path.startswith(self._levels[-1].prefix):
            self._levels.pop()
        return self._levels[-1].group

    def dataset(self, name: str) -> int | None:
        """Return the address of a dataset, searching the innermost group first.

        Args:
            name: The name of the dataset, or its path from a group.
        """
        if name.startswith("/"):
            return _dataset_in(self._levels[0].group, name)
        first = name.removeprefix("./").partition("/")[0]
        for level in islice(reversed(self._levels), _MOST_LEVELS):
            if first in level.names:
                if name not in level.datasets:
                    level.datasets[name] = _dataset_in(level.group, name)
                if (found := level.datasets[name]) is not None:
                    return found
        return None


def _dataset_in(group: h5py.Group, name: str) -> int | None:
    """Return the address of a dataset in a group; None if there is no such dataset."""
    item = found_in(group, name)
    return address_of(item) if isinstance(item, h5py.Dataset) else None


def found_in(group: h5py.Group, name: str) -> object:
    """Return the object with a name in a group; None if it is missing or in another file."""
    try:
        return own_object(group, name)
    except UNREADABLE:
        return None


def address_of(dataset: h5py.Dataset) -> int:
    """Return the address of a dataset in its file."""
    return int(h5o.get_info(dataset.id).addr)


def is_bare_dimension(dataset: h5py.Dataset) -> bool:
    """Return whether a dataset is a NetCDF dimension without a variable, and has no values."""
    return bool(
        h5ds.is_scale(dataset.id) and h5ds.get_scale_name(dataset.id).startswith(_DIMENSION)
    )


def is_indexes(path: str, group: h5py.Group) -> bool:
    """Return whether a group holds the indexes of a table."""
    if not path.rpartition("/")[2].startswith(_INDEX_PREFIX):
        return False
    try:
        return _holds_indexes(group)
    except UNREADABLE:
        return False


def _holds_indexes(group: h5py.Group | None) -> bool:
    return group is not None and bool(group.attrs.get("CLASS") == b"TINDEX")


def index_of(file: h5py.File, path: str, member: str) -> str | None:
    """Return the path of the index of a member of a table, if there is one."""
    folder, _, name = path.rpartition("/")
    indexes = f"{folder}/{_INDEX_PREFIX}{name}"
    if not _holds_indexes(group_at(file, indexes)):
        return None
    index = f"{indexes}/{member.replace('.', '/')}"
    return None if group_at(file, index) is None else index


def mark_out_of_date(file: h5py.File, path: str) -> None:
    """Mark an index as out of date, so that PyTables rebuilds it before using it."""
    index = h5o.open(file.id, stored_name(path))
    truth: Any = np.array(1, np.int32)
    if h5a.exists(index, _OUT_OF_DATE):
        h5a.open(index, _OUT_OF_DATE).write(truth)
        return
    h5a.create(index, _OUT_OF_DATE, h5t.NATIVE_INT32, h5s.create(h5s.SCALAR)).write(truth)


class Roles:
    """The roles of the datasets of a file.

    Args:
        file: The file; its attributes are read here, its objects are given to `look_at`.

    Attributes:
        netcdf: Whether it is a NetCDF file.
        structure: The noun for each dataset that never gets noise, by its address.
        categories: The number of categories of each dataset of codes, by its address.
        masks: The mask of missing values of each dataset that has one, by its address.
    """

    def __init__(self, file: h5py.File) -> None:
        self.netcdf = "_NCProperties" in file.attrs or file.filename.endswith(_NETCDF_SUFFIXES)
        self._by_address: dict[int, str] = {}
        self._members: dict[tuple[int, str], str] = {}
        self.structure: dict[int, str] = {}
        self.categories: dict[int, int] = {}
        self.masks: dict[int, h5py.Dataset] = {}
        self._nwb = "nwb_version" in file.attrs
        self._index: str | None = None
        self._above = GroupsAbove()
        self._look_at_group("", file)

    def look_at(self, path: str, item: ObjectID) -> None:
        """Record the roles that follow from an object; a group's members come right after it."""
        if self._index is not None and not path.startswith(self._index):
            self._index = None
        if isinstance(item, h5g.GroupID):
            group = h5py.Group(item)
            if self._index is None and is_indexes(path, group):
                self._index = f"{path}/"
            self._look_at_group(f"{path}/", group)
            return
        if isinstance(item, h5d.DatasetID) and self._index is not None:
            self.structure.setdefault(int(h5o.get_info(item).addr), "a part of a PyTables index")
        if isinstance(item, h5d.DatasetID) and h5a.get_num_attrs(item):
            self._look_at_dataset(path, h5py.Dataset(item))

    def role(self, address: int, member: str | None) -> str:
        """Return the role of a dataset or its member, or an empty string.

        Args:
            address: The dataset's address.
            member: The member, or None for the dataset itself.
        """
        own = "" if member is None else self._members.get((address, member), "")
        return own or self._by_address.get(address, "")

    def _note(self, group: h5py.Group, names: Iterable[str], role: str) -> None:
        for name in names:
            if (address := _dataset_in(group, name)) is not None:
                self._by_address.setdefault(address, role)

    def _look_at_group(self, prefix: str, group: h5py.Group) -> None:
        names = set(group)
        self._above.enter(prefix, group, names)
        attributes = set(group.attrs)
        for parts in _SPARSE_PARTS:
            if names.issuperset(parts):
                for name in (*parts[1:], "shape"):
                    if (address := _dataset_in(group, name)) is not None:
                        self.structure[address] = _SPARSE
        self._look_at_nexus(group, attributes)
        if self._nwb or "neurodata_type" in attributes:
            self._note(group, names.intersection(_NWB_TIMES), "times of NWB")
        if names >= {"codes", "categories"}:
            self._look_at_categories(group)
        if "encoding-type" in attributes:
            self._look_at_anndata(group, names)
        if "pandas_type" in attributes:
            self._look_at_pandas(group, names)
        if "coordinates" in attributes:
            self._note(group, _words(group.attrs, "coordinates"), CF_ROLES["coordinates"])

    def _look_at_categories(self, group: h5py.Group) -> None:
        self._note(group, ["codes"], _CODES)
        self._note(group, ["categories"], _CATEGORIES)
        categories, address = found_in(group, "categories"), _dataset_in(group, "codes")
        if isinstance(categories, h5py.Dataset) and address is not None:
            self.categories[address] = int(categories.size or 0)

    def _look_at_nexus(self, group: h5py.Group, attributes: set[str]) -> None:
        nexus = _text(group.attrs, "NX_class") if "NX_class" in attributes else ""
        if nexus == "NXlog":
            self._note(group, ["time"], _AXIS)
        if nexus == "NXdata" or attributes >= {"signal", "axes"}:
            signal = _text(group.attrs, "signal") if "signal" in attributes else ""
            axes = _words(group.attrs, "axes") if "axes" in attributes else []
            axes += [name.removesuffix("_indices") for name in attributes]
            self._note(group, [name for name in axes if name != signal], _AXIS)

    def _look_at_anndata(self, group: h5py.Group, names: set[str]) -> None:
        kind = _text(group.attrs, "encoding-type")
        if kind == "dataframe":
            self._note(group, _words(group.attrs, "_index", None), "an index of AnnData")
        elif kind.startswith("nullable"):
            self._note(group, ["mask"], "a mask of missing values")
            mask, address = found_in(group, "mask"), _dataset_in(group, "values")
            if isinstance(mask, h5py.Dataset) and address is not None:
                self.masks[address] = mask
        if "__categories" in names:
            inner = found_in(group, "__categories")
            if isinstance(inner, h5py.Group):
                self._note(inner, list(inner), _CATEGORIES)

    def _look_at_pandas(self, group: h5py.Group, names: set[str]) -> None:
        kind = _text(group.attrs, "pandas_type")
        if not kind.endswith("table") and "table" not in names:
            others = [name for name in names if not _PANDAS_VALUES.fullmatch(name)]
            self._note(group, others, _PANDAS)
            return
        table = found_in(group, "table")
        if not isinstance(table, h5py.Dataset):
            return
        if "/meta/" in f"{group.name}/":
            self._by_address[address_of(table)] = _CATEGORIES
        for member in ("index", *_unpickled_texts(group.attrs, "levels")):
            self._members[address_of(table), member] = _PANDAS

    def _note_named(self, dataset: h5py.Dataset, attributes: Iterable[str]) -> None:
        """Record the variables that CF attributes name, in the dataset's group or one above."""
        for attribute in attributes:
            for word in _words(dataset.attrs, attribute):
                if (address := self._above.dataset(word)) is not None:
                    self._by_address.setdefault(address, CF_ROLES[attribute])

    def _look_at_dataset(self, path: str, dataset: h5py.Dataset) -> None:
        parent = self._above.leave(path)
        if any(h5a.exists(dataset.id, name) for name in _NETCDF_OF_DATASETS):
            self.netcdf = True
        if h5ds.is_scale(dataset.id):
            if is_bare_dimension(dataset):
                self.netcdf = True
            self._by_address.setdefault(address_of(dataset), "a dimension scale")
        names = set(dataset.attrs)
        self._note_named(dataset, names.intersection(CF_ROLES))
        if "axes" in names and "signal" in names:
            self._note(parent, _words(dataset.attrs, "axes"), _AXIS)
        if "axis" in names and "NX_class" in parent.attrs:
            self._by_address.setdefault(address_of(dataset), _AXIS)
        if "neurodata_type" in names and _text(dataset.attrs, "neurodata_type") in _NWB_INDEXES:
            self._by_address.setdefault(address_of(dataset), "an index of NWB")
        if "categories" in names:  # of AnnData before 0.7
            self._by_address.setdefault(address_of(dataset), _CODES)


def read_attribute(attributes: h5py.AttributeManager, name: str) -> object:
    """Return an attribute, or an empty string if h5py cannot read it."""
    try:
        return attributes[name]
    except (OSError, TypeError, ValueError, KeyError):
        return ""


def _texts(value: object) -> Iterator[str]:
    """Yield the texts of an attribute, which holds one or several."""
    several = value.reshape(-1).tolist() if hasattr(value, "reshape") else [value]
    for text in several:
        if isinstance(text, bytes):
            yield text.decode("utf-8", "replace")
        elif isinstance(text, str):
            yield text


def _text(attributes: h5py.AttributeManager, name: str) -> str:
    return next(_texts(read_attribute(attributes, name)), "")


def _words(
    attributes: h5py.AttributeManager, name: str, apart: str | None = r"[\s:,\[\]]+"
) -> list[str]:
    """Return the names in an attribute: its texts, or their parts if split by a pattern."""
    texts = list(_texts(read_attribute(attributes, name)))
    if apart is None:
        return texts
    return [word for text in texts for word in re.split(apart, text) if word and word != "."]


def _unpickled_texts(attributes: h5py.AttributeManager, name: str) -> list[str]:
    """Return the texts in a pickled attribute without unpickling it."""
    if name not in attributes:
        return []
    data = read_attribute(attributes, name)
    if not isinstance(data, bytes):
        return list(_texts(data))
    try:
        return [argument for _, argument, _ in pickletools.genops(data) if type(argument) is str]
    except (ValueError, UnicodeDecodeError):
        return []
