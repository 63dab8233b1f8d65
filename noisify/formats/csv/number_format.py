"""The notation of a file's numbers: the decimal mark and the thousands mark."""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING, Self

import numpy as np

from noisify.core.arrow_arrays import bools, byte_strings, strings, to_bools
from noisify.core.errors import UsageError
from noisify.core.lazy_libraries import pa, pc
from noisify.core.value_class import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from noisify.formats.read_options import ReadOptions

_OTHER_NOTATIONS = {
    r"[0-9]{1,3}(,[0-9]{3})+(\.[0-9]*)?": "--thousands ,",
    r"[0-9]+,[0-9]+": "--decimal ,",
    r"[0-9]{1,3}(\.[0-9]{3})*(,[0-9]+)?": "--decimal , --thousands .",
    r"[0-9]{1,3}( [0-9]{3})+(\.[0-9]*)?": "--thousands ' '",
    r"[0-9]{1,3}( [0-9]{3})*(,[0-9]+)?": "--decimal , --thousands ' '",
    r"[0-9]{1,3}(\xa0[0-9]{3})*(,[0-9]+)?": "--decimal , --thousands $'\\xa0'",
    r"[0-9]{1,3}(\u202f[0-9]{3})*(,[0-9]+)?": "--decimal , --thousands $'\\u202f'",
    r"[0-9]{1,3}('[0-9]{3})+(\.[0-9]*)?": '--thousands "\'"',
    r"[0-9]{1,3}(\u2019[0-9]{3})+(\.[0-9]*)?": "--thousands $'\\u2019'",
    r"[0-9]{1,3}(_[0-9]{3})+(\.[0-9]*)?": "--thousands _",
}
"""Patterns of numbers in other notations, and the options that read them."""

_FIELDS_NAMED = 3
_GROUP_ENDS = re.compile(r"(?<=\d)(?=(?:\d{3})+$)")


