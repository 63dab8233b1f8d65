"""Parse cells as numbers and format numbers as cells, in bulk.

A number is an optional sign, ASCII digits with an optional decimal point, and an optional exponent.
It may have spaces or tabs around it, and quotes around all that: `7`, `-1.50`, `.5`, `5.`, `+1e-3`,
`" 2 "`. `nan`, `inf` and `infinity`, in any case, signed or not, are non-finite numbers; so are
numbers too large for float64, such as `1e999`. With another decimal mark, a cell with a point is
not a number. With a thousands mark, `1,234,567.8` is one too: one to three digits, the first not 0,
then groups of exactly three, and no exponent.

Everything else is not a number and is left alone: `1_000`, `0x10`, `1e`, `$5`, `5%`, `1 000`,
`1,5`, `nan(1)`, `true`, non-ASCII digits. A column of whole numbers in which some have leading
zeros (`007`) holds codes; it gets noise only if it is selected by name.

Written back, a number keeps its thousands marks, blanks, quotes and decimal mark, but not a plus
sign, leading zeros or an exponent.
"""

from __future__ import annotations

import re
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from noisify.core.arrow_arrays import (
    array,
    bitmap,
    bools,
    strings,
    to_bools,
    to_numpy,
    validity,
    with_nulls,
)
from noisify.core.lazy_libraries import pa, pc
from noisify.core.missing import Missing
from noisify.formats.csv import native
from noisify.formats.csv.types import Parsed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from noisify.formats.csv.number_format import Notation
    from noisify.formats.csv.types import Cells

USUAL_NULLS = (
    "", "NA", "N/A", "n/a", "#N/A", "#NA", "<NA>", "NULL", "null", "None", "nil", "-", "NaN", "nan",
)  # fmt: skip
"""Texts that mean null by default."""

NUMBER = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
NOT_FINITE = r"[+-]?(?i:nan|inf|infinity)"
WHOLE = r"[+-]?[0-9]+"
CODE = r"[+-]?0[0-9]+"
"""A whole number with leading zeros, which is a code."""

_ALTERNATING = 0xAA
"""Validity bits that select the chosen slices of kept, chosen, kept, chosen, …"""

_INT64 = np.iinfo(np.int64)
_LONGEST_SURE = 18
"""Whole numbers of up to this many characters fit int64."""

LONGEST_WHOLE = 308
"""Whole numbers of more digits are read as floats, since noise and statistics use float64."""

_FEW = 64
_FIRST = 1024
"""Slices to cast first: a failing cast goes on to the end of its input and is slow."""

_BATCH_CELLS = 1 << 16

_PLAIN_LOW, _PLAIN_HIGH = 1e-4, 1e10
"""Magnitudes between which Arrow writes fractional numbers as Python's repr does."""


def slices(cells: Cells) -> pa.Array:
    """Lay an Arrow string array over bytes without copying: kept, chosen, kept, …, kept.

    Args:
        cells: The chosen slices, ascending, shape (n,).

    Returns:
        2n + 1 slices; the chosen ones, at odd places, are valid unless empty.
    """
    filled = cells.ends > cells.starts
    return laid_over(cells, _odd_bits(len(filled), None if filled.all() else filled))


def laid_over(
    cells: Cells, bits: pa.Buffer | None = None, bounds: tuple[int, int] | None = None
) -> pa.Array:
    """Lay an Arrow string array over bytes as `slices` does, with a given validity and bounds.

    Args:
        cells: The chosen slices, ascending, shape (n,).
        bits: The slices' validity bitmap, or None if all are valid.
        bounds: The start of the first slice and the end of the last, or None for all of the data.
    """
    count = len(cells.starts)
    offsets = np.empty(2 * count + 2, np.int32)
    offsets[0], offsets[-1] = bounds or (0, len(cells.data))
    offsets[1:-1:2] = cells.starts
    offsets[2:-1:2] = cells.ends
    buffers = [bits, pa.py_buffer(offsets), pa.py_buffer(cells.data)]
    return pa.Array.from_buffers(pa.utf8(), 2 * count + 1, buffers)


