"""Text to numbers and numbers to text, in bulk.

What counts as a number: an optional sign, ASCII digits with an optional point, an optional
exponent, with spaces or tabs around it and quotes around all that (`7`, `-1.50`, `.5`, `5.`,
`+1e-3`, `" 2 "`). `nan`, `inf` and `infinity`, in any case and with a sign or none, are numbers
that are not finite; so is one beyond float64, such as `1e999`. With another decimal mark, a point
makes no number; with a mark for thousands, `1,234,567.8` is one too: one to three digits, the first
not 0, then groups of exactly three, and no exponent.

Everything else is not a number, and left alone: `1_000`, `0x10`, `1e`, `$5`, `5%`, `1 000`, `1,5`,
`nan(1)`, `true`, digits that are not ASCII. A column of whole numbers some of which have leading
zeros (`007`) is one of codes; it gets noise only if it is asked for by name.

What becomes of a number's text: a cell with marks for thousands gets them again; blanks, quotes and
the decimal mark stay; a plus sign, leading zeros and an exponent do not.
"""

from __future__ import annotations

import re
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from noisify.core.arrow_arrays import (
    array,
    bools,
    strings,
    to_bools,
    to_numpy,
    validity,
    with_nulls,
)
from noisify.core.lazy_pyarrow import pa, pc
from noisify.core.missing import Missing
from noisify.formats.csv import native
from noisify.formats.csv.types import Parsed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from noisify.formats.csv.number_format import Notation

USUAL_NULLS = (
    "", "NA", "N/A", "n/a", "#N/A", "#NA", "<NA>", "NULL", "null", "None", "nil", "-", "NaN", "nan",
)  # fmt: skip
"""Texts that mean null unless the user says which do."""

NUMBER = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
NOT_FINITE = r"[+-]?(?i:nan|inf|infinity)"
WHOLE = r"[+-]?[0-9]+"
CODE = r"[+-]?0[0-9]+"
"""A whole number with leading zeros: a code, rather."""

_ALTERNATING = 0xAA
"""Validity bits of kept, chosen, kept, chosen, …: the chosen slices only."""

_INT64 = np.iinfo(np.int64)
_LONGEST_SURE = 18
"""A whole number of so many characters fits int64."""

LONGEST_WHOLE = 308
"""A whole number of more digits is read as a float, since noise and statistics are float64."""

_FEW = 64
_FIRST = 1024
"""Slices that are tried first: Arrow goes on to the end, and is slow where it can read nothing."""

_TOGETHER = 1 << 16
"""Cells that are read or written together: what that takes is several times as large as they."""

_PLAIN_LOW, _PLAIN_HIGH = 1e-4, 1e10
"""Magnitudes between which Arrow writes a number that is not whole as Python's repr does."""


