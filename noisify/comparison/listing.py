"""Show a comparison as text: tables of numbers, then labels and texts, then identical fields."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeVar

from noisify.comparison.figures import LabelFigures, NumberFigures

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


def field_lines(fields: Mapping[str, Figures]) -> list[str]:
    """Return what changed in each field: tables of numbers, then labels, then what is identical."""
    lines: list[str] = []
    for table in number_tables(fields):
        lines += ["", *text_table(table)]
    for name, figures in changed_fields(fields, LabelFigures).items():
        lines += ["", label_line(name, figures)]
        more = text_table(confusion(figures)) if figures.labels else example_lines(figures)
        lines += ["  " + line for line in more]
    for line in identical_lines(fields):
        lines += ["", line]
    return lines


def number_tables(fields: Mapping[str, Figures]) -> list[list[tuple[str, ...]]]:
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


def identical_lines(fields: Mapping[str, Figures]) -> list[str]:
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


def label_line(name: str, figures: LabelFigures) -> str:
    """Return how much of a field of labels or texts changed."""
    share = f" ({figures.changed / figures.compared:.1%})" if figures.compared else ""
    counts = f"{figures.changed:,} of {figures.compared:,} changed{share}"
    return f"{name}: {counts}, {figures.lost:,} lost, {figures.added:,} added"


def confusion(figures: LabelFigures) -> list[tuple[str, ...]]:
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
