"""Exchanging two names atomically, and systems without support for it."""

from __future__ import annotations

import ctypes
import sys
from typing import TYPE_CHECKING, Any

import pytest

from noisify.files.folder_output import _CANNOT, exchange

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    one, other = tmp_path / "one", tmp_path / "other"
    for folder in (one, other):
        folder.mkdir()
        (folder / folder.name).touch()
    return one, other


def names(*folders: Path) -> list[str]:
    return [path.name for folder in folders for path in folder.iterdir()]


@pytest.mark.skipif(sys.platform not in {"linux", "darwin"}, reason="no support on this system")
def test_folders_exchange_names(pair: tuple[Path, Path]) -> None:
    assert exchange(*pair)
    assert ["other", "one"] == names(*pair)


@pytest.mark.skipif(sys.platform not in {"linux", "darwin"}, reason="no support on this system")
def test_a_missing_name_is_an_error(tmp_path: Path, pair: tuple[Path, Path]) -> None:
    with pytest.raises(FileNotFoundError) as failure:
        exchange(pair[0], tmp_path / "missing")
    assert str(pair[0]) == failure.value.filename
    assert ["one", "other"] == names(*pair)


class Library:
    """A C library with one function, which fails with an errno, or succeeds for 0."""

    def __init__(self, name: str, number: int) -> None:
        self.calls: list[tuple[Any, ...]] = []
        setattr(self, name, self._call)
        self._number = number

    def _call(self, *arguments: Any) -> int:
        self.calls.append(arguments)
        ctypes.set_errno(self._number)
        return -1 if self._number else 0


def library(monkeypatch: pytest.MonkeyPatch, name: str, number: int, system: str) -> Library:
    made = Library(name, number)
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: made)
    monkeypatch.setattr(sys, "platform", system)
    return made


@pytest.mark.parametrize("name", ["renameat2", "renamex_np"])
@pytest.mark.parametrize("number", sorted(_CANNOT))
def test_a_file_system_without_support_is_not_an_error(
    pair: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, name: str, number: int
) -> None:
    library(monkeypatch, name, number, "linux")
    assert not exchange(*pair)


def test_macos_swaps(pair: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    made = library(monkeypatch, "renamex_np", 0, "darwin")
    assert exchange(*pair)
    [(one, other, flags)] = made.calls
    assert (*map(bytes, pair), 2) == (one, other, flags.value)


@pytest.mark.parametrize(("name", "system"), [("rename", "linux"), ("renameat2", "win32")])
def test_other_systems_have_no_support(
    pair: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, name: str, system: str
) -> None:
    made = library(monkeypatch, name, 0, system)
    assert not exchange(*pair)
    assert [] == made.calls
