"""Group and look up fields that are stored together, such as the members of one array."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Sequence

    from noisify.core.chunk import Field

Item = TypeVar("Item")
Place = TypeVar("Place", bound="Hashable")


def united(groups: Iterable[Sequence[Item]], place: Callable[[Item], Hashable]) -> list[list[Item]]:
    """Merge groups that have items stored at the same place.

    >>> united([["a.x"], ["b.x"], ["a.y"]], lambda name: name[0])
    [['b.x'], ['a.x', 'a.y']]
    """
    merged: dict[int, list[Item]] = {}
    owners: dict[Hashable, int] = {}
    for number, group in enumerate(groups):
        places = {place(item) for item in group}
        joined = [*group]
        for other in sorted({owners[one] for one in places if one in owners}):
            found = merged.pop(other)
            joined = found + joined
            places.update(map(place, found))
        merged[number] = joined
        owners.update(dict.fromkeys(places, number))
    return list(merged.values())


class FieldsByPlace(Generic[Place]):
    """Finds the wanted fields that are stored at given places, with an index instead of a search.

    Args:
        place: Returns the place where a field is stored.
    """

    def __init__(self, place: Callable[[Field], Place]) -> None:
        self._place = place
        self._known: tuple[Sequence[Field], dict[Place, list[tuple[int, Field]]]] = ((), {})

    def at(self, places: Iterable[Place], wanted: Sequence[Field]) -> list[Field]:
        """Return the wanted fields at some places, in the order of `wanted`.

        Args:
            places: The places, without repeats.
            wanted: The wanted fields; the index is kept as long as it is the same sequence.
        """
        known, by_place = self._known
        if known is not wanted:
            by_place = {}
            for number, field in enumerate(wanted):
                by_place.setdefault(self._place(field), []).append((number, field))
            self._known = wanted, by_place
        found = [pair for one in places for pair in by_place.get(one, ())]
        return [field for _, field in sorted(found, key=lambda pair: pair[0])]
