"""The text of `--preview`: some rows before and after noise, with what changed marked."""

from __future__ import annotations

import os
import shutil
import sys
from itertools import groupby
from typing import TYPE_CHECKING, Any
from unicodedata import combining, east_asian_width

import click
import numpy as np

from noisify.cli.messages import plan_lines
from noisify.cli.shown_values import shown_value
from noisify.core.errors import printable
from noisify.core.value_class import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from noisify.core.chunk import Column
    from noisify.engine.loop import Preview
    from noisify.engine.open_input import OpenInput
    from noisify.formats.interface import NoisyColumn
    from noisify.plan.plan import Plan

_LONGEST_CELL = 24
_LONGEST_NAME = 40
_NARROWEST = 40
_LINES = 24
_GAP = "  "
_MARK = "*"
_CHANGED, _SAME, _TITLE = "1;35", "2", "1"
"""Colours (SGR codes): bold magenta, faint, bold."""


def preview(opened: OpenInput, plan: Plan, found: Preview) -> str:
    """Return the text of a preview for standard output, with colours where it takes them.

    Args:
        opened: The input.
        plan: The plan.
        found: Some rows of its fields.
    """
    width = max(_NARROWEST, shutil.get_terminal_size((80, _LINES)).columns)
    head = plan_lines(opened.input.name, opened.format.name, plan)
    tables = list(_tables(opened, found))
    lines = [line for table in tables for line in _lines(table, width)]
    if not _takes_colours():
        lines = [click.unstyle(line).rstrip() for line in lines]
    some = "" if tables else "\nno field gets noise here"
    legend = f"\n\n{_MARK} changed" if tables else ""
    return "\n".join([*map(printable, head), *lines]) + some + legend + "\n"


def _takes_colours() -> bool:
    """Return whether standard output takes colours; NO_COLOR and FORCE_COLOR override it."""
    if os.environ.get("NO_COLOR"):
        return False
    can = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
    return can or bool(os.environ.get("FORCE_COLOR"))


def _painted(text: str, code: str) -> str:
    """Return a text in a colour."""
    return f"\x1b[{code}m{text}\x1b[0m" if text.strip() else text


@frozen
class _Cell:
    """A value before and after noise."""

    before: str
    after: str
    changed: bool


@frozen
class _Table:
    """Fields with the same rows.

    Attributes:
        title: The title of the rows' column.
        rows: The names of the rows.
        fates: What happens to each row as a whole; may be empty.
        fields: The names and cells of the fields.
    """

    title: str
    rows: Sequence[str]
    fates: Sequence[str]
    fields: Sequence[tuple[str, Sequence[_Cell]]]


def _tables(opened: OpenInput, found: Preview) -> Iterator[_Table]:
    """Yield tables of the fields whose rows are the same."""
    source = opened.source
    by_field = {
        name: list(columns)
        for name, columns in groupby(found.columns, lambda result: result.column.field.name)
    }
    fates = {row: _fate(count) for row, count in found.copies.items()}
    groups: dict[Any, list[str]] = {}
    for name, columns in by_field.items():
        column = columns[0].column
        shape = source.array_shape(column.field)
        groups.setdefault((shape, tuple(column.positions.indices().tolist())), []).append(name)
    if not groups and fates:
        yield _Table("row", [str(row) for row in fates], list(fates.values()), [])
    for (shape, rows), names in groups.items():
        fields = [(_shortened(name, _LONGEST_NAME), _cells(by_field[name])) for name in names]
        own = [fates.get(row, "") if shape is None else "" for row in rows]
        labels = [_place(row, shape) for row in rows]
        yield _Table("row" if shape is None else "index", labels, own, fields)


def _place(index: int, shape: tuple[int, ...] | None) -> str:
    """Return the name of a row, or the indices of an element of an array."""
    if shape is None or len(shape) <= 1:
        return str(index)
    return ",".join(str(int(one)) for one in np.unravel_index(index, shape))


def _fate(copies: int) -> str:
    if copies == 1:
        return ""
    return "dropped" if not copies else f"{copies} times"


def _cells(columns: Sequence[NoisyColumn]) -> list[_Cell]:
    """Return the cells of a field, whose values may come in several columns by type."""
    found = []
    for at in range(len(columns[0].column.values)):
        own = [one for one in columns if one.column.valid is None or one.column.valid[at]]
        if not own:
            found.append(_Cell("-", "-", changed=False))
            continue
        result = own[0]
        before, after = (_shown(values[at], result.column) for values in (
            result.column.values, result.values))  # fmt: skip
        erased = result.erased is not None and bool(result.erased[at])
        changed = erased or bool(result.changed[at])
        found.append(_Cell(before, "(missing)" if erased else after, changed))
    return found


def _shown(value: Any, column: Column) -> str:  # noqa: ANN401 - of any dtype
    """Return a value as text, of limited length."""
    return _shortened(shown_value(value, column), _LONGEST_CELL)


def _shortened(text: str, longest: int) -> str:
    text = printable(text)
    return text if len(text) <= longest else f"{text[: longest - 3]}..."


def _lines(table: _Table, width: int) -> Iterator[str]:
    """Yield the lines of a table, in as many blocks of fields as the width asks for."""
    labels = _padded([table.title, "", *table.rows])
    fates = _padded(["", "", *table.fates]) if any(table.fates) else [""] * len(labels)
    left = [
        label + (_GAP + fate if fate else "") for label, fate in zip(labels, fates, strict=True)
    ]
    waiting = [_column(name, cells) for name, cells in table.fields]
    while True:
        block: list[list[str]] = []
        used = _width(left[0])
        while waiting and (not block or used + len(_GAP) + waiting[0][0] <= width):
            size, lines = waiting.pop(0)
            used += len(_GAP) + size
            block.append(lines)
        yield ""
        for at, start in enumerate(left):
            whole = _GAP.join([start, *(lines[at] for lines in block)]).rstrip()
            yield _painted(whole, _TITLE) if at == 0 else whole
        if not waiting:
            return


def _column(name: str, cells: Sequence[_Cell]) -> tuple[int, list[str]]:
    """Return the width of a field, and its lines: its name, the titles, and the cells."""
    before = _padded(["before", *(cell.before for cell in cells)])
    after = _padded(["after", *(cell.after for cell in cells)])
    size = max(_width(name), _width(before[0]) + len(_GAP) + _width(after[0]) + len(_MARK))
    room = size - _width(before[0]) - len(_GAP) - len(_MARK)
    lines = [name + " " * (size - _width(name)), f"{before[0]}{_GAP}{after[0].rjust(room)} "]
    for old, new, cell in zip(before[1:], after[1:], cells, strict=True):
        aligned = " " * (room - _width(new)) + new  # wide characters count twice
        text, code = (aligned + _MARK, _CHANGED) if cell.changed else (aligned, _SAME)
        lines.append(f"{old}{_GAP}{_painted(text, code)}{'' if cell.changed else ' '}")
    return size, lines


def _padded(texts: Sequence[str]) -> list[str]:
    """Align texts on the right."""
    size = max(map(_width, texts))
    return [" " * (size - _width(text)) + text for text in texts]


def _width(text: str) -> int:
    """Return how many cells of a terminal a text takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if combining(sign) else 2 if east_asian_width(sign) in "WF" else 1 for sign in text
    )
