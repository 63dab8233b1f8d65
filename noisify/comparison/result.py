"""What a comparison has found."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any

from noisify.comparison.figures import as_json
from noisify.comparison.listing import field_lines
from noisify.core.errors import printable
from noisify.core.value_class import frozen

if TYPE_CHECKING:
    from noisify.comparison.figures import Figures


@frozen
class Comparison:
    """What changed between two files.

    Attributes:
        before: The first file's name.
        after: The second's.
        fields: The figures of each field that both have, in the order of the first.
        rows_lost: Rows or elements of the first file that the second has not.
        rows_added: Rows or elements of the second that the first has not.
        aligned: Whether rows were matched by their contents, since there are fewer or more; else
            the first is compared with the first, and so on.
        fields_lost: Fields that only the first has.
        fields_added: Fields that only the second has.
        left: Fields that were not compared, and why.
        notes: What the user should know of the files.
    """

    before: str
    after: str
    fields: dict[str, Figures]
    rows_lost: int = 0
    rows_added: int = 0
    aligned: bool = False
    fields_lost: tuple[str, ...] = ()
    fields_added: tuple[str, ...] = ()
    left: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Return the comparison as text, as the command prints it."""
        return "\n".join(map(printable, self._lines()))

    def changed(self) -> list[str]:
        """Return the names of the fields that are not identical, those lost and added too."""
        differing = [name for name, figures in self.fields.items() if not figures.identical]
        return [*differing, *self.fields_lost, *self.fields_added]

    def as_json(self) -> dict[str, Any]:
        """Return the comparison as plain values for JSON."""
        return {
            "before": self.before,
            "after": self.after,
            "rows_lost": self.rows_lost,
            "rows_added": self.rows_added,
            "aligned": self.aligned,
            "fields": {name: as_json(figures) for name, figures in self.fields.items()},
            "fields_lost": list(self.fields_lost),
            "fields_added": list(self.fields_added),
            "left": self.left,
            "notes": list(self.notes),
        }

    def _lines(self) -> list[str]:
        lines = [f"{self.before} -> {self.after}"]
        if self.rows_lost + self.rows_added:
            how = (
                "rows were matched by what they hold"
                if self.aligned
                else "the first was compared with the first, and so on"
            )
            lines.append(f"{self.rows_lost:,} lost, {self.rows_added:,} added; {how}")
        lines += field_lines(self.fields)
        for names, meaning in (
            (self.fields_lost, "only in the first"),
            (self.fields_added, "only in the second"),
        ):
            lines += ["", f"{meaning}: {', '.join(names)}"] if names else []
        return lines + [f"not compared: {name}, {why}" for name, why in self.left.items()]
