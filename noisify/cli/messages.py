"""Messages on standard error (notes, summary, progress), and the preview of a dry run."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from typing import TYPE_CHECKING

from noisify.cli.shown_values import shown_duration, shown_value
from noisify.core.errors import printable
from noisify.engine.batch import naming_file
from noisify.noise import level
from noisify.noise.rows import RowModel

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from noisify.engine.counts import FieldReport
    from noisify.engine.report import RunReport
    from noisify.formats.interface import NoisyColumn
    from noisify.plan.plan import Plan, Step

_NAMES_SHOWN = 6
_NOTES_SHOWN = 3
_FIRST_SHOWN = 1.0
_SHOWN_EVERY = 0.2


def say(text: str) -> None:
    """Print one line to standard error."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(f"noisify: {printable(text)}\n")
        sys.stderr.flush()


class Notes:
    """The notes on a run, printed at its end; not if it fails, since an error is one line.

    Args:
        every: Whether to print all notes, not only the first few.

    Attributes:
        every: Whether to print all notes.
    """

    def __init__(self, *, every: bool) -> None:
        self.every = every
        self._texts: dict[str, None] = {}

    def add(self, text: str, file: str | None = None) -> None:
        """Add a note, on one of several files if it is given; once, if it is added again."""
        self._texts[text if file is None else naming_file(file, text)] = None

    def tell(self) -> None:
        """Print all notes, or the first few and the number of the others."""
        shown = len(self._texts) if self.every else _NOTES_SHOWN
        for text in list(self._texts)[:shown]:
            say(f"note: {text}")
        more = len(self._texts) - shown
        if more > 0:
            say(f"{more:,} more note{'' if more == 1 else 's'}; -v shows all")


def summary_line(report: RunReport, *, verbose: bool, with_seed: bool) -> str:
    """Return a summary in one line: fields changed, fields left alone and why, the seed."""
    kinds = {field.name: field.kind for field in report.plan.fields}
    parts = [
        f"{name} ({field.changed:,} of {field.elements:,}"
        f"{_measured(field, kinds[name]) if verbose else ''})"
        for name, field in report.fields.items()
    ]
    models = dict.fromkeys(step.model.name for step in report.plan.steps)
    changed = f"{_listing(list(models))} noise on {_listing(parts)}" if parts else "nothing changed"
    reasons: dict[str, list[str]] = {}
    for name, why in report.plan.left.items():
        reasons.setdefault(why, []).append(name)
    left = "; ".join(f"{_listing(names)} ({why})" for why, names in reasons.items())
    about = [f"{report.input} -> {report.output}: {changed}"]
    about += [f"left alone: {left}"] if left else []
    about += [f"seed {report.plan.seed}"] if with_seed else []
    return "; ".join(about)


def _measured(field: FieldReport, kind: str) -> str:
    """Return the sd of a field's change in its unit, and its SNR; empty for labels and texts."""
    details = field.as_json()
    sd, ratio = details.get("change_sd"), details.get("snr_db")
    if kind in {"text", "bool"} or sd is None or field.changed == field.erased:
        return ""
    if kind == "time":
        return f", sd {shown_duration(sd)}"
    return f", sd {sd:.4g}" + ("" if ratio is None else f", SNR {ratio:.2f} dB")


