"""Quote and unquote cells.

A quote inside a quoted cell is doubled or preceded by the escape character.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from noisify.core.arrow_arrays import byte_strings, strings
from noisify.core.errors import DataError
from noisify.core.lazy_libraries import pa, pc
from noisify.formats.csv.types import IN_QUOTES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from noisify.formats.csv.types import Dialect

EMPTY = '""'
"""A cell that holds the empty text rather than null."""
_WELL_QUOTED = re.compile(IN_QUOTES)
_QUOTED = re.compile(rb'"((?:[^"]|"")*+)"')


def unescape(text: bytes, escape: bytes) -> bytes:
    """Remove the escape characters from a text, as Python's `csv` does."""
    return re.sub(re.escape(escape) + rb"([\s\S])", rb"\1", text) if escape else text


def unquote(cell: bytes, escape: bytes = b"") -> bytes:
    """Return the text of a cell as Python's `csv` reads it: quotes after the closing one stay.

    >>> unquote(b'"a ""b"" c"')
    b'a "b" c'
    >>> unquote(b'"a" "b"')
    b'a "b"'
    """
    if not cell.startswith(b'"'):
        return unescape(cell, escape)
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
    """Return whether a cell is wrapped in quotes and every quote inside is doubled."""
    return _WELL_QUOTED.fullmatch(cell) is not None


def decode(
    cells: pa.Array, in_quotes: NDArray[np.bool_], encoding: str, escape: bytes = b""
) -> NDArray[Any]:
    """Decode the texts of cells as Python's `csv` reads them.

    Args:
        cells: The cells without the quotes around them.
        in_quotes: Which cells have quotes around them.
        encoding: The file's encoding.
        escape: The escape character, or empty if there is none.

    Returns:
        Python strings, shape (n,); undecodable bytes become surrogates.
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
    texts: NDArray[Any], in_quotes: NDArray[np.bool_], dialect: Dialect, encoding: str
) -> pa.Array:
    """Encode texts as cells: double the quotes in quoted cells, and add quotes where needed.

    Args:
        texts: The texts, Python strings.
        in_quotes: Which cells already have quotes around them.
        dialect: The dialect of the table, without its comment prefix unless these are first
            cells of records, which must not start with it unquoted.
        encoding: The file's encoding.

    Raises:
        DataError: If the encoding cannot hold a text.
    """
    delimiter, comment, escape = (
        sign.decode(encoding) for sign in (dialect.delimiter, dialect.comment, dialect.escape)
    )
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
        return byte_strings([text.encode(encoding, "surrogateescape") for text in written])
    except UnicodeEncodeError as error:
        raise DataError(
            f"cannot hold {error.object[error.start : error.end]!r} in {encoding}"
        ) from None


def undoubled(cells: pa.Array) -> pa.Array:
    """Undouble the quotes in cells whose surrounding quotes have been left out."""
    return pc.replace_substring(cells, EMPTY, '"')


def with_quotes(cells: pa.Array) -> pa.Array:
    """Put quotes around cells, given as bytes, and double the quotes inside."""
    return _between_quotes(pc.replace_substring(cells, '"', EMPTY))


def _between_quotes(cells: pa.Array) -> pa.Array:
    mark, nothing = strings(['"', ""]).view(pa.binary())  # `pa.scalar` would import pandas
    return pc.binary_join_element_wise(mark, cells, mark, nothing)


def with_quotes_where_needed(texts: pa.Array, delimiter: str) -> pa.Array:
    """Quote the texts, given as bytes, that need it; an empty text does, so as not to be null."""
    pattern = f'^$|[\r\n"{re.escape(delimiter)}]|^[ \t]|[ \t]$'
    return pc.if_else(pc.match_substring_regex(texts, pattern), with_quotes(texts), texts)


def with_quotes_if_cut(cells: pa.Array, delimiter: bytes) -> pa.Array:
    """Quote the unquoted cells, given as bytes, that contain the delimiter."""
    cut = pc.and_not(pc.match_substring(cells, delimiter), pc.starts_with(cells, '"'))
    return pc.if_else(cut, _between_quotes(cells), cells)


def well_quoted(texts: pa.Array, delimiter: bytes, escape: bytes) -> pa.Array:
    """Requote the cells with a delimiter and misplaced quotes, so that no delimiter cuts them."""
    cells = texts.to_pylist()
    for at, cell in enumerate(cells):
        if delimiter not in cell or b'"' not in cell or is_well_quoted(cell):
            continue
        text = unquote(cell, escape)
        escaped = text.replace(escape, escape * 2) if escape else text
        cells[at] = b'"' + escaped.replace(b'"', b'""') + b'"'
    return byte_strings(cells).view(pa.binary())
