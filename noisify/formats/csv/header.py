"""Parse the start of a text table: byte order mark, preamble, header, first records."""

from __future__ import annotations

import codecs
import re
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from noisify.core.chunk import distinct_names, renaming_note
from noisify.core.errors import DataError, UsageError
from noisify.core.value_class import frozen
from noisify.files.input import HEAD_BYTES
from noisify.formats.csv.cells import unquote
from noisify.formats.csv.delimiters import (
    MOST_COLUMNS,
    Records,
    Start,
    as_typed,
    delimiter_bytes,
    fit,
    is_one_short,
    sniff,
)
from noisify.formats.csv.reference_scan import (
    ADVICE,
    ESCAPED_QUOTE,
    end_of_line,
    looks_escaped,
    refusal,
    walk,
)
from noisify.formats.csv.scan import refuse_zeros
from noisify.formats.csv.types import Dialect, comment_sign, count_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from noisify.formats.csv.encoding import TextInput
    from noisify.formats.csv.number_format import Notation
    from noisify.formats.read_options import ReadOptions

_NUMBER_START = re.compile(r"[+-]?[0-9.,]*")
_DELIMITER_LINE = re.compile(rb'("?sep=)([^"\r\n]{1,4})"?(?=[\r\n]|\Z)', re.IGNORECASE)
"""A first line such as `sep=;`, which tells Excel the delimiter."""

_LINE_END = re.compile(rb"\r\n|\n|\r")
_BINARY_SAMPLE = 512
_LONGEST_HEAD = 1 << 26
_LEAST_ROWS = 2
"""Records of one width that count as a table, unless there is only one below its title."""

_ODD_CONTROLS = bytes({*range(1, 32)} - {*b"\t\n\v\f\r\x1b"})


@frozen
class Head:
    r"""The start of a text table.

    Attributes:
        prefix: The bytes before the first record of data.
        dialect: The dialect of the table.
        names: The names of the columns.
        sample: The bytes after the prefix: at least one whole record, if there is any.
        whole: Whether the table ends with the sample.
        line_end: The first line's end, for example `\r\n`.
        hints: Notes on what may have been misread, and what to type then.
        has_row_names: Whether the first column holds row names.
    """

    prefix: bytes
    dialect: Dialect
    names: tuple[str, ...]
    sample: bytes
    whole: bool
    line_end: bytes
    hints: tuple[str, ...] = ()
    has_row_names: bool = False


def read_head(text: TextInput, options: ReadOptions, notation: Notation) -> Head:
    """Read the start of a table up to at least its first record of data.

    Raises:
        DataError: If it is not a table, or a first record is too long.
        UsageError: If an option has an unusable value.
    """
    reader = _HeadReader(text, options, notation)
    data, whole = text.head()
    _refuse_binary(data[:_BINARY_SAMPLE], text.name)
    refuse_zeros(data, 1, text.name)
    count = HEAD_BYTES
    while (head := reader.read(data, whole=whole)) is None:
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
    """Return the encoded comment prefix, or empty if there is none."""
    comment = options.comment
    if comment is None:
        return b""
    if _NUMBER_START.fullmatch(comment) or re.search(r'["\r\n]', comment):
        raise UsageError(f"--comment {comment!r} could be the start of a record; try '#'")
    try:
        return comment.encode(encoding)
    except UnicodeEncodeError:
        raise UsageError(f"there is no {comment!r} in {encoding}") from None


def _escape(options: ReadOptions) -> bytes:
    """Return the encoded escape character, or empty if there is none."""
    escape = options.escape or ""
    if not escape:
        return b""
    if len(escape) != 1 or not escape.isascii() or escape.isalnum() or escape in '"\r\n \t':
        raise UsageError(rf"--escape {escape!r} is not one character such as '\'")
    return escape.encode()


def told_delimiter(data: bytes, encoding: str) -> bytes:
    r"""Return the delimiter from a first line `sep=,` as Excel reads it; empty without such a line.

    >>> told_delimiter(b"sep=;\r\na;b\r\n", "utf-8")
    b';'
    """
    bom = len(codecs.BOM_UTF8) if data.startswith(codecs.BOM_UTF8) else 0
    match = _DELIMITER_LINE.match(data, bom)
    if match is None:
        return b""
    try:
        return delimiter_bytes(match[2].decode(encoding), encoding)
    except (UnicodeDecodeError, UsageError):
        return b""


