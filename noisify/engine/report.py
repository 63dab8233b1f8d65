"""What was done and what noise did to each field: counted, or measured on what was written."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from noisify.core.value_class import frozen
from noisify.core.version import VERSION

if TYPE_CHECKING:
    from noisify.plan.plan import Plan
    from noisify.statistics.moments import BlockMoments, BlockPieces

REPORT_VERSION = 1
_LIBRARIES = ("numpy", "pyarrow", "h5py", "pandas")


@dataclass
class Counts:
    """What noise met and did in one field, counted.

    Attributes:
        elements: All elements.
        nulls: Those that are null or not finite, and were left alone.
        strangers: Those that are not numbers, and were left alone.
        changed: Those that are other than before.
        erased: Those of them that are null now.
        clipped: Those that `--clip` kept within its bounds.
        saturated: Those that came to the end of their type's range.
    """

    elements: int = 0
    nulls: int = 0
    strangers: int = 0
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
            strangers=max(self.strangers, other.strangers),
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

    signal: BlockMoments | None = None
    change: BlockMoments | None = None

    def __iadd__(self, tally: Tally) -> Self:
        """Take in one chunk."""
        self.elements += tally.elements
        self.nulls += tally.nulls
        self.strangers += tally.strangers
        self.changed += tally.changed
        self.erased += tally.erased
        self.clipped += tally.clipped
        self.saturated += tally.saturated
        if tally.signal is not None and tally.change is not None:
            from noisify.statistics.moments import BlockMoments  # noqa: PLC0415 - only if measured

            self.signal = self.signal or BlockMoments()
            self.change = self.change or BlockMoments()
            self.signal += tally.signal
            self.change += tally.change
        return self

    def as_json(self) -> dict[str, Any]:
        """Return the field as it stands in a report."""
        counts: dict[str, Any] = {
            "count": self.elements,
            "nulls": self.nulls,
            "not_numbers": self.strangers,
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
            "snr_db": snr(signal.power, change.power),
        }


def snr(signal_power: float, noise_power: float) -> float | None:
    """Return 10 log10(signal_power / noise_power) in dB, or None where it has no finite value."""
    if not (0 < signal_power < math.inf and 0 < noise_power < math.inf):
        return None
    return 10 * (math.log10(signal_power) - math.log10(noise_power))


@frozen
class RunReport:
    """One file done.

    Attributes:
        input: The input's name.
        output: The output's name.
        format: The format's name.
        plan: What was done.
        fields: What it did, by field.
    """

    input: str
    output: str
    format: str
    plan: Plan
    fields: dict[str, FieldReport] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return the report as plain values for JSON."""
        types = {f.name: f.type_name for f in self.plan.fields}
        return {
            "report_version": REPORT_VERSION,
            "input": self.input,
            "output": self.output,
            "format": self.format,
            "versions": versions(),
            "seed": self.plan.seed,
            "plan": self.plan.as_json(),
            "fields": {
                name: {"type": types.get(name), **report.as_json()}
                for name, report in self.fields.items()
            },
            "left": dict(self.plan.left),
        }

    def as_text(self) -> str:
        """Return the report as JSON text; NaN never occurs in it."""
        import json  # noqa: PLC0415 - few runs need it

        return json.dumps(self.as_json(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def versions() -> dict[str, str]:
    """Return the versions that a run depends on."""
    import platform  # noqa: PLC0415 - few runs need it
    from importlib.metadata import version  # noqa: PLC0415 - a tenth of a small run's time

    found = {"noisify": VERSION, "python": platform.python_version()}
    for library in _LIBRARIES:
        found[library] = version(library)
    return found


def _finite_or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None
