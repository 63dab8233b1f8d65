"""How a file is read where it does not say so itself: every option, declared once.

The command's flags, `noisify_file(read=…)` and the refusal of options that a format has no use for
all go by these declarations.
"""

from __future__ import annotations

from dataclasses import field, fields
from functools import cache, partial
from typing import TYPE_CHECKING, Any, TypeVar

from noisify.core.errors import UsageError, shown
from noisify.core.value_class import frozen
from noisify.core.values import read_count, read_text, read_texts, read_truth

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Value = TypeVar("Value")


@frozen(kw_only=True)
class ReadOption:
    """What is declared of an option.

    Attributes:
        read: Checks a value that a caller of the library hands over, given the option's name.
        default: Its value where it is not given.
        flag: What is typed on the command line; empty: it is no flag.
        metavar: What help calls its value; None: it has none, and the flag gives the value other
            than the default.
        help: What help says of it.
        repeatable: Whether the flag may be given several times.
        title: What a value that is none of the choices is not.
        choices: What it must be one of; empty: anything.
    """

    read: Callable[[str, Any], object]
    default: object
    flag: str = ""
    metavar: str | None = None
    help: str = ""
    repeatable: bool = False
    title: str = ""
    choices: tuple[str, ...] = ()


def _option(
    flag: str,
    metavar: str | None,
    help_text: str,
    default: Value,
    read: Callable[[str, Any], object],
    *,
    repeatable: bool = False,
    title: str = "",
    choices: tuple[str, ...] = (),
) -> Value:
    """Declare an option; see `ReadOption`."""
    declared = ReadOption(
        flag=flag, metavar=metavar, help=help_text, default=default, read=read,
        repeatable=repeatable, title=title, choices=choices,
    )  # fmt: skip
    return field(default=default, metadata={"option": declared})


def _read_ragged(name: str, value: object) -> str:
    if not isinstance(value, str) or value not in _RAGGED:
        raise UsageError(f"{name} {shown(value)} is neither 'error' nor 'keep'")
    return str(value)


_RAGGED = ("error", "keep")


@frozen
class ReadOptions:
    """How to read what a file does not say of itself.

    Attributes:
        delimiter: The character between cells; None: by the suffix, else sniffed.
        header: Whether the first record names the columns.
        nulls: Texts that mean null, besides the empty cell; None: the usual ones.
        encoding: The text encoding.
        decimal: The character between a number's whole part and its fraction.
        thousands: The character between groups of three digits of a number's whole part; None: no
            such number counts as one.
        skip_lines: Lines at the start that are no part of the table.
        comment: What a line that is no record starts with; None: there are no such lines.
        escape: The character that takes the meaning of the one after it; empty: there is none;
            None: there is none, and text that looks as if there were is refused.
        ragged: What becomes of a record with too few or too many cells: "error", or "keep" it as
            it is.
        strict: Whether a cell that is not a number is an error in a field that gets noise.
        keep_decimals: Whether columns should say how many decimals each cell has.
    """

    delimiter: str | None = _option(
        "--delimiter", "C",
        "Character between cells; \\t or tab for a tab. [default: by suffix, else sniffed]",
        None, read_text,
    )  # fmt: skip
    header: bool = _option(
        "--no-header", None, "No header: columns are called 1, 2, 3, ….",
        True, read_truth,
    )  # fmt: skip
    nulls: tuple[str, ...] | None = _option(
        "--na", "TEXT", "Text that means null, besides the empty cell and instead of the usual "
        "ones; repeatable. [default: NA, null, NaN, …]",
        None, read_texts, repeatable=True,
    )  # fmt: skip
    encoding: str = _option(
        "--encoding", "NAME", "Text encoding. [default: utf-8]", "utf-8", read_text
    )
    decimal: str = _option(
        "--decimal", "C", "Decimal mark of numbers: . or a comma. [default: .]", ".", read_text
    )
    thousands: str | None = _option(
        "--thousands", "C",
        "Mark between groups of three digits. [default: none; such a cell is no number]",
        None, read_text,
    )  # fmt: skip
    skip_lines: int = _option(
        "--skip-lines", "N", "Lines before the table, passed through as they are.",
        0, partial(read_count, least=0),
    )  # fmt: skip
    comment: str | None = _option(
        "--comment", "TEXT", "Lines that start so pass through as they are.", None, read_text
    )
    escape: str | None = _option(
        "--escape", "C", "Character that takes the meaning of the one after it, such as '\\'. "
        "[default: none; quotes are doubled]",
        None, read_text,
    )  # fmt: skip
    ragged: str = _option(
        "--ragged", "error|keep",
        "What to do with a row of too few or too many cells. [default: error]",
        "error", _read_ragged, title="way with ragged rows", choices=_RAGGED,
    )  # fmt: skip
    strict: bool = _option(
        "--strict", None, "Fail at a cell that is not a number in a field that gets noise. "
        "[default: leave it, and count it]",
        False, read_truth,
    )  # fmt: skip
    keep_decimals: bool = field(
        default=False, metadata={"option": ReadOption(read=read_truth, default=False)}
    )


@cache
def declared() -> Mapping[str, ReadOption]:
    """Return what is declared of each option, by its name."""
    return {one.name: one.metadata["option"] for one in fields(ReadOptions)}
