"""What noise did to each field: counted in every run, measured if asked."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from noisify.core.lazy import LazyModule

if TYPE_CHECKING:
    from noisify.statistics import moments
    from noisify.statistics.moments import BlockMoments, BlockPieces, Moments
else:
    moments = LazyModule("noisify.statistics.moments")


@dataclass
class Counts:
    """What noise met and did in one field, counted.

    Attributes:
        elements: All elements.
        nulls: Those that are null or not finite, and were left alone.
        unparseable: Those that do not parse as the field's type, and were left alone.
        first_unparseable: The text of the first of those.
        met: Those that met a step's condition, if one has any.
        changed: Those that are other than before.
        erased: Those of them that are null now.
        clipped: Those that `--clip` kept within its bounds.
        saturated: Those that came to the end of their type's range.
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
    """What noise did to one field in one chunk, and if measured the values and their change."""

    signal: BlockPieces | None = None
    change: BlockPieces | None = None

    def __add__(self, other: Tally) -> Tally:
        """Return both together, for two columns over the same positions."""
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
    """What noise did to one field in all; chunks are added in order."""

    signal: BlockMoments | None = field(default=None, repr=False)
    change: BlockMoments | None = field(default=None, repr=False)

    def __iadd__(self, tally: Tally) -> Self:
        """Take in one chunk."""
        self.elements += tally.elements
        self.nulls += tally.nulls
        self.unparseable += tally.unparseable
        self.first_unparseable = self.first_unparseable or tally.first_unparseable
        self.met += tally.met
        self.changed += tally.changed
        self.erased += tally.erased
        self.clipped += tally.clipped
        self.saturated += tally.saturated
        if tally.signal is not None and tally.change is not None:
            self.signal = self.signal or moments.BlockMoments()
            self.change = self.change or moments.BlockMoments()
            self.signal += tally.signal
            self.change += tally.change
        return self

    def as_json(self) -> dict[str, Any]:
        """Return the field as it stands in a report."""
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
            "change_sd": _finite_or_none(change.sd),
            "snr_db": snr(signal, change),
        }


def snr(signal: Moments, noise: Moments) -> float | None:
    """Return 10 log10(signal power / noise power) in dB, or None where it has no finite value."""
    powers = signal.scaled_power, noise.scaled_power
    if not all(0 < power < math.inf for power in powers):
        return None
    decibels = 10 * (math.log10(powers[0]) - math.log10(powers[1]))
    return decibels + 20 * math.log10(2) * (signal.exponent - noise.exponent)


def _finite_or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None
