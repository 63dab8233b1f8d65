"""The indexes that PyTables (and pandas with it) keeps of a table's columns, beside the table.

They are groups `_i_TABLE/COLUMN` of arrays with copies of the column's values. Noise is not for
them; once their column has noise they are marked as out of date, or queries would find wrong rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from h5py import h5a, h5s, h5t

from noisify.formats.hdf5.tree import stored_name

if TYPE_CHECKING:
    import h5py

_PREFIX = "_i_"
_CLASS, _INDEXES = "CLASS", b"TINDEX"
_OUT_OF_DATE = b"DIRTY"


def is_in_index(file: h5py.File, path: str) -> bool:
    """Return whether a dataset is a part of an index."""
    parts = path.split("/")
    return any(
        part.startswith(_PREFIX) and _holds_indexes(file[stored_name("/".join(parts[: at + 1]))])
        for at, part in enumerate(parts[:-1])
    )


def _holds_indexes(group: h5py.Group) -> bool:
    return bool(group.attrs.get(_CLASS) == _INDEXES)


def index_of(file: h5py.File, path: str, member: str) -> str | None:
    """Return the path of the index of a member of a table, if there is one."""
    folder, _, name = path.rpartition("/")
    indexes = f"{folder}/{_PREFIX}{name}"
    if stored_name(indexes) not in file or not _holds_indexes(file[stored_name(indexes)]):
        return None
    index = f"{indexes}/{member.replace('.', '/')}"
    return index if stored_name(index) in file else None


def mark_out_of_date(index: h5py.Group) -> None:
    """Mark an index, so that it is not used before it is made anew."""
    truth: Any = np.array(1, np.int32)
    if h5a.exists(index.id, _OUT_OF_DATE):
        h5a.open(index.id, _OUT_OF_DATE).write(truth)
        return
    h5a.create(index.id, _OUT_OF_DATE, h5t.NATIVE_INT32, h5s.create(h5s.SCALAR)).write(truth)
