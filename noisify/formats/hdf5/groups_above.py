"""Look up the variables that NetCDF attributes name in the groups around an object."""

from __future__ import annotations

from typing import TYPE_CHECKING

import h5py
from h5py import h5o

from noisify.core.value_class import frozen
from noisify.formats.hdf5.tree import UNREADABLE, own_object

if TYPE_CHECKING:
    from collections.abc import Collection

_LEVELS_OF_PATHS = 100
"""The most groups to search for a path of several names."""


@frozen
class _Level:
    """A group around an object.

    Attributes:
        prefix: The prefix of the paths of its members.
        group: The group.
        names: The names of its links.
        datasets: The address found for each name looked up here, or None if there is no such
            dataset.
    """

    prefix: str
    group: h5py.Group
    names: Collection[str]
    datasets: dict[str, int | None]


class GroupsAbove:
    """The groups around the current object of a walk through a file.

    Each name in each group is looked up once at most. So the time is linear, however deep groups
    are nested, and whatever attributes name.
    """

    def __init__(self) -> None:
        self._levels: list[_Level] = []
        self._by_name: dict[str, list[_Level]] = {}

    def enter(self, prefix: str, group: h5py.Group, names: Collection[str]) -> None:
        """Enter a group, whose members come next.

        Args:
            prefix: The prefix of the paths of its members.
            group: The group.
            names: The names of its links.
        """
        if self._levels:
            self.leave(prefix)
        level = _Level(prefix, group, names, {})
        self._levels.append(level)
        for name in names:
            self._by_name.setdefault(name, []).append(level)

    def leave(self, path: str) -> h5py.Group:
        """Leave the groups that do not contain an object; return the one that does."""
        while not path.startswith(self._levels[-1].prefix):
            for name in self._levels.pop().names:
                self._by_name[name].pop()
        return self._levels[-1].group

    def dataset(self, name: str) -> int | None:
        """Return the address of a dataset, searching the innermost group first.

        Args:
            name: The name of the dataset, or its path from a group.
        """
        if name.startswith("/"):
            return _dataset_in(self._levels[0].group, name)
        first, _, rest = name.removeprefix("./").partition("/")
        levels = self._by_name.get(first, [])
        if rest:
            return self._by_path(levels[-_LEVELS_OF_PATHS:], name)
        seen, found = [], None
        for level in reversed(levels):
            if first in level.datasets:
                found = level.datasets[first]
                break
            seen.append(level)
            found = _dataset_in(level.group, first)
            if found is not None:
                break
        for level in seen:
            level.datasets[first] = found
        return found

    def _by_path(self, levels: list[_Level], path: str) -> int | None:
        for level in reversed(levels):
            if (found := _dataset_in(level.group, path)) is not None:
                return found
        return None


def _dataset_in(group: h5py.Group, name: str) -> int | None:
    """Return the address of a dataset in a group; None if there is no such dataset."""
    item = found_in(group, name)
    return address_of(item) if isinstance(item, h5py.Dataset) else None


def found_in(group: h5py.Group, name: str) -> object:
    """Return the object of a name in a group, or None if it is missing or in another file."""
    try:
        return own_object(group, name)
    except UNREADABLE:
        return None


def address_of(dataset: h5py.Dataset) -> int:
    """Return the address of a dataset in its file."""
    return int(h5o.get_info(dataset.id).addr)
