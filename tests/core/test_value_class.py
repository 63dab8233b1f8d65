"""Test that our frozen classes behave like dataclasses."""

from dataclasses import dataclass, field, fields, replace

import pytest

from noisify.core.value_class import frozen


@frozen
class Point:
    x: int
    y: int = 2


@frozen(kw_only=True)
class Named(Point):
    name: str
    cache: dict = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True)
class Plain:
    x: int
    y: int = 2


def test_equality_and_hash_are_those_of_a_dataclass():
    assert Point(1) == Point(1, 2)
    assert Point(1) != Point(2)
    assert Point(1) != Plain(1)
    assert (Point(1) == 1) is False
    assert hash(Point(1)) == hash(Plain(1))
    assert Named(x=1, name="a", cache={1: 2}) == Named(x=1, name="a")
    assert Named(x=1, name="a") != Named(x=1, name="b")
    assert len({Named(x=1, name="a", cache={1: 2}), Named(x=1, name="a")}) == 1
    assert Named(x=1, name="a") != Point(1)


def test_representation_and_fields_are_those_of_a_dataclass():
    assert repr(Point(1)) == "Point(x=1, y=2)"
    assert repr(Named(x=1, name="a")) == "Named(x=1, y=2, name='a')"
    assert [one.name for one in fields(Named)] == ["x", "y", "name", "cache"]
    assert replace(Point(1), y=5) == Point(1, 5)


def test_keywords_are_required():
    with pytest.raises(TypeError):
        Named(1, 2, "a")


def test_slots_leave_no_dictionary():
    @frozen(slots=True)
    class Small:
        x: int

    assert not hasattr(Small(1), "__dict__")
    assert Small(1) == Small(1)
    assert repr(Small(1)).endswith("Small(x=1)")


def test_keeps_its_own_methods():
    @frozen
    class Loud:
        x: int

        def __repr__(self):
            return "LOUD"

    assert repr(Loud(1)) == "LOUD"
