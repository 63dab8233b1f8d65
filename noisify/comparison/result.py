"""The result of a comparison, as an object, text, HTML and JSON."""

from __future__ import annotations

import math
from dataclasses import field
from html import escape
from typing import TYPE_CHECKING, Any, TypeVar

from noisify.comparison.figures import LabelFigures, NumberFigures, as_json
from noisify.core.errors import printable
from noisify.core.value_class import frozen

if TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence

    from noisify.comparison.figures import Figures


Kind = TypeVar("Kind", NumberFigures, LabelFigures)
BLOCKS = " ▁▂▃▄▅▆▇█"
_CHANGE = (
    "change of", "changed", "lost", "added", "mean", "sd", "rmse", "largest", "SNR dB", "corr",
    "KS", "histogram",
)  # fmt: skip
_VALUES = ("before > after", "mean", "sd", "min", "max")
_LONGEST_NAME = 24
_LONGEST_LABEL = 20
_LONGEST_TEXT = 40


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
        parts += map(_html_table, _number_tables(self.fields))
        for name, figures in changed_fields(self.fields, LabelFigures).items():
            parts.append(_paragraph(_label_line(name, figures)))
            if figures.labels:
                parts.append(_html_table(_confusion(figures)))
            else:
                parts += map(_paragraph, example_lines(figures))
        lines = [*_identical_lines(self.fields), *self._lost_and_added(), *self._not_compared()]
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
        lines = [*self._head_lines(), *_field_lines(self.fields)]
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


def _field_lines(fields: Mapping[str, Figures]) -> list[str]:
    """Return what changed in each field: tables of numbers, then labels, then what is identical."""
    lines: list[str] = []
    for table in _number_tables(fields):
        lines += ["", *text_table(table)]
    for name, figures in changed_fields(fields, LabelFigures).items():
        lines += ["", _label_line(name, figures)]
        more = text_table(_confusion(figures)) if figures.labels else example_lines(figures)
        lines += ["  " + line for line in more]
    for line in _identical_lines(fields):
        lines += ["", line]
    return lines


def _number_tables(fields: Mapping[str, Figures]) -> list[list[tuple[str, ...]]]:
    """Return what changed in fields of numbers, and their statistics: two tables, heads first."""
    numbers = changed_fields(fields, NumberFigures)
    if not numbers:
        return []
    return [
        [_CHANGE, *(_change_cells(*item) for item in numbers.items())],
        [_VALUES, *(_value_cells(*item) for item in numbers.items())],
    ]


def changed_fields(fields: Mapping[str, Figures], kind: type[Kind]) -> dict[str, Kind]:
    """Return the figures of the fields of one kind that changed."""
    changed = ((name, one) for name, one in fields.items() if not one.identical)
    return {name: one for name, one in changed if isinstance(one, kind)}


def _identical_lines(fields: Mapping[str, Figures]) -> list[str]:
    """Return which fields did not change."""
    lines = []
    for how, meaning in (
        ("bytes", "identical to the byte"),
        ("values", "the same values, in another type or written otherwise"),
    ):
        names = [name for name, one in fields.items() if one.identical == how]
        lines += [f"{meaning}: {', '.join(names)}"] if names else []
    return lines


def bars(counts: Sequence[int]) -> str:
    """Return a histogram in block characters; only an empty bin shows a blank.

    >>> bars([0, 1, 50, 100])
    ' ▁▄█'
    """
    most = max(counts, default=0)
    return "".join(
        BLOCKS[0 if not count else max(1, round(count / most * (len(BLOCKS) - 1)))]
        for count in counts
    )


def _change_cells(name: str, figures: NumberFigures) -> tuple[str, ...]:
    """Return what changed in a field."""
    share = f" {figures.changed / figures.compared:.1%}" if figures.compared else ""
    moved = (figures.change_mean, figures.change_sd, figures.rmse, figures.largest)
    return (
        cut_end(name, _LONGEST_NAME),
        f"{figures.changed:,}{share}",
        f"{figures.lost:,}",
        f"{figures.added:,}",
        *map(_number, moved),
        _number(figures.snr, ".2f"),
        _number(figures.correlation, ".4f"),
        _number(figures.ks, ".4f"),
        bars(figures.histogram[1]),
    )


def _value_cells(name: str, figures: NumberFigures) -> tuple[str, ...]:
    """Return a field's statistics before and after."""
    form, values = ".10g" if figures.is_time else ".4g", vars(figures)
    shown = (
        f"{_number(values[f'{what}_before'], form)} > {_number(values[f'{what}_after'], form)}"
        for what in _VALUES[1:]
    )
    return (cut_end(name, _LONGEST_NAME), *shown)


def _label_line(name: str, figures: LabelFigures) -> str:
    """Return how much of a field of labels or texts changed."""
    share = f" ({figures.changed / figures.compared:.1%})" if figures.compared else ""
    counts = f"{figures.changed:,} of {figures.compared:,} changed{share}"
    return f"{name}: {counts}, {figures.lost:,} lost, {figures.added:,} added"


def _confusion(figures: LabelFigures) -> list[tuple[str, ...]]:
    """Return a table of how often each label became each other one, heads first."""
    heads = [cut_end(label, _LONGEST_LABEL) for label in figures.labels]
    rows = [
        (head, *(f"{count:,}" for count in counts))
        for head, counts in zip(heads, figures.confusion, strict=True)
    ]
    return [("before \\ after", *heads), *rows]


def example_lines(figures: LabelFigures, most: int = _LONGEST_TEXT) -> list[str]:
    """Return what some texts became, each cut to `most` characters."""
    return [
        f"{cut_end(before, most)!r} became {cut_end(after, most)!r}, {count:,}x"
        for before, after, count in figures.examples
    ]


def text_table(rows: Sequence[Sequence[str]], left: Container[int] = (0,)) -> list[str]:
    """Return rows as lines with aligned columns, to the right except those of `left`."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if at in left else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _number(value: float, form: str = ".4g") -> str:
    return "-" if math.isnan(value) else format(value, form)


def cut_end(text: str, most: int) -> str:
    """Return a text of at most `most` characters, ending in … if it was cut."""
    return text if len(text) <= most else f"{text[: most - 1]}…"
