"""What stands at the start of a text table: byte order mark, preamble, header, first records."""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING

from noisify.core.chunk import distinct_names
from noisify.core.errors import DataError, UsageError
from noisify.core.value_class import frozen
from noisify.files.input import HEAD_BYTES
from noisify.formats.csv.comments import end_of_line
from noisify.formats.csv.sniff import delimiter_bytes, sniff
from noisify.formats.csv.types import Dialect

if TYPE_CHECKING:
    from collections.abc import Sequence

    from noisify.formats.csv.encoding import TextInput
    from noisify.formats.csv.number_format import Notation
    from noisify.formats.interface import ReadOptions

_NUMBER_START = re.compile(r"[+-]?[0-9.,]*")
_LINE_END = re.compile(rb"\r\n|\n|\r")
_BINARY_SAMPLE = 512
_LONGEST_HEAD = 1 << 26
_ODD_CONTROLS = bytes({*range(1, 32)} - {*b"\t\n\v\f\r\x1b"})


@frozen
class Head:
    """The start of a text table.

    Attributes:
        prefix: The bytes before the first record of data.
        dialect: How the table is laid out.
        names: The columns' names.
        sample: What follows the prefix: a whole record at least, if there is any.
        whole: Whether that is all there is.
        line_end: How the first line ends.
    """

    prefix: bytes
    dialect: Dialect
    names: tuple[str, ...]
    sample: bytes
    whole: bool
    line_end: bytes


def read_head(text: TextInput, options: ReadOptions, notation: Notation) -> Head:
    """Read as much of a table as it takes to see a record of data.

    Raises:
        DataError: If that is no table, or no end of its first records is in sight.
        UsageError: If an option cannot be meant.
    """
    comment = _comment(options, text.encoding)
    data, whole = text.head()
    _refuse_binary(data[:_BINARY_SAMPLE], text.name)
    count = HEAD_BYTES
    while (head := _head(data, text, options, notation, comment, whole=whole)) is None:
        if count >= _LONGEST_HEAD:
            limit = _LONGEST_HEAD >> 20
            raise DataError(
                f"has no record that ends in its first {limit} MiB; a quote that is opened and "
                "never closed, perhaps",
                path=text.name,
            )
        count *= 2
        data, whole = text.head(count)
    return head


def _comment(options: ReadOptions, encoding: str) -> bytes:
    """Return what comments start with."""
    comment = options.comment
    if comment is None:
        return b""
    if _NUMBER_START.fullmatch(comment) or re.search(r'["\r\n]', comment):
        raise UsageError(f"--comment {comment!r} could be the start of a record; try '#'")
    try:
        return comment.encode(encoding)
    except UnicodeEncodeError:
        raise UsageError(f"there is no {comment!r} in {encoding}") from None


def _refuse_binary(sample: bytes, name: str) -> None:
    """Refuse what is no text, or text that has to be told how it is encoded."""
    zeros = sample.count(0)
    if zeros <= len(sample) // 8:
        return
    if zeros > len(sample) // 4 and 0 in {sample[0::2].count(0), sample[1::2].count(0)}:
        order = "le" if not sample[0::2].count(0) else "be"
        raise DataError(f"looks like UTF-16 text; add --encoding utf-16-{order}", path=name)
    if zeros > len(sample) // 2 or any(byte in _ODD_CONTROLS for byte in sample):
        raise DataError("looks like a binary file, not CSV; say what it is with --from", path=name)


def _head(
    data: bytes,
    text: TextInput,
    options: ReadOptions,
    notation: Notation,
    comment: bytes,
    *,
    whole: bool,
) -> Head | None:
    """Return the head of a table of which `data` is the start; None: it is not long enough."""
    bom = codecs.BOM_UTF8 if data.startswith(codecs.BOM_UTF8) else b""
    start = _skip_lines(data, len(bom), options.skip_lines, text.name, whole=whole)
    if start is None:
        return None
    table = data[start:]
    if options.delimiter is not None:
        delimiter = delimiter_bytes(options.delimiter, text.encoding)
    else:
        tabs = text.suffix in {".tsv", ".tab"}
        delimiter = b"\t" if tabs else sniff(table, comment, notation.decimal)
    dialect = Dialect(delimiter, comment, keep_ragged=options.ragged == "keep")
    try:
        cells, after = first_record(table, dialect, text.name)
        if not options.header:
            after = 0
        if not whole and first_record(table, dialect, text.name, after)[1] == len(table):
            return None
    except DataError:
        if whole:
            raise
        return None
    if options.header:
        names = _names([unquote(c).decode(text.encoding, "surrogateescape") for c in cells])
    else:
        names = tuple(str(number + 1) for number in range(len(cells)))
    line_end = _LINE_END.search(data)
    return Head(
        data[: start + after],
        dialect,
        names,
        table[after:],
        whole,
        line_end[0] if line_end else b"\n",
    )


def _skip_lines(data: bytes, start: int, count: int, name: str, *, whole: bool) -> int | None:
    """Return where the line starts that comes so many lines later; None: not in `data`."""
    for number in range(count):
        if start == len(data) and whole:
            raise DataError(
                f"has {number:,} lines, all of them skipped; lower --skip-lines", path=name
            )
        end = end_of_line(data, start, at_end=whole)
        if end is None:
            return None
        start = end
    return start


def _names(texts: Sequence[str]) -> tuple[str, ...]:
    """Return columns' names; empty and repeated ones are told apart as pandas does it.

    >>> _names(["x", "x", "", "x"])
    ('x', 'x.1', 'Unnamed: 2', 'x.2')
    """
    return distinct_names(text or f"Unnamed: {place}" for place, text in enumerate(texts))


def first_record(
    head: bytes, dialect: Dialect, name: str, position: int = 0
) -> tuple[list[bytes], int]:
    """Return the cells of the first record, and where the next starts.

    Comments and empty lines are none; without any record there is one cell, an empty one.

    Raises:
        DataError: If it has no end in sight.
    """
    pattern = dialect.cells()
    cells: list[bytes] = []
    while True:
        while not cells and dialect.is_comment(head, position):
            position = end_of_line(head, position, at_end=True) or len(head)
        match = pattern.match(head, position)
        if match is None:
            raise DataError("has a quote in its first record that is never closed", path=name)
        cells.append(match[1])
        position = match.end()
        if match[2] == dialect.delimiter:
            continue
        if cells != [b""] or position >= len(head):
            return cells, position
        cells = []


def unquote(cell: bytes) -> bytes:
    """Return what a cell says, without its quotes.

    >>> unquote(b'"a ""b"" c"')
    b'a "b" c'
    """
    if not cell.startswith(b'"'):
        return cell
    body, _, rest = cell[1:].rpartition(b'"')
    return body.replace(b'""', b'"') + rest
