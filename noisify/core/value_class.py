"""Frozen dataclasses that are quick to define."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar, dataclass_transform, overload

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed import DataclassInstance

T = TypeVar("T")


@overload
@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen(cls: type[T], /) -> type[T]: ...
@overload
@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen(*, kw_only: bool = False, slots: bool = False) -> Callable[[type[T]], type[T]]: ...
def frozen(cls: type[T] | None = None, /, **options: bool) -> Any:
    """Make a class a dataclass that is frozen for the type checker only.

    `dataclass(frozen=True)` compiles six methods per class, in 0.25 ms; for the sixty such classes
    of a run that is a seventh of the start-up time. Here only `__init__` is compiled; equality,
    hash and representation are shared functions. A run defines few models, so these use
    `dataclass(frozen=True)`.

    Args:
        cls: The class.
        options: `kw_only` and `slots`, as in `dataclass`.
    """

    def made(cls: type[T]) -> type[T]:
        made = dataclass(cls, eq=False, repr=False, **options)
        for name, method in _SHARED.items():
            if name not in vars(cls):
                setattr(made, name, method)
        return made

    return made if cls is None else made(cls)


@cache
def _compared(cls: type[DataclassInstance]) -> Callable[[object], object]:
    """Return a function that returns the compared attributes of an instance."""
    names = [one.name for one in fields(cls) if one.compare]
    return attrgetter(*names) if names else lambda _: ()


def _eq(self: DataclassInstance, other: object) -> object:
    if other.__class__ is not self.__class__:
        return NotImplemented
    compared = _compared(type(self))
    return compared(self) == compared(other)


def _hash(self: DataclassInstance) -> int:
    return hash(_compared(type(self))(self))


def _repr(self: DataclassInstance) -> str:
    said = [f"{one.name}={getattr(self, one.name)!r}" for one in fields(self) if one.repr]
    return f"{type(self).__qualname__}({', '.join(said)})"


_SHARED = {"__eq__": _eq, "__hash__": _hash, "__repr__": _repr}
