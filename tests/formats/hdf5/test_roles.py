"""Variables that attributes name are found in the groups above, in linear time."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from noisify.formats.hdf5 import roles
from noisify.formats.hdf5.roles import Roles
from noisify.formats.hdf5.tree import Tree


def roles_of(file: h5py.File) -> dict[str, str]:
    """Return the role of each dataset with one, by its path."""
    roles = Roles(file)
    tree = Tree.of(file, roles.look_at)
    found = {p: roles.role(h5py.h5o.get_info(file[p].id).addr, None) for p in tree.datasets}
    return {path: role for path, role in found.items() if role}


@pytest.fixture
def file(tmp_path):
    with h5py.File(tmp_path / "in.h5", "w") as file:
        yield file


def add(group: h5py.Group, name: str, coordinates: str = "") -> None:
    group[name] = np.arange(3.0)
    if coordinates:
        group[name].attrs["coordinates"] = coordinates


def test_the_nearest_dataset_of_a_name_is_meant(file):
    add(file, "lat")
    add(file, "lon")
    add(file, "a/lat")
    add(file, "a/b/x", "lat lon nothing")

    assert ["a/lat", "lon"] == list(roles_of(file))


def test_a_group_of_the_name_is_passed_over(file):
    add(file, "lat")
    add(file, "a/lat/inner")
    add(file, "a/lat/deeper/x", "lat")

    assert ["lat"] == list(roles_of(file))


def test_paths_links_and_places_beside(file):
    add(file, "grid/lat")
    add(file, "grid/lon")
    file["above"] = h5py.SoftLink("/grid/lon")
    file["outside"] = h5py.ExternalLink("elsewhere.h5", "/lat")
    add(file, "a/b/x", "grid/lat above outside /a/c/y ./z")
    add(file, "a/c/y")
    add(file, "a/z")
    add(file, "b/z")

    assert ["a/c/y", "a/z", "grid/lat", "grid/lon"] == list(roles_of(file))


def test_a_group_left_is_not_looked_in(file):
    add(file, "a/lat")
    add(file, "a/x", "lat")
    add(file, "b/x", "lat")

    assert ["a/lat"] == list(roles_of(file))


@pytest.mark.parametrize(
    ("words", "lookups"),
    [("none", 0), ("g", 1), ("d", 1), ("g none{at} /abs", 2), ("g/x{at}", 100)],
)
def test_deep_groups_take_as_many_lookups_as_datasets(tmp_path, monkeypatch, words, lookups):
    """Every group holds one of the name, which is not what is meant: each is looked at once."""
    counts, found = [], roles.own_object
    for depth in (100, 200):
        calls = []

        def counted(*where, calls=calls):
            calls.append(where)
            return found(*where)

        with h5py.File(tmp_path / f"{depth}.h5", "w") as file:
            group: h5py.Group = file
            for at in range(depth):
                add(group, "d", words.format(at=at))
                group = group.create_group("g")
            with monkeypatch.context() as patch:
                patch.setattr(roles, "own_object", counted)
                roles_of(file)
        counts.append(len(calls))

    assert counts[1] - counts[0] <= lookups * 100
