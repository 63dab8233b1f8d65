"""Options for reading files that do not describe themselves, each declared once.

The command's flags, `noisify_file(read=…)` and the check for options that a format does not use all
come from these declarations.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, fields
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from noisify.core.errors import UsageError, did_you_mean, shown
from noisify.core.value_class import frozen
from noisify.core.values import read_count, read_text, read_texts, read_truth

if TYPE_CHECKING:
    from collections.abc import Callable

Value = TypeVar("Value")


@frozen
class ReadOption(Generic[Value]):
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
    default: Value
    flag: str = ""
    metavar: str | None = None
    help: str = ""
    repeatable: bool = False
    title: str = ""
    choices: tuple[str, ...] = ()


def _option(declared: ReadOption[Value]) -> Value:
    """Declare an option as a field of a dataclass."""
    return field(default=declared.default, metadata={"option": declared})


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

    delimiter: str | None = _option(ReadOption(
        read_text, None, "--delimiter", "C",
        "Character between cells; \\t or tab for a tab. [default: by suffix, else sniffed]",
    ))  # fmt: skip
    header: bool = _option(ReadOption(
        read_truth, True, "--no-header", None, "No header: columns are called 1, 2, 3, ….",
    ))  # fmt: skip
    nulls: tuple[str, ...] | None = _option(ReadOption(
        read_texts, None, "--na", "TEXT", "Text that means null, besides the empty cell and "
        "instead of the usual ones; repeatable. [default: NA, null, NaN, …]", repeatable=True,
    ))  # fmt: skip
    encoding: str = _option(
        ReadOption(read_text, "utf-8", "--encoding", "NAME", "Text encoding. [default: utf-8]")
    )
    decimal: str = _option(ReadOption(
        read_text, ".", "--decimal", "C", "Decimal mark of numbers: . or a comma. [default: .]",
    ))  # fmt: skip
    thousands: str | None = _option(ReadOption(
        read_text, None, "--thousands", "C",
        "Mark between groups of three digits. [default: none; such a cell is no number]",
    ))  # fmt: skip
    skip_lines: int = _option(ReadOption(
        partial(read_count, least=0), 0, "--skip-lines", "N",
        "Lines before the table, passed through as they are.",
    ))  # fmt: skip
    comment: str | None = _option(ReadOption(
        read_text, None, "--comment", "TEXT", "Lines that start so pass through as they are.",
    ))  # fmt: skip
    escape: str | None = _option(ReadOption(
        read_text, None, "--escape", "C", "Character that takes the meaning of the one after it, "
        "such as '\\'. [default: none; quotes are doubled]",
    ))  # fmt: skip
    ragged: str = _option(ReadOption(
        _read_ragged, "error", "--ragged", "error|keep",
        "What to do with a row of too few or too many cells. [default: error]",
        title="way with ragged rows", choices=_RAGGED,
    ))  # fmt: skip
    strict: bool = _option(ReadOption(
        read_truth, False, "--strict", None, "Fail at a cell that is not a number in a field that "
        "gets noise. [default: leave it, and count it]",
    ))  # fmt: skip
    keep_decimals: bool = _option(ReadOption(read_truth, False))


@cache
def declared() -> Mapping[str, ReadOption[Any]]:
    """Return the declaration of each option, by its name."""
    return {one.name: one.metadata["option"] for one in fields(ReadOptions)}


def read_options(given: object) -> ReadOptions:
    """Return the reading options of a library call, with each option's type checked.

    Args:
        given: `ReadOptions`, a mapping of them by name, or None.

    Raises:
        UsageError: If it is not a mapping, or an option is unknown or has the wrong type.

    >>> read_options({"delimiter": ";"}).delimiter
    ';'
    """
    known = declared()
    if isinstance(given, ReadOptions):
        said = {name: getattr(given, name) for name in known}
    elif given is None or isinstance(given, Mapping):
        said = dict(given or {})
    else:
        raise UsageError(f"read {shown(given)} is not a mapping such as {{'delimiter': ';'}}")
    checked: dict[str, Any] = {}
    for name, value in said.items():
        if name not in known:
            raise UsageError(
                f"read has no option {name!r}{did_you_mean(name, known)} "
                f"(it has: {', '.join(known)})"
            )
        is_default = value is known[name].default
        checked[name] = value if is_default else known[name].read(name, value)
    return ReadOptions(**checked)
