"""Find the indexes that PyTables, and pandas with it, keeps of a table's columns.

They are groups `_i_TABLE/COLUMN` of arrays with copies of the column's values. They get no noise.
Those of columns with noise are marked as out of date, or queries would find wrong rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from h5py import h5a, h5o, h5s, h5t

from noisify.formats.hdf5.tree import UNREADABLE, group_at, stored_name

if TYPE_CHECKING:
    import h5py

_PREFIX = "_i_"
_CLASS, _INDEXES = "CLASS", b"TINDEX"
_OUT_OF_DATE = b"DIRTY"


def is_indexes(path: str, group: h5py.Group) -> bool:
    """Return whether a group holds the indexes of a table."""
    if not path.rpartition("/")[2].startswith(_PREFIX):
        return False
    try:
        return _holds_indexes(group)
    except UNREADABLE:
        return False


def _holds_indexes(group: h5py.Group | None) -> bool:
    return group is not None and bool(group.attrs.get(_CLASS) == _INDEXES)


def index_of(file: h5py.File, path: str, member: str) -> str | None:
    """Return the path of the index of a member of a table, if there is one."""
    folder, _, name = path.rpartition("/")
    indexes = f"{folder}/{_PREFIX}{name}"
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
