"""Options for reading files that do not describe themselves, each declared once.

The command's flags, `noisify_file(read=…)` and the check for options that a format does not use all
come from these declarations.
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
    """The declaration of an option.

    Attributes:
        read: Checks a value passed to the library, given the option's name.
        default: The default value.
        flag: The flag on the command line, or empty if there is none.
        metavar: The name of its value in help; None for a switch, which sets the other value than
            the default.
        help: The help text.
        repeatable: Whether the flag may be given several times.
        title: The noun for a value in the message that it is not one of the choices.
        choices: The allowed values, or empty for any.
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
    """How to read files that do not describe themselves.

    Attributes:
        delimiter: The character between cells; None to go by the suffix, else sniff it.
        header: Whether the first record names the columns.
        nulls: Texts that mean null, besides the empty cell; None for the usual ones.
        encoding: The text encoding.
        decimal: The decimal mark.
        thousands: The mark between groups of three digits, or None if there is none.
        skip_lines: The number of lines before the table.
        comment: The prefix of comment lines, or None if there are none.
        escape: The escape character; empty for none; None for none, but refuse text that seems to
            use backslashes.
        ragged: What to do with a record with too few or too many cells: "error" or "keep".
        strict: Whether an unparseable cell in a field that gets noise is an error.
        keep_decimals: Whether to count the decimals of each cell.
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
    """Return the declaration of each option, by its name."""
    return {one.name: one.metadata["option"] for one in fields(ReadOptions)}
