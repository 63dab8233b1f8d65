from collections import Counter

import pytest

from noisify.core.chunk import Field
from noisify.formats.colocated import FieldsByPlace, united

FIELDS = [Field(name, "float", "float64") for name in ("b.x", "a.x", "b.y", "c", "a.y")]


def array_of(field: Field) -> str:
    return field.name.partition(".")[0]


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        pytest.param([], [], id="none"),
        pytest.param([["a1"], ["b1"]], [["a1"], ["b1"]], id="apart"),
        pytest.param([["a1"], ["b1"], ["a2"]], [["b1"], ["a1", "a2"]], id="one-place"),
        pytest.param(
            [["a1"], ["b1"], ["c1"], ["a2", "c2"]],
            [["b1"], ["c1", "a1", "a2", "c2"]],
            id="one-joins-two",
        ),
        pytest.param(
            [["a1", "b1"], ["c1"], ["b2", "c2"], ["a2"]],
            [["c1", "a1", "b1", "b2", "c2", "a2"]],
            id="by-way-of-another",
        ),
    ],
)
def test_groups_with_a_place_in_common_become_one(groups, expected):
    assert expected == united(groups, lambda item: item[0])


def test_fields_come_in_the_order_in_which_they_are_wanted():
    index = FieldsByPlace(array_of)

    assert ["b.x", "a.x", "b.y", "a.y"] == [f.name for f in index.at(["a", "b"], FIELDS)]
    assert ["a.x", "a.y"] == [field.name for field in index.at(["a", "other"], FIELDS)]
    assert ["a.y"] == [field.name for field in index.at(["a"], FIELDS[4:])]
    assert [] == index.at(["a"], [])


def test_fields_are_looked_through_once_however_many_pieces_there_are():
    asked = Counter()

    def noted(field: Field) -> str:
        asked[field.name] += 1
        return array_of(field)

    index = FieldsByPlace(noted)
    for place in ("a", "b", "c") * 10:
        index.at([place], FIELDS)

    assert {field.name: 1 for field in FIELDS} == asked