def _listing(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return ", ".join(names[:_NAMES_SHOWN]) + more


def preview_text(name: str, format_name: str, plan: Plan, columns: Sequence[NoisyColumn]) -> str:
    """Return the text of a dry run: the plan, and some elements of each field before and after."""
    lines = plan_lines(name, format_name, plan)
    shown: set[str] = set()
    for result in columns:
        field = result.column.field
        if field.name in shown:
            continue
        shown.add(field.name)
        rows = [("row", "before", "after"), *_rows(result)]
        widths = [max(len(row[i]) for row in rows) for i in range(3)]
        lines += ["", field.name]
        lines += [
            "  " + "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
            for row in rows
        ]
    return "\n".join(map(printable, lines))


def plan_lines(name: str, format_name: str, plan: Plan) -> list[str]:
    """Return the lines that say what a plan does: its noise field by field, what is left alone."""
    file = f", file {plan.file!r}" if plan.file else ""
    lines = [f"plan for {name} ({format_name}), seed {plan.seed}{file}, rng {plan.rng}"]
    lines += [
        f"  {'rows' if isinstance(step.model, RowModel) else step.field.name}: {describe(step)}"
        for step in plan.steps
    ]
    lines += [f"  {field}: left alone, {why}" for field, why in plan.left.items()]
    return lines


def describe(step: Step) -> str:
    """Describe a step in a few words.

    The absolute scale is shown as it was settled for the field.
    """
    values = {
        k: v
        for k, v in step.as_json().items()
        if k not in {"field", "model", "clip", "where"} and v is not None
    }
    if step.series is None:
        values.pop("axis", None)
    settings = ", ".join(f"{name} {_value(value)}" for name, value in values.items())
    clip = "" if step.clip is None else f", clipped to {step.clip[0]:g}..{step.clip[1]:g}"
    where = "" if step.where is None else f", where {step.where.text}"
    return f"{step.model.name}, {settings}{clip}{where}"


def _value(value: object) -> str:
    return str(level.Absolute(value)) if isinstance(value, float) else str(value)


def _rows(result: NoisyColumn) -> list[tuple[str, str, str]]:
    column = result.column
    rows = []
    for at, place in enumerate(column.positions.indices().tolist()):
        there = column.valid is None or bool(column.valid[at])
        before = shown_value(column.values[at], column) if there else "(left)"
        after = shown_value(result.values[at], column) if there else "(left)"
        if result.erased is not None and result.erased[at]:
            after = "(missing)"
        rows.append((str(place), before, after))
    return rows


class Progress:
    """The progress line on standard error, shown after a second on a terminal.

    The bar advances by the size of each input. The passes over one input share its size: each
    pass takes an equal part of what is left.

    Args:
        size: The total bytes of the inputs, or 0 if unknown.
        count: The number of inputs.
        check: Called for each chunk; raises if the run is to stop.
        shown: True to show it anywhere, False nowhere, None on a terminal.
        say: Prints a line.

    Attributes:
        check: Raises if the run is to stop.
    """

    def __init__(
        self,
        size: int,
        count: int,
        check: Callable[[], None],
        *,
        shown: bool | None,
        say: Callable[[str], None] = say,
    ) -> None:
        self._say = say
        terminal = sys.stderr is not None and sys.stderr.isatty()
        self._shown = terminal if shown is None else shown
        self.check = check
        self._size = size
        self._count = count
        self._lock = threading.Lock()
        self._bytes = self._ended = self._files = 0
        self._input = _InputProgress(0)
        self._start = time.monotonic()
        self._next = self._start + _FIRST_SHOWN
        self._drawn = False

    def begin(self, size: int) -> None:
        """Begin an input that is read alone, in passes."""
        self._input = _InputProgress(size)

    def passes(self, left: int, size: int) -> None:
        """Begin a pass over that input.

        Args:
            left: The number of passes left, this one included.
            size: The bytes of the pass, or 0 for the input's size.
        """
        self._input.next_pass(left, size)

    def advance(self, count: int) -> None:
        """Count `count` more bytes; raise if the run is to stop."""
        self.check()
        with self._lock:
            self._bytes += count
            self._input.in_pass += count
            self._draw_sometimes()

    def tell(self, text: str) -> None:
        """Print a note at once."""
        self.clear()
        self._say(f"note: {text}")

    def end(self, size: int) -> None:
        """Count an input of `size` bytes as done; called from any thread."""
        with self._lock:
            self._bytes += 0 if self._input.in_pass else size
            self._input = _InputProgress(0)
            self._ended += size
            self._files += 1
            self._draw_sometimes()

    def _draw_sometimes(self) -> None:
        now = time.monotonic()
        if self._shown and now >= self._next:
            self._next = now + _SHOWN_EVERY
            sys.stderr.write(f"\rnoisify: {self.text(now - self._start)}\x1b[K")
            sys.stderr.flush()
            self._drawn = True

    def text(self, elapsed: float) -> str:
        """Return the text of the line after some seconds."""
        parts = []
        share = 0.0
        if self._size:
            share = min(1.0, (self._ended + self._input.size * self._input.share()) / self._size)
            parts.append(f"{int(100 * share)}%")
        if self._count > 1:
            parts.append(f"{self._files:,} of {self._count:,} files")
        parts.append(f"{self._bytes / 1e6:,.0f} MB, {self._bytes / elapsed / 1e6:,.0f} MB/s")
        if share:
            minutes, seconds = divmod(round(elapsed * (1 - share) / share), 60)
            hours, minutes = divmod(minutes, 60)
            time_left = f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
            parts.append(f"{time_left} left")
        return ", ".join(parts)

    def clear(self) -> None:
        """Erase the line, so that others can print."""
        with self._lock:
            if self._drawn:
                sys.stderr.write("\r\x1b[K")
                sys.stderr.flush()
                self._drawn = False


class _InputProgress:
    """The progress of the passes over one input.

    Args:
        size: Its bytes.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.in_pass = 0
        self._pass_size = size
        self._before = self._step = 0.0

    def next_pass(self, left: int, size: int) -> None:
        """Begin a pass; `left` passes remain, this one included."""
        self._before += self._step
        self._step = (1 - self._before) / max(1, left)
        self._pass_size = size or self.size
        self.in_pass = 0

    def share(self) -> float:
        """Return the share done, from 0 to 1."""
        return self._before + self._step * min(1.0, self.in_pass / max(1, self._pass_size))
