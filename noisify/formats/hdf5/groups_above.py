"""The groups around an object, in which NetCDF looks for the variables that attributes name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import h5py
from h5py import h5o

from noisify.core.value_class import frozen
from noisify.formats.hdf5.tree import UNREADABLE, own_object

if TYPE_CHECKING:
    from collections.abc import Collection

_LEVELS_OF_PATHS = 100
"""The most groups to look in for a path of several names, which nothing limits otherwise."""


@frozen
class _Level:
    """A group around an object.

    Attributes:
        prefix: The start of the paths of all that is in it.
        group: The group.
        names: The names of its links.
        datasets: The addresses of the datasets that names were found to mean here; None: none.
    """

    prefix: str
    group: h5py.Group
    names: Collection[str]
    datasets: dict[str, int | None]


class GroupsAbove:
    """The groups around the object that a walk through a file is at, group by group.

    Each name in each group is looked at once at most, so that it takes linear time however deep
    groups are nested, and whatever attributes name.
    """

    def __init__(self) -> None:
        self._levels: list[_Level] = []
        self._by_name: dict[str, list[_Level]] = {}

    def enter(self, prefix: str, group: h5py.Group, names: Collection[str]) -> None:
        """Enter a group; what is in it comes next.

        Args:
            prefix: The start of the paths of all that is in it.
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
        """Leave the groups that an object is not in; return the group that it is in."""
        while not path.startswith(self._levels[-1].prefix):
            for name in self._levels.pop().names:
                self._by_name[name].pop()
        return self._levels[-1].group

    def dataset(self, name: str) -> int | None:
        """Return the address of a dataset, looked for in each group, the innermost first.

        Args:
            name: Its name, or its path from a group.
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
    """Return what has a name in a group, or None for what is in another file or nowhere."""
    try:
        return own_object(group, name)
    except UNREADABLE:
        return None


def address_of(dataset: h5py.Dataset) -> int:
    """Return the address of a dataset in its file."""
    return int(h5o.get_info(dataset.id).addr)
