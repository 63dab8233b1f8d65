"""Cells as texts, and back: the one place that quotes and unquotes.

A quote inside a quoted cell is doubled, or an escape character stands before it.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from noisify.core.arrow_arrays import strings
from noisify.core.errors import DataError
from noisify.core.lazy_pyarrow import pa, pc

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

QUOTE = 34
EMPTY = '""'
"""A cell that is empty, and not null."""
_IN_QUOTES = rb'"[^"]*+(?:""[^"]*+)*+"'
_WELL_QUOTED = re.compile(_IN_QUOTES)
_QUOTED = re.compile(rb'"((?:[^"]|"")*+)"')


@cache
def cell_pattern(delimiter: bytes, escape: bytes) -> re.Pattern[bytes]:
    """Return the pattern of one cell (group 1) and what ends it (group 2)."""
    d, e = re.escape(delimiter), re.escape(escape)
    others = rb"[^" + d + e + rb"\r\n]*+"
    quoted = _IN_QUOTES
    escaped = e + rb"(?:[\s\S]|\Z)" if e else rb"(?!)"
    if e:  # a possessive group with a choice in it would miss cells before Python 3.11.5
        others += rb"(?:" + escaped + others + rb")*"
        quoted = rb'"[^"' + e + rb']*+(?:(?:""|' + escaped + rb')[^"' + e + rb']*+)*"(?!")'
    if len(delimiter) > 1:  # likewise
        others = rb"(?:" + escaped + rb"|[^\r\n])*?(?=" + d + rb"|[\r\n]|\Z)"
    plain = rb'(?!")' + others
    ends = rb")(" + d + rb"|\r\n|\n|\r|\Z)"
    return re.compile(rb"(" + quoted + others + rb"|" + plain + ends)


def unescape(text: bytes, escape: bytes) -> bytes:
    """Return a text without its escape characters, as Python's `csv` reads it."""
    return re.sub(re.escape(escape) + rb"([\s\S])", rb"\1", text) if escape else text


def unquote(cell: bytes, escape: bytes = b"") -> bytes:
    """Return what a cell says, as Python's `csv` reads it: quotes after the closing one stay.

    >>> unquote(b'"a ""b"" c"')
    b'a "b" c'
    >>> unquote(b'"a" "b"')
    b'a "b"'
    """
    e = re.escape(escape)
    pattern = _QUOTED if not e else re.compile(rb'"((?:""|' + e + rb'[\s\S]|[^"' + e + rb'])*)"')
    match = pattern.match(cell)
    if match is None:
        return unescape(cell, escape)
    if not e:
        return match[1].replace(b'""', b'"') + cell[match.end() :]
    inside = re.sub(rb'""|' + e + rb"[\s\S]", lambda pair: pair[0][1:], match[1])
    return inside + unescape(cell[match.end() :], escape)


def is_well_quoted(cell: bytes) -> bool:
    """Return whether a cell is one in quotes, and those inside are doubled."""
    return _WELL_QUOTED.fullmatch(cell) is not None


