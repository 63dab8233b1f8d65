"""The one family of errors: one line that says what, where, and what to do instead."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar

from noisify.core.lazy import LazyModule

if TYPE_CHECKING:
    import difflib
    from collections.abc import Iterable, Sequence
    from pathlib import Path
else:
    difflib = LazyModule("difflib")

_NEAR = 0.76
"""How alike words must be, from 0 to 1, for one to be taken for the other; less misleads."""


_CONTROLS = r"\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"
"""Characters that a terminal obeys rather than shows, or that turn the writing around."""
_UNPRINTABLE = re.compile(f"[{_CONTROLS}\ud800-\udfff]")
UNWRITTEN = re.compile(f"(?!\n)[{_CONTROLS}]")
"""The same, but for line ends and the bytes of names that are not UTF-8."""


def printable(text: str) -> str:
    r"""Return a text with escapes for what is not to reach a terminal; names may hold anything.

    >>> printable("a\x1b[31m\nb")
    'a\\x1b[31m\\nb'
    """
    return _UNPRINTABLE.sub(lambda match: ascii(match[0])[1:-1], text)


OUT_OF_MEMORY = "out of memory; a smaller --chunk-size or fewer --jobs need less"


class NoisifyError(Exception):
    """Say what went wrong, where, and what to do instead.

    Args:
        message: What is wrong, in a few words, with what to type instead where that is known.
        path: The file concerned.
        line: The line of that file, counted from 1.
        field: The field (column, dataset) concerned.

    Attributes:
        complete: The outputs that had been completed before, and are kept.
    """

    exit_status: ClassVar[int] = 1

    def __init__(
        self,
        message: str,
        *,
        path: str | Path | None = None,
        line: int | None = None,
        field: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.path = path
        self.line = line
        self.field = field
        self.complete: Sequence[str] = ()

    def __str__(self) -> str:
        """Return `path, line N, field 'name': message`, leaving out what is not known."""
        where = [
            str(self.path) if self.path is not None else "",
            f"line {self.line}" if self.line is not None else "",
            f"field {self.field!r}" if self.field is not None else "",
        ]
        place = ", ".join(part for part in where if part)
        text = f"{place}: {self.message}" if place else self.message
        return cut_short(printable(" ".join(text.split())))

    def at(self, path: str | Path) -> NoisifyError:
        """Return this error with its file named, unless it names one already."""
        if self.path is None:
            self.path = path
        return self

    def leaving(self, complete: Sequence[str]) -> NoisifyError:
        """Return this error with the outputs that are complete nevertheless, if there are any."""
        if complete and not self.complete:
            self.complete = complete
            shown = ", ".join(complete[:_OUTPUTS_SHOWN])
            more = len(complete) - _OUTPUTS_SHOWN
            shown += f" and {more:,} more" if more > 0 else ""
            self.message += f"; {shown} {'is' if len(complete) == 1 else 'are'} complete"
        return self

    def because(self, hints: Sequence[str]) -> NoisifyError:
        """Return this error with the first of some hints at its cause, if there is any."""
        self.message = "; ".join((self.message, *hints[:1]))
        return self


class UsageError(NoisifyError):
    """The command was asked for something that makes no sense; nothing was read."""

    exit_status = 2


class DataError(NoisifyError):
    """The input is not what it should be."""

    exit_status = 3


class NoisifyWarning(UserWarning):
    """What a caller of the library should know of noise that was asked for, and did nothing."""


def caused_by_memory(error: BaseException) -> bool:
    """Return whether there was too little memory, whatever was made of that on the way.

    Arrow's error for it is one of its usual errors too, and formats tell of those as bad data.
    """
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, MemoryError):
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def cut_short(text: str) -> str:
    """Return a text without its middle if it is longer than anybody reads."""
    if len(text) <= _LONGEST:
        return text
    return f"{text[: _LONGEST // 2]} … {text[-_LONGEST // 2 :]}"


def shown(value: object) -> str:
    """Return a value as an error shows it: on one line, and cut where it is long.

    >>> shown("a"), shown(list(range(100)))
    ("'a'", '[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 1…')
    """
    try:
        long = isinstance(value, int) and value.bit_length() > _LONG_INTEGER_BITS
        text = " ".join((f"{value:#x}" if long else repr(value)).split())
    except ValueError:  # it holds an integer of more digits than Python writes
        text = f"a {type(value).__name__}"
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1].rstrip()}…"


_OUTPUTS_SHOWN = 3
_LONGEST = 2000
"""Characters of a message; what was typed, or a name, may be of any length."""
_SHOWN = 65
"""Characters of a value that an error shows."""
_LONG_INTEGER_BITS = 129
"""An integer of more bits is shown in hexadecimal."""


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """Return `; did you mean 'x'?` for the known word nearest to `word`, or an empty string.

    >>> did_you_mean("temprature", ["time", "temperature"])
    "; did you mean 'temperature'?"
    >>> did_you_mean("tiem", ["time", "temperature"])
    "; did you mean 'time'?"
    >>> did_you_mean("zzz", ["time", "temperature"])
    ''
    """
    if not isinstance(word, str):  # what was given for a name
        word = shown(word)
    words = list(known)
    near = difflib.get_close_matches(word, words, n=1, cutoff=_NEAR)
    if not near:
        swapped = {word[:i] + word[i + 1] + word[i] + word[i + 2 :] for i in range(len(word) - 1)}
        near = [candidate for candidate in words if candidate in swapped]
    if not near:
        folded = {candidate.casefold(): candidate for candidate in words}
        close = difflib.get_close_matches(word.casefold(), list(folded), n=1, cutoff=_NEAR)
        near = [folded[key] for key in close]
    return f"; did you mean {near[0]!r}?" if near else ""
