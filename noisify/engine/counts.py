"""Count the effects of noise on each field, and measure them if asked."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from noisify.statistics import tree

if TYPE_CHECKING:
    from noisify.statistics.moments import Moments
    from noisify.statistics.tree import BlockPieces, MomentsTree


@dataclass
class Counts:
    """Numbers of elements of one field by what they were and what noise did to them.

    Attributes:
        elements: All elements.
        nulls: Elements that are null or not finite, and were left alone.
        unparseable: Elements that do not parse as the field's type, and were left alone.
        first_unparseable: The text of the first unparseable element.
        met: Elements that met a step's condition, if there is one.
        changed: Elements that changed.
        erased: Changed elements that became null.
        clipped: Elements that `--clip` kept within its bounds.
        saturated: Elements that reached the end of their type's range.
    """

    elements: int = 0
    nulls: int = 0
    unparseable: int = 0
    first_unparseable: str = ""
    met: int = 0
    changed: int = 0
    erased: int = 0
    clipped: int = 0
    saturated: int = 0


@dataclass
class Tally(Counts):
    """The counts of one field in one chunk and, if measured, its values and their changes."""

    signal: BlockPieces | None = None
    change: BlockPieces | None = None

    def __add__(self, other: Tally) -> Tally:
        """Combine the tallies of two columns over the same positions."""
        return Tally(
            elements=max(self.elements, other.elements),
            nulls=max(self.nulls, other.nulls),
            unparseable=max(self.unparseable, other.unparseable),
            first_unparseable=self.first_unparseable or other.first_unparseable,
            met=max(self.met, other.met),
            changed=self.changed + other.changed,
            erased=self.erased + other.erased,
            clipped=self.clipped + other.clipped,
            saturated=self.saturated + other.saturated,
            signal=other.signal or self.signal,
            change=other.change or self.change,
        )


@dataclass
class FieldReport(Counts):
    """The totals of one field; chunks are added in order."""

    signal: MomentsTree | None = field(default=None, repr=False)
    change: MomentsTree | None = field(default=None, repr=False)

    def __iadd__(self, other: Tally | FieldReport) -> Self:
        """Add one chunk, or the totals of the elements that follow."""
        self.elements += other.elements
        self.nulls += other.nulls
        self.unparseable += other.unparseable
        self.first_unparseable = self.first_unparseable or other.first_unparseable
        self.met += other.met
        self.changed += other.changed
        self.erased += other.erased
        self.clipped += other.clipped
        self.saturated += other.saturated
        if other.signal is not None and other.change is not None:
            self.signal = self.signal or tree.MomentsTree()
            self.change = self.change or tree.MomentsTree()
            self.signal += other.signal
            self.change += other.change
        return self

    def as_json(self) -> dict[str, Any]:
        """Return the field's entry in a JSON report."""
        counts: dict[str, Any] = {
            "count": self.elements,
            "nulls": self.nulls,
            "not_numbers": self.unparseable,
            "changed": self.changed,
            "erased": self.erased,
            "clipped": self.clipped,
            "saturated": self.saturated,
        }
        if self.signal is None or self.change is None:
            return counts
        signal, change = self.signal.total(), self.change.total()
        mean: Any = change.mean
        if isinstance(mean, complex):
            mean = [mean.real, mean.imag]
        return {
            **counts,
            "change_mean": mean if change.count else None,
            "change_sd": change.sd if math.isfinite(change.sd) else None,
            "snr_db": snr(signal, change),
        }


def snr(signal: Moments, noise: Moments) -> float | None:
    """Return 10 log10(signal power / noise power) in dB, or None where it has no finite value."""
    powers = signal.scaled_power, noise.scaled_power
    if not all(0 < power < math.inf for power in powers):
        return None
    decibels = 10 * (math.log10(powers[0]) - math.log10(powers[1]))
    return decibels + 20 * math.log10(2) * (signal.exponent - noise.exponent)
