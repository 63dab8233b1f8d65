"""Lines of a table that are no records."""

from __future__ import annotations

import re

_LINE = re.compile(rb"[^\r\n]*+(\r\n|\n|\r|\Z)")


def end_of_line(data: bytes, start: int, *, at_end: bool) -> int | None:
    """Return where the line at `start` ends, its line end included; None: not in `data`.

    Args:
        data: Some bytes.
        start: Where the line starts.
        at_end: Whether there is nothing after them; else a CR that is their last byte may be half
            a line end.
    """
    match = _LINE.match(data, start)
    if match is None:
        raise AssertionError(start)
    unsure = match.end() == len(data) and not match[1].endswith(b"\n")
    return None if unsure and not at_end else match.end()


def blanked(data: bytes, comment: bytes, *, at_end: bool) -> bytes:
    r"""Return bytes of the same length in which every comment is so many empty lines.

    A comment that is not whole yet becomes blanks: it belongs to no record that is.

    Args:
        data: Bytes that start where a record may, with quotes only around and, doubled, in cells.
        comment: What such a line starts with.
        at_end: Whether there is nothing after them.

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
