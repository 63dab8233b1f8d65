"""Find the line of each key and item of a TOML or JSON document; the parsers do not report it."""

from __future__ import annotations

import json
import re
import tomllib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Place = tuple[str | int, ...]
"""The path of a value in a document: the keys and indices that lead to it."""


class DocumentLines:
    """Finds the line of each key and list item of a valid document.

    `tomllib` and `json` do not report positions, so a mistake would have no line.

    Args:
        text: TOML or JSON.
    """

    _SPACE = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
    _BRACKETS = re.compile(r"\[{0,2}")
    _BLANKS = re.compile(r"[ \t]*")
    _KEY = re.compile(
        r"""(?:"(?:[^"\\\n]|\\.)*"|'[^'\n]*'|[^\s"'=:\[\]{},#.]+)"""
        r"""(?:[ \t]*\.[ \t]*(?:"(?:[^"\\\n]|\\.)*"|'[^'\n]*'|[^\s"'=:\[\]{},#.]+))*"""
    )
    _SCALAR = re.compile(
        r'"""(?:\\.|(?!""")[^\\])*"""(?:"{0,2})'
        r"|'''(?:(?!''').)*'''(?:'{0,2})"
        r'|"(?:[^"\\\n]|\\.)*"'
        r"|'[^'\n]*'"
        r"|[^\s,\[\]{}#](?:[^,\[\]{}#\n]*[^\s,\[\]{}#])?",
        re.DOTALL,
    )

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._line = 1
        self._lines: dict[Place, int] = {}

    def of_json(self) -> dict[Place, int]:
        """Return the lines of a JSON document."""
        self._skip(self._SPACE)
        self._value((), json.loads)
        return self._lines

    def of_toml(self) -> dict[Place, int]:
        """Return the lines of a TOML document."""
        counts: dict[Place, int] = {}
        table: Place = ()
        self._skip(self._SPACE)
        while self._at < len(self._text):
            brackets = len(self._skip(self._BRACKETS))
            if brackets:
                line = self._line
                table = self._within(self._key(_toml_key), counts)
                if brackets == len("[["):  # one more item of a list
                    counts[table] = counts.get(table, -1) + 1
                    self._lines.setdefault(table, line)
                    table = (*table, counts[table])
                self._lines.setdefault(table, line)
                self._move(self._text.index("]" * brackets, self._at) + brackets - self._at)
            else:
                self._pair(table, _toml_key)
            self._skip(self._SPACE)
        return self._lines

    @staticmethod
    def _within(keys: Place, counts: Mapping[Place, int]) -> Place:
        """Return the path of a header's table; in a list of tables, the path of the last item."""
        place: Place = ()
        for depth, key in enumerate(keys):
            place = (*place, key)
            if depth < len(keys) - 1 and place in counts:
                place = (*place, counts[place])
        return place

    def _skip(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self._text, self._at)
        found = match[0] if match else ""
        self._move(len(found))
        return found

    def _move(self, count: int) -> None:
        self._line += self._text.count("\n", self._at, self._at + count)
        self._at += count

    def _key(self, read: Callable[[str], Any]) -> Place:
        self._skip(self._BLANKS)
        keys = read(self._skip(self._KEY))
        self._skip(self._BLANKS)
        return keys if isinstance(keys, tuple) else (keys,)

    def _pair(self, place: Place, read: Callable[[str], Any]) -> None:
        """Consume a key, its = or : and its value."""
        line = self._line
        for key in self._key(read):
            place = (*place, key)
            self._lines.setdefault(place, line)
        self._skip(self._SPACE)
        self._move(1)
        self._skip(self._SPACE)
        self._value(place, read)

    def _value(self, place: Place, read: Callable[[str], Any]) -> None:
        """Consume a value, and record the lines of its contents."""
        opened = self._text[self._at : self._at + 1]
        if opened not in {"[", "{"}:
            self._skip(self._SCALAR)
            return
        self._move(1)
        self._skip(self._SPACE)
        index = 0
        while self._text[self._at] not in "]}":
            if opened == "{":
                self._pair(place, read)
            else:
                self._lines[*place, index] = self._line
                self._value((*place, index), read)
                index += 1
            self._skip(self._SPACE)
            if self._text[self._at] == ",":
                self._move(1)
                self._skip(self._SPACE)
        self._move(1)


def _toml_key(text: str) -> Place:
    """Return the parts of a key as written, such as `a."b c"`."""
    place: Place = ()
    found: Any = tomllib.loads(f"{text} = 0")
    while isinstance(found, dict):
        (key, found), *_ = found.items()
        place = (*place, key)
    return place