def quoted(data: bytes, starts: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which cells stand in quotes, by the byte before each."""
    characters = np.frombuffer(data, np.uint8)
    if not len(starts):
        return np.zeros(0, bool)
    return np.asarray((starts > 0) & (characters[np.maximum(starts - 1, 0)] == QUOTE))


def outer_bounds(
    data: bytes, starts: NDArray[np.int64], ends: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return where cells start and end with the quotes around them."""
    in_quotes = quoted(data, starts)
    return starts - in_quotes, ends + in_quotes


def decode(
    cells: pa.Array, in_quotes: NDArray[np.bool_], encoding: str, escape: bytes = b""
) -> NDArray[Any]:
    """Return what cells say, as Python's `csv` reads them.

    Args:
        cells: The cells, without quotes where they stand in some.
        in_quotes: Which do.
        encoding: The file's.
        escape: The escape character; empty: there is none.

    Returns:
        Shape (n,), Python strings; bytes that mean nothing are surrogates.
    """
    raw = cells.view(pa.binary()).to_pylist()
    signs = (b'"', escape) if escape else (b'"',)
    for at, cell in enumerate(raw):
        if cell and any(sign in cell for sign in signs):
            raw[at] = unquote(b'"' + cell + b'"' if in_quotes[at] else cell, escape)
    texts = np.full(len(raw), "", object)
    texts[:] = ["" if cell is None else cell.decode(encoding, "surrogateescape") for cell in raw]
    return texts


def encode(
    texts: NDArray[Any],
    in_quotes: NDArray[np.bool_],
    delimiter: str,
    encoding: str,
    comment: str = "",
    escape: str = "",
) -> pa.Array:
    """Return texts as they stand in cells: quotes doubled in quotes, quotes put where needed.

    Args:
        texts: What the cells say, Python strings.
        in_quotes: Which of them stand in quotes.
        delimiter: The character between cells.
        encoding: The file's.
        comment: What a cell that is the first of its record must not start with outside quotes.
        escape: The escape character, which stands before itself and quotes; empty: there is none.
    """
    starts = f"|^{re.escape(comment)}" if comment else ""
    special = re.compile(f'[{re.escape(delimiter)}"\r\n]{starts}')
    quote = escape + '"' if escape else '""'
    written = []
    for text, inside in zip(texts.tolist(), in_quotes.tolist(), strict=True):
        escaped = text.replace(escape, escape * 2) if escape else text
        if inside:
            written.append(escaped.replace('"', quote))
        elif special.search(text):
            written.append('"' + escaped.replace('"', quote) + '"')
        else:
            written.append(escaped)
    if encoding.lower().replace("-", "").replace("_", "") == "utf8":
        return strings(written)
    try:
        return byte_cells([text.encode(encoding, "surrogateescape") for text in written])
    except UnicodeEncodeError as error:
        raise DataError(
            f"cannot hold {error.object[error.start : error.end]!r} in {encoding}"
        ) from None


def byte_cells(cells: Sequence[bytes]) -> pa.Array:
    """Return the bytes of cells, in whatever encoding, as an Arrow array of texts."""
    offsets = np.zeros(len(cells) + 1, np.int32)
    np.cumsum([len(cell) for cell in cells], out=offsets[1:])
    data = pa.py_buffer(b"".join(cells))
    return pa.Array.from_buffers(pa.utf8(), len(cells), [None, pa.py_buffer(offsets), data])


def undoubled(cells: pa.Array) -> pa.Array:
    """Return what cells say of which the quotes around them have been left out."""
    return pc.replace_substring(cells, EMPTY, '"')


def with_quotes(cells: pa.Array) -> pa.Array:
    """Return cells, as bytes, with quotes around them, and those inside doubled."""
    return _between_quotes(pc.replace_substring(cells, '"', EMPTY))


def _between_quotes(cells: pa.Array) -> pa.Array:
    mark, nothing = strings(['"', ""]).view(pa.binary())  # `pa.scalar` would import pandas
    return pc.binary_join_element_wise(mark, cells, mark, nothing)


def with_quotes_where_needed(texts: pa.Array, delimiter: str) -> pa.Array:
    """Return texts, as bytes, as they stand in cells; an empty one is not null there."""
    pattern = f'^$|[\r\n"{re.escape(delimiter)}]|^[ \t]|[ \t]$'
    return pc.if_else(pc.match_substring_regex(texts, pattern), with_quotes(texts), texts)


def with_quotes_if_cut(cells: pa.Array, delimiter: bytes) -> pa.Array:
    """Return cells, as bytes, with quotes around those without that a delimiter would cut."""
    cut = pc.and_not(pc.match_substring(cells, delimiter), pc.starts_with(cells, '"'))
    return pc.if_else(cut, _between_quotes(cells), cells)


def well_quoted(texts: pa.Array, delimiter: bytes, escape: bytes) -> pa.Array:
    """Return cells of which none has a delimiter behind its closing quote, or a quote in others."""
    cells = texts.to_pylist()
    for at, cell in enumerate(cells):
        if delimiter not in cell or b'"' not in cell or is_well_quoted(cell):
            continue
        says = unquote(cell, escape)
        escaped = says.replace(escape, escape * 2) if escape else says
        cells[at] = b'"' + escaped.replace(b'"', b'""') + b'"'
    return byte_cells(cells).view(pa.binary())