def slices(data: bytes, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> pa.Array:
    """Lay an Arrow string array over `data` without copying: kept, chosen, kept, …, kept.

    Args:
        data: The bytes.
        starts: Where each chosen slice starts, rising, shape (n,).
        ends: Where each ends, shape (n,).

    Returns:
        2n + 1 slices; the chosen ones, at odd places, are valid unless empty.
    """
    filled = ends > starts
    return laid_over(data, starts, ends, _odd_bits(len(starts), None if filled.all() else filled))


def laid_over(
    data: bytes,
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    bits: pa.Buffer | None = None,
    bounds: tuple[int, int] | None = None,
) -> pa.Array:
    """Do as `slices` does.

    Args:
        data: The bytes.
        starts: Where each chosen slice starts, rising, shape (n,).
        ends: Where each ends, shape (n,).
        bits: The slices' validity; None: all are valid.
        bounds: Where the first slice starts and the last one ends; None: all of the data.
    """
    count = len(starts)
    offsets = np.empty(2 * count + 2, np.int32)
    offsets[0], offsets[-1] = bounds or (0, len(data))
    offsets[1:-1:2] = starts
    offsets[2:-1:2] = ends
    buffers = [bits, pa.py_buffer(offsets), pa.py_buffer(data)]
    return pa.Array.from_buffers(pa.utf8(), 2 * count + 1, buffers)


def _odd_bits(count: int, which: NDArray[np.bool_] | None = None) -> pa.Buffer:
    """Return a bitmap of 2 count + 1 bits, those at the odd places set where `which` is.

    Args:
        count: How many odd places there are.
        which: Shape (count,); None: all.
    """
    if which is None:
        return pa.py_buffer(np.full(2 * count // 8 + 1, _ALTERNATING, np.uint8))
    spread = np.zeros(2 * count + 1, bool)
    spread[1::2] = which
    return pa.py_buffer(np.packbits(spread, bitorder="little"))


@lru_cache(maxsize=8)
def cell_parser(nulls: tuple[str, ...] | None, notation: Notation) -> CellParser:
    """Return a parser, the same one for files that write numbers and nulls the same way."""
    return CellParser(nulls, notation)


class CellParser:
    """Reads cells as numbers.

    Args:
        nulls: The texts that mean null, besides the empty cell.
        notation: How numbers are written; None: the usual way.
    """

    def __init__(
        self, nulls: Sequence[str] | None = None, notation: Notation | None = None
    ) -> None:
        texts = USUAL_NULLS if nulls is None else ("", *nulls)
        self._null_texts = texts
        self._null_bytes = tuple(text.encode("utf-8", "surrogateescape") for text in texts)
        readable = (text for text in texts if re.fullmatch(f"{NUMBER}|{NOT_FINITE}", text))
        numbers = np.array([float(text) for text in readable])
        self._null_numbers = numbers[~np.isnan(numbers)]  # a NaN is looked at whatever is null
        self._notation = None if notation is None or notation.is_usual else notation

    @cached_property
    def missing(self) -> Missing:
        """What cells must not say after noise, or they would be read as null."""
        own = self._null_texts
        usual = own if self._notation is None else [self._notation.usual_text(text) for text in own]
        values = dict.fromkeys(
            int(text) if re.fullmatch(WHOLE, text) and len(text) <= _LONGEST_SURE else float(text)
            for text in usual
            if re.fullmatch(NUMBER, text)
        )
        return Missing(tuple(values), texts=frozenset(own))

    @cached_property
    def _nulls(self) -> pa.Array:
        return strings(self._null_texts)

    def floats(self, data: bytes, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> Parsed:
        """Read cells as float64.

        Args:
            data: The bytes they stand in.
            starts: Where each starts; moved past leading blanks if there are any, shape (n,).
            ends: Where each ends; likewise.
        """
        return self.float_columns(data, starts[:, None], ends[:, None])[0]

    def float_columns(
        self, data: bytes, starts: NDArray[np.int64], ends: NDArray[np.int64]
    ) -> list[Parsed]:
        """Read columns of cells as float64; see `floats`.

        Args:
            data: The bytes they stand in.
            starts: Where each starts, rising record by record, shape (n, columns).
            ends: Where each ends.
        """
        plain: list[Parsed | None] | None = None
        if self._notation is None:
            parsed = native.parse_float_columns(data, starts, ends, self._null_bytes)
            if parsed is not None:
                return parsed
            plain = self._plain_floats(data, starts, ends)
        bounds = list(zip(starts.T, ends.T, strict=True))
        if plain is None and len(bounds) > 1:  # some may be plain all the same
            return [self.floats(data, *cells) for cells in bounds]
        return [
            self._floats_with_care(slices(data, *cells)) if parsed is None else parsed
            for parsed, cells in zip(plain or [None] * len(bounds), bounds, strict=True)
        ]

    def _plain_floats(
        self, data: bytes, starts: NDArray[np.int64], ends: NDArray[np.int64]
    ) -> list[Parsed | None] | None:
        """Read columns of cells as float64 by one cast; see `float_columns`.

        Returns:
            For each column its cells; None if one may be null though it is not empty, or be no
            number though Arrow reads it. None at all if a cell is neither empty nor a number.
        """
        filled = ends > starts
        complete = bool(filled.all())
        columns = np.empty(starts.shape[::-1])
        step = max(1, _TOGETHER // max(1, len(columns)))
        for first in range(0, len(starts), step):
            rows = slice(first, first + step)
            part = starts[rows]
            bits = _odd_bits(part.size, None if complete else filled[rows].reshape(-1))
            laid = laid_over(data, part.reshape(-1), ends[rows].reshape(-1), bits)
            try:
                if not first:
                    pc.cast(laid.slice(0, _FIRST), pa.float64())
                read = pc.cast(laid, pa.float64())
            except pa.ArrowInvalid:
                return None
            columns[:, rows] = to_numpy(read)[1::2].reshape(part.shape).T
        return [
            self._plain_column(values, None if complete else there)
            for values, there in zip(columns, filled.T, strict=True)
        ]

    def _plain_column(
        self, values: NDArray[Any], filled: NDArray[np.bool_] | None
    ) -> Parsed | None:
        """Return what Arrow read of cells that are not empty, None if it has to be looked at."""
        if filled is None or filled.all():
            valid, nulls = None, 0
        else:
            valid = np.ascontiguousarray(filled)
            nulls = int(len(valid) - np.count_nonzero(valid))
        if _has_nan(values, valid) or self._may_be_null(values):
            return None
        return Parsed(values, valid, nulls)

    def integers(
        self, data: bytes, starts: NDArray[np.int64], ends: NDArray[np.int64]
    ) -> tuple[Parsed, ...]:
        """Read cells as whole numbers where they are, as float64 where they have a fraction.

        Returns:
            The int64 ones; then, if there are any, those with a fraction or exponent, as float64,
            and those beyond int64, as Python integers.
        """
        if self._notation is None:
            parsed = native.parse_integers(data, starts, ends, self._null_bytes)
            if parsed is not None:
                return (parsed,)
        laid = slices(data, starts, ends)
        if self._notation is not None:
            return self._integers_with_care(laid)
        try:
            pc.cast(laid, pa.float64())  # 0x10 would pass for a whole number
            values = to_numpy(pc.cast(laid, pa.int64()))[1::2].copy()
        except pa.ArrowInvalid:
            return self._integers_with_care(laid)
        parsed = self._plain_column(values, ends > starts)
        return self._integers_with_care(laid) if parsed is None else (parsed,)

    def _may_be_null(self, values: NDArray[Any]) -> bool:
        """Return whether one of some numbers may be written as a text that means null."""
        return bool(len(self._null_numbers)) and bool(np.isin(values, self._null_numbers).any())

    def is_null(self, texts: pa.Array) -> NDArray[np.bool_]:
        """Return which texts mean null; a null text does."""
        return to_bools(pc.is_in(texts, self._nulls)) | ~validity(texts)

    def usual(self, cells: pa.Array) -> tuple[pa.Array, NDArray[np.bool_]]:
        """Return cells without blanks and with numbers as usual, and which of them mean null."""
        texts = pc.ascii_trim(cells, " \t")
        null = self.is_null(cells) | self.is_null(texts)
        return texts if self._notation is None else self._notation.to_usual(texts), null

    def _floats_with_care(self, laid: pa.Array) -> Parsed:
        cells = chosen(laid)
        if self._notation is None:  # without blanks, most likely, which Arrow reads as no number
            texts, null = cells, self.is_null(cells)
        else:
            texts, null = self.usual(cells)
        try:
            values = to_numpy(pc.cast(with_nulls(texts, null), pa.float64()))
        except pa.ArrowInvalid:
            return self._floats_one_by_one(cells)
        if _has_nan(values, ~null):
            return self._floats_one_by_one(cells)
        return Parsed(values, ~null, int(np.count_nonzero(null)))

    def _floats_one_by_one(self, cells: pa.Array) -> Parsed:
        texts, null = self.usual(cells)
        number = matches(texts, f"{NUMBER}|{NOT_FINITE}") & ~null
        readable = with_nulls(texts, ~number)
        values = to_numpy(pc.cast(readable, pa.float64()))
        return Parsed(values, number, int(np.count_nonzero(null)), _if_any(~number & ~null))

    def _integers_with_care(self, laid: pa.Array) -> tuple[Parsed, ...]:
        texts, null = self.usual(chosen(laid))
        lengths = to_numpy(pc.binary_length(texts)).astype(np.int64)
        digits = to_numpy(pc.binary_length(pc.ascii_ltrim(texts, "+-")))
        whole = matches(texts, WHOLE) & ~null & (digits <= LONGEST_WHOLE)
        short = whole & (lengths <= _LONGEST_SURE)
        long = whole & ~short
        fraction = matches(texts, f"{NUMBER}|{NOT_FINITE}") & ~whole & ~null
        strange = ~null & ~short & ~long & ~fraction
        bare = pc.ascii_ltrim(texts, "+")
        integers = to_numpy(pc.cast(with_nulls(bare, ~short), pa.int64()))
        python = np.zeros(len(texts), object)
        if long.any():
            python[long] = [int(text) for text in with_nulls(bare, ~long).drop_null().to_pylist()]
            fits = long & (python >= _INT64.min) & (python <= _INT64.max)
            integers = np.where(fits, python, integers).astype(np.int64)
            short, long = short | fits, long & ~fits
        parsed = [Parsed(integers, short, int(np.count_nonzero(null)), _if_any(strange))]
        if fraction.any():
            floats = to_numpy(pc.cast(with_nulls(texts, ~fraction), pa.float64()))
            parsed.append(Parsed(floats, fraction))
        if long.any():
            parsed.append(Parsed(python, long))
        return tuple(parsed)


def _if_any(which: NDArray[np.bool_]) -> NDArray[np.bool_] | None:
    return which if which.any() else None


def _has_nan(values: NDArray[Any], there: NDArray[np.bool_] | None) -> bool:
    """Return whether there is a NaN: Arrow takes `nan(…)` for one, and it says something else."""
    nan = np.isnan(values)
    return bool((nan if there is None else nan & there).any())


def chosen(laid: pa.Array) -> pa.Array:
    """Return the chosen slices of what `slices` laid out."""
    return laid.take(array(np.arange(1, len(laid), 2, dtype=np.int64)))


def matches(texts: pa.Array, pattern: str) -> NDArray[np.bool_]:
    """Return which texts match a pattern as a whole."""
    return to_bools(pc.match_substring_regex(texts, f"^(?:{pattern})$"))


def decimals_of(laid: pa.Array, mark: bytes = b".") -> NDArray[np.int64]:
    """Return the digits after the decimal mark of each chosen slice; -1 with an exponent."""
    texts = pc.ascii_trim(chosen(laid), " \t")
    lengths = to_numpy(pc.binary_length(texts)).astype(np.int64)
    points = to_numpy(pc.find_substring(texts.view(pa.binary()), mark)).astype(np.int64)
    decimals = np.where(points < 0, 0, lengths - points - len(mark))
    decimals[to_bools(pc.match_substring_regex(texts, "[eE]"))] = -1
    return decimals


def format_floats(values: NDArray[np.float64]) -> pa.Array:
    """Write floats as Python's repr does: the shortest digits that read back as the same number."""
    written = native.format_floats(values)
    if written is not None:
        buffers = [None, *map(pa.py_buffer, written)]
        return pa.Array.from_buffers(pa.utf8(), len(values), buffers)
    texts = pc.cast(array(values), pa.utf8())
    spare = np.rint(values)
    otherwise = values == spare
    magnitude = np.abs(values, out=spare)
    otherwise |= magnitude < _PLAIN_LOW
    otherwise |= magnitude >= _PLAIN_HIGH
    if not otherwise.any():
        return texts
    return _replaced(texts, otherwise, strings([repr(v) for v in values[otherwise].tolist()]))


def _replaced(texts: pa.Array, which: NDArray[np.bool_], others: pa.Array) -> pa.Array:
    """Put other texts in the place of some; a few are quicker put between slices of the rest."""
    if len(others) * _FEW > len(texts):
        return pc.replace_with_mask(texts, bools(which), others)
    pieces = []
    start = 0
    for number, place in enumerate(np.flatnonzero(which).tolist()):
        pieces += [texts.slice(start, place - start), others.slice(number, 1)]
        start = place + 1
    return pa.concat_arrays([*pieces, texts.slice(start)])


def format_fixed(values: NDArray[np.float64], decimals: int | NDArray[np.int64]) -> pa.Array:
    """Write floats with so many digits after the point each; -1: as `format_floats`."""
    digits = np.broadcast_to(decimals, values.shape).tolist()
    pairs = zip(values.tolist(), digits, strict=True)
    return strings([f"{v:.{d}f}" if d >= 0 else repr(v) for v, d in pairs])


def format_integers(values: NDArray[Any]) -> pa.Array:
    """Write whole numbers."""
    if values.dtype == object:
        return strings([str(value) for value in values])
    return pc.cast(array(values), pa.utf8())


def splice(
    data: bytes,
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    changed: NDArray[np.bool_],
    texts: pa.Array,
    bounds: tuple[int, int] | None = None,
) -> pa.Buffer:
    """Put new texts in the place of the changed cells; every other byte stays.

    Args:
        data: The bytes.
        starts: Where each cell starts, in rising order, shape (n,).
        ends: Where each ends.
        changed: Which cells change.
        texts: A text for each changed cell, in order; one that is null is empty.
        bounds: The part of the data that is wanted, with all these cells; None: all of it.
    """
    if not changed.all():
        starts, ends = starts[changed], ends[changed]
    laid = laid_over(data, starts, ends, None, bounds)
    odd = pa.Array.from_buffers(pa.bool_(), len(laid), [None, _odd_bits(len(starts))])
    # Three times as fast as `replace_with_mask`, which adds one text after another.
    return text_bytes(pc.if_else(odd, _at_odd_places(texts), laid))


def splice_floats(
    data: bytes,
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    changed: NDArray[np.bool_],
    values: NDArray[np.float64],
) -> Iterator[pa.Buffer]:
    """Do as `splice` does, with a float for each of at least one cell, piece by piece."""
    parts = range(0, len(starts), _TOGETHER)
    done = 0
    for first in parts:
        here = slice(first, first + _TOGETHER)
        which, floats = changed[here], values[here]
        texts = format_floats(floats if which.all() else floats[which])
        stop = len(data) if first == parts[-1] else int(ends[here][-1])
        yield splice(data, starts[here], ends[here], which, texts, (done, stop))
        done = stop


def _at_odd_places(texts: pa.Array) -> pa.Array:
    """Return empty, text, empty, …, empty, over the same bytes."""
    if texts.null_count:
        texts = pc.coalesce(texts, *strings([""]))
    count = len(texts)
    _, offsets, data = texts.buffers()
    here = np.frombuffer(offsets, np.int32, count + 1 + texts.offset)[texts.offset :]
    buffers = [None, pa.py_buffer(np.repeat(here, 2)), data]
    return pa.Array.from_buffers(texts.type, 2 * count + 1, buffers)


def text_bytes(texts: pa.Array) -> pa.Buffer:
    """Return the bytes of texts, one after another."""
    offsets = np.frombuffer(texts.buffers()[1], np.int32, len(texts) + texts.offset + 1)
    first, last = int(offsets[texts.offset]), int(offsets[-1])
    return texts.buffers()[2].slice(first, last - first)