def _odd_bits(count: int, which: NDArray[np.bool_] | None = None) -> pa.Buffer:
    """Return a bitmap of 2 count + 1 bits, with `which` at the odd places and 0 at the even.

    Args:
        count: The number of odd places.
        which: Mask, shape (count,), or None for all of them.
    """
    if which is None:
        return pa.py_buffer(np.full(2 * count // 8 + 1, _ALTERNATING, np.uint8))
    spread = np.zeros(2 * count + 1, bool)
    spread[1::2] = which
    return bitmap(spread)


@lru_cache(maxsize=8)
def cell_parser(nulls: tuple[str, ...] | None, notation: Notation) -> CellParser:
    """Return a parser, cached for files with the same nulls and number notation."""
    return CellParser(nulls, notation)


class CellParser:
    """Reads cells as numbers.

    Args:
        nulls: The texts that mean null, besides the empty cell.
        notation: The notation of numbers, or None for the usual one.
        batch_cells: The number of cells to read at once; each takes several times its size.
    """

    def __init__(
        self,
        nulls: Sequence[str] | None = None,
        notation: Notation | None = None,
        batch_cells: int = _BATCH_CELLS,
    ) -> None:
        self._batch_cells = batch_cells
        texts = USUAL_NULLS if nulls is None else ("", *nulls)
        self._null_texts = texts
        self._null_bytes = tuple(text.encode("utf-8", "surrogateescape") for text in texts)
        readable = (text for text in texts if re.fullmatch(f"{NUMBER}|{NOT_FINITE}", text))
        numbers = np.array([float(text) for text in readable])
        self._null_numbers = numbers[~np.isnan(numbers)]  # NaN is checked in any case
        self._notation = None if notation is None or notation.is_usual else notation

    @cached_property
    def missing(self) -> Missing:
        """The values and texts that noise must not produce, since they would be read as null."""
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

    def floats(self, cells: Cells) -> Parsed:
        """Read cells as float64.

        Args:
            cells: The cells, shape (n,).
        """
        return self.float_columns(cells.where(np.s_[:, None]))[0]

    def float_columns(self, cells: Cells) -> list[Parsed]:
        """Read columns of cells as float64.

        Args:
            cells: The cells, ascending record by record, shape (n, columns).
        """
        plain: list[Parsed | None] | None = None
        if self._notation is None:
            parsed = native.parse_float_columns(cells, self._null_bytes)
            if parsed is not None:
                return parsed
            plain = self._plain_floats(cells)
        columns = [cells.column(at) for at in range(cells.starts.shape[1])]
        if plain is None and len(columns) > 1:  # single columns may still be plain
            return [self.floats(column) for column in columns]
        return [
            self._floats_with_care(slices(column)) if parsed is None else parsed
            for parsed, column in zip(plain or [None] * len(columns), columns, strict=True)
        ]

    def _plain_floats(self, cells: Cells) -> list[Parsed | None] | None:
        """Read columns of cells as float64 by one Arrow cast; see `float_columns`.

        Returns:
            The cells of each column, or None for a column that may hold non-empty nulls or texts
            that only Arrow takes for numbers. None altogether if Arrow cannot cast a cell.
        """
        filled = cells.ends > cells.starts
        complete = bool(filled.all())
        columns = np.empty(filled.shape[::-1])
        step = max(1, self._batch_cells // max(1, len(columns)))
        for first in range(0, len(filled), step):
            rows = slice(first, first + step)
            part = filled[rows]
            bits = _odd_bits(part.size, None if complete else part.reshape(-1))
            laid = laid_over(cells.where(rows).flat(), bits)
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
        """Return a column as Arrow read it; None if a cell may be null or not a number."""
        if filled is None or filled.all():
            valid, nulls = None, 0
        else:
            valid = np.ascontiguousarray(filled)
            nulls = int(len(valid) - np.count_nonzero(valid))
        unsure = self._null_numbers  # some may come from texts that mean null
        if _has_nan(values, valid) or (len(unsure) and np.isin(values, unsure).any()):
            return None
        return Parsed(values, valid, nulls)

    def integers(self, cells: Cells) -> tuple[Parsed, ...]:
        """Read whole numbers as integers, and numbers with a fraction or exponent as float64.

        Returns:
            The int64 cells; then, if there are any, the float64 ones, and those too large for
            int64 as Python integers.
        """
        if self._notation is None:
            parsed = native.parse_integers(cells, self._null_bytes)
            if parsed is not None:
                return (parsed,)
        laid = slices(cells)
        if self._notation is not None:
            return self._integers_with_care(laid)
        try:
            pc.cast(laid, pa.float64())  # rejects 0x10, which the cast to int64 accepts
            values = to_numpy(pc.cast(laid, pa.int64()))[1::2].copy()
        except pa.ArrowInvalid:
            return self._integers_with_care(laid)
        parsed = self._plain_column(values, cells.ends > cells.starts)
        return self._integers_with_care(laid) if parsed is None else (parsed,)

    def is_null(self, texts: pa.Array) -> NDArray[np.bool_]:
        """Return a mask of the texts that mean null, or are null."""
        return to_bools(pc.is_in(texts, self._nulls)) | ~validity(texts)

    def usual(self, cells: pa.Array) -> tuple[pa.Array, NDArray[np.bool_]]:
        """Strip blanks and rewrite numbers in the usual notation; also mask the null cells."""
        texts = pc.ascii_trim(cells, " \t")
        null = self.is_null(cells) | self.is_null(texts)
        return texts if self._notation is None else self._notation.to_usual(texts), null

    def _floats_with_care(self, laid: pa.Array) -> Parsed:
        cells = chosen(laid)
        if self._notation is None:  # if there are blanks, the cast fails
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
        unparseable = ~null & ~short & ~long & ~fraction
        bare = pc.ascii_ltrim(texts, "+")
        integers = to_numpy(pc.cast(with_nulls(bare, ~short), pa.int64()))
        python = np.zeros(len(texts), object)
        if long.any():
            python[long] = [int(text) for text in with_nulls(bare, ~long).drop_null().to_pylist()]
            fits = long & (python >= _INT64.min) & (python <= _INT64.max)
            integers = np.where(fits, python, integers).astype(np.int64)
            short, long = short | fits, long & ~fits
        parsed = [Parsed(integers, short, int(np.count_nonzero(null)), _if_any(unparseable))]
        if fraction.any():
            floats = to_numpy(pc.cast(with_nulls(texts, ~fraction), pa.float64()))
            parsed.append(Parsed(floats, fraction))
        if long.any():
            parsed.append(Parsed(python, long))
        return tuple(parsed)


def _if_any(which: NDArray[np.bool_]) -> NDArray[np.bool_] | None:
    return which if which.any() else None


def _has_nan(values: NDArray[Any], there: NDArray[np.bool_] | None) -> bool:
    """Return whether there is a NaN, which may come from a text: Arrow accepts `nan(…)`."""
    nan = np.isnan(values)
    return bool((nan if there is None else nan & there).any())


def chosen(laid: pa.Array) -> pa.Array:
    """Return the chosen slices of a `slices` array, those at odd places."""
    return laid.take(array(np.arange(1, len(laid), 2, dtype=np.int64)))


def matches(texts: pa.Array, pattern: str) -> NDArray[np.bool_]:
    """Return a mask of the texts that fully match a pattern."""
    return to_bools(pc.match_substring_regex(texts, f"^(?:{pattern})$"))


def decimals_of(laid: pa.Array, mark: bytes = b".") -> NDArray[np.int64]:
    """Count the digits after the decimal mark of each chosen slice; -1 if it has an exponent."""
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
    """Replace some texts by others; if they are few, concatenating slices is faster."""
    if len(others) * _FEW > len(texts):
        return pc.replace_with_mask(texts, bools(which), others)
    pieces = []
    start = 0
    for number, place in enumerate(np.flatnonzero(which).tolist()):
        pieces += [texts.slice(start, place - start), others.slice(number, 1)]
        start = place + 1
    return pa.concat_arrays([*pieces, texts.slice(start)])


def format_fixed(values: NDArray[np.float64], decimals: int | NDArray[np.int64]) -> pa.Array:
    """Write each float with a number of digits after the point; -1 means as `format_floats`."""
    digits = np.broadcast_to(decimals, values.shape).tolist()
    pairs = zip(values.tolist(), digits, strict=True)
    return strings([f"{v:.{d}f}" if d >= 0 else repr(v) for v, d in pairs])


def format_integers(values: NDArray[Any]) -> pa.Array:
    """Write whole numbers."""
    if values.dtype == object:
        return strings([str(value) for value in values])
    return pc.cast(array(values), pa.utf8())


def splice(
    cells: Cells, changed: NDArray[np.bool_], texts: pa.Array, bounds: tuple[int, int] | None = None
) -> pa.Buffer:
    """Replace the changed cells by new texts; copy every other byte.

    Args:
        cells: The cells, ascending, shape (n,).
        changed: Mask of the cells that change.
        texts: A text for each changed cell, in order; null counts as empty.
        bounds: The part of the data to return, which holds all these cells, or None for all of it.
    """
    if not changed.all():
        cells = cells.where(changed)
    laid = laid_over(cells, None, bounds)
    odd = pa.Array.from_buffers(pa.bool_(), len(laid), [None, _odd_bits(len(cells.starts))])
    # Three times as fast as `replace_with_mask`, which adds one text after another.
    return text_bytes(pc.if_else(odd, _at_odd_places(texts), laid))


def splice_floats(
    cells: Cells,
    changed: NDArray[np.bool_],
    values: NDArray[np.float64],
    batch_cells: int = _BATCH_CELLS,
) -> Iterator[pa.Buffer]:
    """Replace the changed cells by floats, as `splice` does with texts, and yield it in pieces.

    Args:
        cells: The cells, ascending, shape (n,), n at least 1.
        changed: Mask of the cells that change.
        values: A float for each cell.
        batch_cells: The number of cells to write at once; each takes several times its size.
    """
    parts = range(0, len(values), batch_cells)
    done = 0
    for first in parts:
        here = slice(first, first + batch_cells)
        some, which, floats = cells.where(here), changed[here], values[here]
        texts = format_floats(floats if which.all() else floats[which])
        stop = len(cells.data) if first == parts[-1] else int(some.ends[-1])
        yield splice(some, which, texts, (done, stop))
        done = stop


def _at_odd_places(texts: pa.Array) -> pa.Array:
    """Interleave texts with empty ones, over the same bytes: empty, text, empty, …, empty."""
    if texts.null_count:
        texts = pc.coalesce(texts, *strings([""]))
    count = len(texts)
    _, offsets, data = texts.buffers()
    here = np.frombuffer(offsets, np.int32, count + 1 + texts.offset)[texts.offset :]
    buffers = [None, pa.py_buffer(np.repeat(here, 2)), data]
    return pa.Array.from_buffers(texts.type, 2 * count + 1, buffers)


def text_bytes(texts: pa.Array) -> pa.Buffer:
    """Return the concatenated bytes of texts."""
    offsets = np.frombuffer(texts.buffers()[1], np.int32, len(texts) + texts.offset + 1)
    first, last = int(offsets[texts.offset]), int(offsets[-1])
    return texts.buffers()[2].slice(first, last - first)
