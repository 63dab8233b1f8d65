"""Find comment lines in a table and blank them out."""

from __future__ import annotations

import re

_LINE = re.compile(rb"[^\r\n]*+(\r\n|\n|\r|\Z)")


def end_of_line(data: bytes, start: int, *, at_end: bool) -> int | None:
    """Return the offset after the line at `start` and its line end; None if that is not in `data`.

    Args:
        data: Some bytes.
        start: Where the line starts.
        at_end: Whether the file ends with `data`. If not, a trailing CR may be half of a CRLF.
    """
    match = _LINE.match(data, start)
    if match is None:
        raise AssertionError(start)
    unsure = match.end() == len(data) and not match[1].endswith(b"\n")
    return None if unsure and not at_end else match.end()


def blanked(data: bytes, comment: bytes, *, at_end: bool) -> bytes:
    r"""Overwrite every byte of a comment with LF, so that comments read as empty lines.

    A comment cut off by the end of `data` is overwritten with spaces: it is not a whole line yet.

    Args:
        data: Bytes that start at the start of a line, with quotes only around cells or doubled.
        comment: The prefix of a comment line.
        at_end: Whether the file ends with `data`.

    >>> blanked(b'1,2\n# a,b\n"x\n# y",3\n', b"#", at_end=True)
    b'1,2\n\n\n\n\n\n\n"x\n# y",3\n'
    """
    places = [0] if data.startswith(comment) else []
    if b"\n" + comment in data or b"\r" + comment in data:
        pattern = re.compile(rb"[\r\n]" + re.escape(comment))
        places += [match.start() + 1 for match in pattern.finditer(data)]
    if not places:
        return data
    lines = bytearray(data)
    done = quotes = 0
    for place in places:
        quotes += data.count(b'"', done, place)
        done = place
        if quotes % 2:
            continue
        end = end_of_line(data, place, at_end=at_end)
        done = len(data) if end is None else end
        lines[place:done] = (b" " if end is None else b"\n") * (done - place)
    return bytes(lines)
