"""Modules that are imported on first use."""

import importlib
import sys

import pytest


@pytest.fixture
def house(tmp_path, monkeypatch):
    """Return a package with a lazy module `room`, in which there is a size."""
    folder = tmp_path / "house_of_rooms"
    folder.mkdir()
    (folder / "__init__.py").write_text(
        "from noisify.core.lazy import import_lazily\nimport_lazily(__name__, 'room cellar')\n"
    )
    (folder / "room.py").write_text("size = 3\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module(folder.name)
    for name in [name for name in sys.modules if name.startswith(folder.name)]:
        del sys.modules[name]


def test_a_lazy_module_is_imported_on_first_use(house):
    room = house.room
    assert "house_of_rooms.room" not in sys.modules
    assert 3 == room.size
    assert house.room is sys.modules["house_of_rooms.room"]


def test_it_shares_its_module_s_namespace(house, monkeypatch):
    room = house.room
    monkeypatch.setattr(room, "size", 4)
    assert 4 == room.size == sys.modules["house_of_rooms.room"].size
    monkeypatch.undo()
    assert 3 == sys.modules["house_of_rooms.room"].size


def test_an_attribute_is_set_in_the_module_before_its_first_use_too(house):
    house.room.size = 5
    assert 5 == sys.modules["house_of_rooms.room"].size


def test_what_a_module_does_not_have_is_an_attribute_error(house):
    with pytest.raises(AttributeError, match="no attribute 'door'"):
        _ = house.room.door


def test_a_module_that_is_not_there_fails_when_it_is_used(house):
    cellar = house.cellar
    with pytest.raises(ModuleNotFoundError):
        _ = cellar.size