def with_delimiter(prefix: bytes, encoding: str, delimiter: bytes) -> bytes:
    """Replace the delimiter in a first line `sep=,` of the bytes before a table."""
    if not told_delimiter(prefix, encoding):
        return prefix
    return _DELIMITER_LINE.sub(lambda line: line[0].replace(line[2], delimiter), prefix, count=1)


def _refuse_binary(sample: bytes, name: str) -> None:
    """Refuse binary files, and UTF-16 read without `--encoding`."""
    zeros = sample.count(0)
    if zeros > len(sample) // 4 and 0 in {sample[0::2].count(0), sample[1::2].count(0)}:
        order = "le" if not sample[0::2].count(0) else "be"
        raise DataError(f"looks like UTF-16 text; add --encoding utf-16-{order}", path=name)
    odd = len(sample) - len(sample.translate(None, _ODD_CONTROLS))
    if zeros > len(sample) // 8 or (odd > len(sample) // 50 and not _is_utf8(sample)):
        raise DataError("looks like a binary file, not CSV; say what it is with --from", path=name)


def _is_utf8(sample: bytes) -> bool:
    """Return whether the start of a file is UTF-8, perhaps with its last character cut off."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeDecodeError:
        return False
    return True


class _HeadReader:
    """Parses the head of a table from its first bytes.

    Args:
        text: The table.
        options: The user's options on how to read it.
        notation: The notation of its numbers.
    """

    def __init__(self, text: TextInput, options: ReadOptions, notation: Notation) -> None:
        self._text = text
        self._options = options
        self._decimal = notation.decimal
        self._number = notation.number
        self._bare = Dialect(
            comment=_comment(options, text.encoding),
            keep_ragged=options.ragged == "keep",
            escape=_escape(options),
            backslash_is_text=options.escape is not None,
            name=text.name,
        )

    def read(self, data: bytes, *, whole: bool) -> Head | None:
        """Parse the head of a table from its first bytes; return None if more are needed."""
        bom = len(codecs.BOM_UTF8) if data.startswith(codecs.BOM_UTF8) else 0
        told = told_delimiter(data, self._text.encoding)
        skipped = max(self._options.skip_lines, 1 if told else 0)
        start = _skip_lines(data, bom, skipped, self._text.name, whole=whole)
        if start is None:
            return None
        table = data[start:]
        if not whole and b"\n" not in table and b"\r" not in table:
            return None
        begun = Start(table, whole=whole)
        delimiter, doubt = self._delimiter(begun, told)
        dialect = replace(self._bare, delimiter=delimiter)
        try:
            cells, after = first_record(table, dialect)
            if not self._options.header:
                after = 0
            if not whole and first_record(table, dialect, after)[1] == len(table):
                return None
        except DataError:
            if whole:
                raise
            return None
        if dialect.may_be_escaped and looks_escaped(cells):
            raise refusal(self._text.name, 1 + count_lines(data, start))
        records = begun.records(dialect)
        hints = [doubt] if doubt else []
        if len(cells) == 1:
            hints += self._one_field(begun, dialect, cells[0])
        names, has_row_names = self._names(cells, records, hints)
        advice = self._advice(data, start, records, len(names))
        if advice and dialect.keep_ragged:
            hints.append(f"the first record has another number of cells; {advice}")
        line_end = _LINE_END.search(data)
        return Head(
            data[: start + after],
            replace(
                dialect,
                advice=advice or self._other_advice(doubt, len(names)),
                columns=len(names),
            ),
            names,
            table[after:],
            whole,
            line_end[0] if line_end else b"\n",
            tuple(hints),
            has_row_names,
        )

    def _names(
        self, cells: Sequence[bytes], records: Records, hints: list[str]
    ) -> tuple[tuple[str, ...], bool]:
        """Return the names of the columns, and whether the first column holds row names."""
        if not self._options.header:
            return tuple(str(number + 1) for number in range(len(cells))), False
        encoding = self._text.encoding
        texts = [
            unquote(cell, self._bare.escape).decode(encoding, "surrogateescape") for cell in cells
        ]
        hints += self._numbers_only(texts)
        missing = self._missing_name(records)
        if missing is not None:
            texts.insert(missing, "")
        if missing == 0:
            hints.append("the header has no name for the first column, which names the rows")
        texts = [text or f"Unnamed: {place}" for place, text in enumerate(texts)]  # as pandas does
        if renamed := renaming_note(texts):
            hints.append(renamed)
        return distinct_names(texts), missing == 0

    def _other_advice(self, doubt: str, columns: int) -> str:
        """Return advice for a table whose records differ in width; empty if there is none."""
        if not doubt and columns > 1:
            return ""
        return (
            f"{doubt or '--ragged keep leaves such rows alone'}; --skip-lines N passes over lines "
            "before the table, --comment TEXT over lines that start so"
        )

    def _delimiter(self, table: Start, told: bytes) -> tuple[bytes, str]:
        """Return the delimiter from the option, the first line or the suffix, or `sniff` it.

        Args:
            table: The start of the table.
            told: The delimiter that the first line declares, or empty.
        """
        if self._options.delimiter is not None:
            return delimiter_bytes(self._options.delimiter, self._text.encoding), ""
        if told:
            return told, ""
        if self._text.suffix in {".tsv", ".tab"}:
            return b"\t", ""
        return sniff(table, self._bare, self._decimal)

    def _one_field(self, table: Start, dialect: Dialect, header: bytes) -> list[str]:
        """Return hints for a table read with one field, if another reading gives more."""
        sign = comment_sign(header)
        if sign and not dialect.comment:
            return [
                f"the first line starts with {sign!r}; --comment {sign!r} passes over such lines"
            ]
        typed = self._options.delimiter
        other, doubt = sniff(table, self._bare, self._decimal)
        found = fit(table, replace(dialect, delimiter=other))
        if found is not None and other != dialect.delimiter and not doubt:
            used = as_typed(dialect.delimiter, self._text.encoding)
            instead = f"--delimiter {as_typed(other)} makes {found.columns}"
            return [f"{used} as the delimiter leaves one field; {instead}"]
        return [] if typed is None else [f"--delimiter {typed} leaves one field"]

    def _missing_name(self, records: Records) -> int | None:
        """Return the place of the missing name in a header that is one cell short, else None.

        R writes no name above the row names. Other programs end each row with a delimiter.
        """
        if not is_one_short(records.widths):
            return None
        if all(not records.cells(at)[-1].strip() for at in range(1, len(records.widths))):
            return records.widths[0]
        is_title = not any(map(self._is_number, records.cells(1)))  # the next line is the header
        return None if is_title else 0

    def _is_number(self, cell: bytes) -> bool:
        return bool(self._number.fullmatch(unquote(cell.strip(b" \t")).strip(b" \t")))

    def _numbers_only(self, texts: Sequence[str]) -> list[str]:
        """Return a hint for a header that looks like data."""
        cells = [text.encode(self._text.encoding, "surrogateescape") for text in texts if text]
        if not cells or not all(map(self._is_number, cells)):
            return []
        return ["the header has numbers only; --no-header reads it as the first row"]

    def _advice(self, data: bytes, start: int, records: Records, columns: int) -> str:
        """Return what to type if lines seem to precede the table; empty if none do."""
        widths = records.widths
        sign = comment_sign(records.cells(0)[0]) if widths else ""
        counts = Counter(width for width in widths if width > columns or (sign and width < columns))
        if not counts:
            return ""
        most, count = counts.most_common(1)[0]
        place = widths.index(most)
        if columns in widths[place:] or count < min(_LEAST_ROWS, len(widths) - 1):
            return ""
        lines = count_lines(data, start + records.starts[place])
        comment = f"--comment {sign!r}" if sign else "--comment TEXT"
        return (
            f"if the table starts at line {lines + 1}, add --skip-lines {lines}; {comment} passes "
            "over lines that start so"
        )


def _skip_lines(data: bytes, start: int, count: int, name: str, *, whole: bool) -> int | None:
    """Return the offset of the line `count` lines after `start`; None if it is not in `data`.

    Raises:
        DataError: If the whole file has no more lines than that.
    """
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


def first_record(head: bytes, dialect: Dialect, position: int = 0) -> tuple[list[bytes], int]:
    """Return the cells of the first record, and where the next starts.

    Comments and empty lines are skipped. Without any record the result is one empty cell.

    Raises:
        DataError: If a quote in it is never closed, or it has too many cells.
    """
    for record in walk(head, dialect, position, at_end=True, most=MOST_COLUMNS):
        if record.open:
            looks = dialect.may_be_escaped and ESCAPED_QUOTE in head[record.stop :]
            advice = f"; {ADVICE}" if looks else ""
            raise DataError(
                f"has a quote in its first record that is never closed{advice}", path=dialect.name
            )
        if len(record.spans) > MOST_COLUMNS:
            raise DataError(
                f"has more than {MOST_COLUMNS:,} columns; swap its rows and columns, or save it as "
                "NPY",
                path=dialect.name,
            )
        if record.spans:
            return record.cells(head), record.stop
    return [b""], len(head)