@frozen
class Notation:
    """The notation of a file's numbers.

    Attributes:
        decimal: The decimal mark, in the file's encoding.
        thousands: The mark between groups of three digits, or empty.
    """

    decimal: bytes = b"."
    thousands: bytes = b""

    @classmethod
    def of(cls, options: ReadOptions, encoding: str) -> Self:
        """Return the notation that the options ask for.

        Raises:
            UsageError: If a mark is unusable.
        """
        decimal, thousands = options.decimal, options.thousands
        for option, mark in (("--decimal", decimal), ("--thousands", thousands or " ")):
            if len(mark) != 1 or mark.isalnum() or mark in '"+-\r\n':
                raise UsageError(f"{option} {mark!r} is not one character such as . , or '")
        if decimal == thousands:
            other = "," if decimal == "." else "."
            raise UsageError(
                f"{decimal!r} cannot be both --thousands and the decimal mark; add --decimal "
                f"{other!r}"
            )
        try:
            return cls(decimal.encode(encoding), (thousands or "").encode(encoding))
        except UnicodeEncodeError as error:
            raise UsageError(f"there is no {error.object!r} in {encoding}") from None

    @cached_property
    def is_usual(self) -> bool:
        """Whether numbers are written as `1234.5`."""
        return self == Notation()

    @cached_property
    def number(self) -> re.Pattern[bytes]:
        """The pattern of a finite number, without surrounding blanks and quotes."""
        point, mark = re.escape(self.decimal), re.escape(self.thousands)
        groups = rb"(?:" + mark + rb"[0-9]{3})*" if mark else b""
        whole = rb"[0-9]+" + groups + rb"(?:" + point + rb"[0-9]*)?"
        return re.compile(rb"[+-]?(?:" + whole + rb"|" + point + rb"[0-9]+)(?:[eE][+-]?[0-9]+)?")

    def to_usual(self, cells: pa.Array) -> pa.Array:
        """Rewrite numbers in the usual notation, and strip surrounding blanks.

        Other cells stay, unless they look like a number in the usual notation: those become `?`.
        """
        texts = pc.ascii_trim(cells, " \t").view(pa.binary())
        wrong = np.zeros(len(texts), bool)
        if self.thousands:
            wrong = _contains(texts, self.thousands) & ~self.grouped(texts)
            texts = pc.replace_substring(texts, self.thousands, b"")
        if self.decimal != b".":
            wrong |= _contains(texts, b".")
            texts = pc.replace_substring(texts, self.decimal, b".")
        if wrong.any():
            no_number = strings(["?"]).view(pa.binary())[0]  # `pa.scalar` would import pandas
            texts = pc.if_else(bools(wrong), no_number, texts)
        return texts.view(pa.utf8())

    def usual_text(self, text: str) -> str:
        """Rewrite a number in the usual notation."""
        point, mark = (sign.decode("utf-8", "replace") for sign in (self.decimal, self.thousands))
        return text.replace(mark, "").replace(point, ".")

    def grouped(self, cells: pa.Array) -> NDArray[np.bool_]:
        """Return a mask of the cells that are numbers with thousands marks throughout."""
        if not self.thousands:
            return np.zeros(len(cells), bool)
        mark, point = re.escape(self.thousands), re.escape(self.decimal)
        number = rb"[+-]?[1-9][0-9]{0,2}(?:" + mark + rb"[0-9]{3})+(?:" + point + rb"[0-9]*)?"
        pattern = rb"^[ \t]*" + number + rb"[ \t]*$"
        return to_bools(pc.match_substring_regex(cells.view(pa.binary()), pattern))

    def to_file(self, texts: pa.Array, grouped: NDArray[np.bool_] | None) -> pa.Array:
        """Rewrite numbers in the file's notation.

        Args:
            texts: Numbers in the usual notation.
            grouped: Mask of those that get thousands marks, or None if none do.
        """
        own = pc.replace_substring(texts.view(pa.binary()), b".", self.decimal)
        if grouped is not None and grouped.any():
            others = [self._in_groups(text) for text in texts.filter(bools(grouped)).to_pylist()]
            own = pc.replace_with_mask(own, bools(grouped), byte_strings(others).view(pa.binary()))
        return own.view(pa.utf8())

    def _in_groups(self, text: str) -> bytes:
        whole, point, fraction = text.partition(".")
        if "e" not in text:
            whole = _GROUP_ENDS.sub("\0", whole)
        marked = whole.encode().replace(b"\0", self.thousands)
        return marked + (self.decimal + fraction.encode() if point else b"")


def _contains(texts: pa.Array, mark: bytes) -> NDArray[np.bool_]:
    return to_bools(pc.match_substring(texts, mark))


def option_for(cells: Sequence[str]) -> str:
    """Return the options that read all of some unparseable cells as numbers; empty if none do.

    >>> option_for(["47,072.02"])
    '--thousands ,'
    """
    if not cells or not cells[0].lstrip("+-")[:1].isdigit():  # most texts
        return ""
    for pattern, option in _OTHER_NOTATIONS.items():
        if all(re.fullmatch("[+-]?(?:" + pattern + ")", text) for text in cells):
            return option
    return ""


def other_notations(cells: Mapping[str, Sequence[str]]) -> list[str]:
    """Return hints, one line each, for fields whose cells are numbers in another notation.

    Args:
        cells: The unparseable cells of each field.
    """
    found: dict[str, list[str]] = {}
    examples: dict[str, str] = {}
    for name, texts in cells.items():
        bare = [text.strip(" \t") for text in texts]
        if option := option_for(bare):
            found.setdefault(option, []).append(name)
            examples.setdefault(option, bare[0])
    return [
        f"{_fields(names)} has numbers such as {examples[option]!r}; {option} reads them"
        for option, names in found.items()
    ]


def _fields(names: Sequence[str]) -> str:
    more = len(names) - _FIELDS_NAMED
    listed = ", ".join(repr(name) for name in names[:_FIELDS_NAMED])
    return f"field {listed}" + (f" and {more} more" if more > 0 else "")
