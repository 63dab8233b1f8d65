"""The package's errors: one line that says what is wrong, where, and what to do instead."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar

from noisify.core.lazy import LazyModule
from noisify.core.urls import redacted

if TYPE_CHECKING:
    import difflib
    from collections.abc import Iterable, Sequence
    from pathlib import Path
else:
    difflib = LazyModule("difflib")

_NEAR = 0.76
"""Similarity, from 0 to 1, from which a word is suggested; lower values mislead."""
_CONTROLS = r"\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"
"""Characters that control a terminal or change the direction of writing."""
_UNPRINTABLE = re.compile(f"[{_CONTROLS}\ud800-\udfff]")
UNWRITTEN = re.compile(f"(?!\n)[{_CONTROLS}]")
"""Matches a control character other than a line feed; undecodable bytes of names are allowed."""


def printable(text: str) -> str:
    r"""Escape control characters, which names may hold, before a text reaches a terminal.

    Passwords and signatures in URLs are hidden.

    >>> printable("a\x1b[31m\nb")
    'a\\x1b[31m\\nb'
    """
    return _UNPRINTABLE.sub(lambda match: ascii(match[0])[1:-1], redacted(text))


OUT_OF_MEMORY = "out of memory; a smaller --chunk-size or fewer --jobs need less"


class NoisifyError(Exception):
    """Base class of the package's errors.

    Args:
        message: What is wrong, in a few words, and what to type instead where that is known.
        path: The file concerned.
        line: The line of that file, counted from 1.
        field: The field (column, dataset) concerned.

    Attributes:
        complete: The outputs that were completed before the error, and are kept.
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
        """Return `path, line N, field 'name': message`, without the unknown parts."""
        where = [
            str(self.path) if self.path is not None else "",
            f"line {self.line}" if self.line is not None else "",
            f"field {self.field!r}" if self.field is not None else "",
        ]
        place = ", ".join(part for part in where if part)
        text = f"{place}: {self.message}" if place else self.message
        return cut_short(printable(" ".join(text.split())))

    def at(self, path: str | Path) -> NoisifyError:
        """Set this error's file, unless it has one, and return the error."""
        if self.path is None:
            self.path = path
        return self

    def leaving(self, complete: Sequence[str]) -> NoisifyError:
        """Add the outputs that are complete nevertheless, and return the error."""
        if complete and not self.complete:
            self.complete = complete
            shown = ", ".join(complete[:_OUTPUTS_SHOWN])
            more = len(complete) - _OUTPUTS_SHOWN
            shown += f" and {more:,} more" if more > 0 else ""
            self.message += f"; {shown} {'is' if len(complete) == 1 else 'are'} complete"
        return self

    def because(self, hints: Sequence[str]) -> NoisifyError:
        """Add the first of some hints at the cause, if any, and return the error."""
        self.message = "; ".join((self.message, *hints[:1]))
        return self


class UsageError(NoisifyError):
    """The request makes no sense; no data were read."""

    exit_status = 2


class DataError(NoisifyError):
    """The input is invalid."""

    exit_status = 3


def exists_error(path: str | Path) -> UsageError:
    """Return the error for an existing file that --no-clobber keeps."""
    return UsageError("exists, and --no-clobber keeps it", path=path)


def changed_error(path: str) -> DataError:
    """Return the error for an input that changed during the run."""
    return DataError(
        "was changed while it was read, so no output was made; try again when nothing writes to it",
        path=path,
    )


class NoisifyWarning(UserWarning):
    """Requested noise had no effect."""


_NO_THREAD = "Failed to launch worker thread"


def caused_by_memory(error: BaseException) -> bool:
    """Return whether an error, or one it was raised from, is a lack of memory.

    Arrow's memory error is also an `ArrowException`, which formats report as bad data. The same
    holds for its error when the address space has no room for a thread's stack.
    """
    seen: BaseException | None = error
    while seen is not None:
        no_thread = type(seen).__module__.startswith("pyarrow") and _NO_THREAD in str(seen)
        if isinstance(seen, MemoryError) or no_thread:
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def cut_short(text: str) -> str:
    """Cut the middle out of a very long text."""
    if len(text) <= _LONGEST:
        return text
    return f"{text[: _LONGEST // 2]} … {text[-_LONGEST // 2 :]}"


def shown(value: object) -> str:
    """Return a value's representation on one line, cut if it is long.

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
"""Most characters of a message, which may quote input of any length."""
_SHOWN = 65
"""Most characters of a value in a message."""
_LONG_INTEGER_BITS = 129
"""Integers of more bits are shown in hexadecimal."""


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """Return `; did you mean 'x'?` for the known word nearest to `word`, or an empty string.

    >>> did_you_mean("temprature", ["time", "temperature"])
    "; did you mean 'temperature'?"
    >>> did_you_mean("tiem", ["time", "temperature"])
    "; did you mean 'time'?"
    >>> did_you_mean("zzz", ["time", "temperature"])
    ''
    """
    if not isinstance(word, str):
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
