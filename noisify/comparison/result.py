"""The result of a comparison, as an object, text, HTML and JSON."""

from __future__ import annotations

from dataclasses import field
from html import escape
from typing import TYPE_CHECKING, Any

from noisify.comparison.figures import LabelFigures, as_json
from noisify.comparison.listing import (
    changed_fields,
    confusion,
    example_lines,
    field_lines,
    identical_lines,
    label_line,
    number_tables,
)
from noisify.core.errors import printable
from noisify.core.value_class import frozen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from noisify.comparison.figures import Figures


@frozen
class Comparison:
    """What changed between two files.

    Attributes:
        before: The first file's name.
        after: The second's.
        fields: The figures of each field that both have, in the order of the first.
        rows_lost: Rows or elements of the first file that are missing in the second.
        rows_added: Rows or elements of the second that are missing in the first.
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

    def _repr_html_(self) -> str:
        """Return the comparison as HTML, as a notebook shows it."""
        first, *others = self._head_lines()
        parts = [f"<p><b>{escape(printable(first))}</b></p>", *map(_paragraph, others)]
        parts += map(_html_table, number_tables(self.fields))
        for name, figures in changed_fields(self.fields, LabelFigures).items():
            parts.append(_paragraph(label_line(name, figures)))
            if figures.labels:
                parts.append(_html_table(confusion(figures)))
            else:
                parts += map(_paragraph, example_lines(figures))
        lines = [*identical_lines(self.fields), *self._lost_and_added(), *self._not_compared()]
        parts += map(_paragraph, lines)
        return f"<div>{''.join(parts)}</div>"

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
        lines = [*self._head_lines(), *field_lines(self.fields)]
        for line in self._lost_and_added():
            lines += ["", line]
        return lines + self._not_compared()

    def _head_lines(self) -> list[str]:
        lines = [f"{self.before} -> {self.after}"]
        if self.rows_lost + self.rows_added:
            how = (
                "rows were matched by what they hold"
                if self.aligned
                else "the first was compared with the first, and so on"
            )
            lines.append(f"{self.rows_lost:,} lost, {self.rows_added:,} added; {how}")
        return lines

    def _lost_and_added(self) -> list[str]:
        lost = [f"only in the first: {', '.join(self.fields_lost)}"] if self.fields_lost else []
        added = [f"only in the second: {', '.join(self.fields_added)}"] if self.fields_added else []
        return lost + added

    def _not_compared(self) -> list[str]:
        return [f"not compared: {name}, {why}" for name, why in self.left.items()]


def _paragraph(line: str) -> str:
    return f"<p>{escape(printable(line))}</p>"


def _html_table(rows: Sequence[Sequence[str]]) -> str:
    """Return rows as an HTML table, whose first one has the heads."""
    heads, *others = ([escape(printable(cell)) for cell in row] for row in rows)
    head = "".join(f'<th scope="col">{cell}</th>' for cell in heads)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in others)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
