"""Reports on what noise did to a file."""

from __future__ import annotations

from dataclasses import field
from itertools import islice
from typing import TYPE_CHECKING, Any

from noisify.core.errors import UNWRITTEN
from noisify.core.lazy_libraries import json, metadata, platform
from noisify.core.value_class import frozen
from noisify.core.version import VERSION
from noisify.engine.unchanged import asked_sd, shortfall
from noisify.engine.unchanged import notes as unchanged

if TYPE_CHECKING:
    from noisify.engine.counts import FieldReport
    from noisify.plan.plan import Plan

REPORT_VERSION = 1
_FIELDS_SHOWN = 3
_LIBRARIES = ("numpy", "pyarrow", "h5py", "pandas")


@frozen
class RunReport:
    """The report on one output.

    Attributes:
        input: The input's name.
        output: The output's name.
        format: The format's name.
        plan: The plan that was carried out.
        fields: The effects of noise, by field.
    """

    input: str
    output: str
    format: str
    plan: Plan
    fields: dict[str, FieldReport] = field(default_factory=dict)

    def __repr__(self) -> str:
        """Return one line with the file, the seed, and the changes in its first few fields."""
        changed = [
            f"{name} {report.changed:,} of {report.elements:,}"
            for name, report in islice(self.fields.items(), _FIELDS_SHOWN)
        ]
        if (more := len(self.fields) - len(changed)) > 0:
            changed.append(f"{more} more")
        return (
            f"<{type(self).__name__} {self.input} -> {self.output}, seed {self.plan.seed}, "
            f"changed: {', '.join(changed) or 'nothing'}>"
        )

    def as_json(self) -> dict[str, Any]:
        """Return the report as plain values for JSON."""
        steps = self.plan.steps_by_field()
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
                | ({"asked_sd": asked_sd(steps.get(name, []))} if report.change else {})
                for name, report in self.fields.items()
            },
            "left": dict(self.plan.left),
            "notes": self.notes(verbose=True),
        }

    def notes(self, *, verbose: bool) -> list[str]:
        """Return notes for the user on the effects of noise, one line each.

        Args:
            verbose: Whether to note changes that are much smaller than asked, too.
        """
        found = [f"field {name!r}: {why}" for name, why in unchanged(self.plan, self.fields)]
        steps = self.plan.steps_by_field() if verbose else {}
        for name, report in self.fields.items() if verbose else ():
            if short := shortfall(self.plan, steps.get(name, []), report):
                found.append(f"field {name!r}: {short}")
        return found

    def as_text(self) -> str:
        r"""Return the report as JSON text in valid UTF-8, in which NaN never occurs.

        Undecodable bytes in names become `\udcxx`.
        """
        text = json.dumps(self.as_json(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        text = UNWRITTEN.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
        return text.encode("utf-8", "backslashreplace").decode()


def versions() -> dict[str, str]:
    """Return the versions of noisify, Python and libraries that a run depends on."""
    own = {"noisify": VERSION, "python": platform.python_version()}
    return own | {library: metadata.version(library) for library in _LIBRARIES}
