"""Check the types that a condition compares (numbers, texts, times, …) before reading rows."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NoReturn

from noisify.core.chunk import NUMBER_KINDS
from noisify.core.errors import UsageError
from noisify.core.lazy_libraries import pa
from noisify.core.options import option
from noisify.plan.condition import as_time, in_order

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from noisify.core.chunk import Field
    from noisify.plan.condition import Condition, Node

_ARITHMETIC = {"add", "subtract", "multiply", "divide", "negate"}
_LOGIC = {"and_kleene": "and", "or_kleene": "or", "invert": "not"}
_NAMES = {
    "number": "a number", "text": "a text", "bool": "true or false", "time": "a time",
    "written time": "a time",
}  # fmt: skip
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_ZONED = re.compile(r"timestamp\[(\w+), tz=(.+)\]")


def check_types(condition: Condition, fields: Sequence[Field]) -> None:
    """Refuse a condition that compares values of different kinds.

    Args:
        condition: The condition.
        fields: The fields of the file, which include those of the condition.

    Raises:
        UsageError: If it does.
    """
    kinds = {field.name: _kind(field) for field in fields if field.name in condition.fields}
    types = {field.name: arrow_type(field) for field in fields if field.name in condition.fields}
    kind = _Checker(condition.text, kinds, types).kind(condition.tree)
    if kind not in {"bool", None}:
        raise UsageError(
            f"{option('where')} {condition.text!r} is not a condition, but {_NAMES[kind]}; "
            "compare it with < > == !="
        )
    if None not in types.values():  # let Arrow refuse other types that it cannot compare
        condition.rows({name: pa.nulls(0, found) for name, found in types.items()})


def arrow_type(field: Field) -> pa.DataType | None:
    """Return the Arrow type of a field in a condition, or None if only reading it tells."""
    match _kind(field):
        case "number":
            return pa.int64() if field.kind == "int" else pa.float64()
        case "text" | "written time":
            return pa.string()
        case "bool":
            return pa.bool_()
        case "time":
            zoned = _ZONED.fullmatch(field.type_name)
            try:
                return (
                    pa.timestamp(*zoned.groups()) if zoned else pa.type_for_alias(field.type_name)
                )
            except ValueError:
                return None
        case _:
            return None


def _kind(field: Field) -> str | None:
    """Return the kind of a field's values in a condition, or None if only reading it tells."""
    if field.kind in NUMBER_KINDS - {"complex"}:
        return "number"
    if field.kind == "time" and any(view.kind == "text" for view in field.views):
        return "written time"  # compared as text
    return field.kind if field.kind in {"text", "bool", "time"} else None


class _Checker:
    """Determines the kind of each part of a condition.

    Args:
        text: The condition as typed.
        kinds: The kind of each field.
        types: The Arrow type of each field; None if unknown.
    """

    def __init__(
        self, text: str, kinds: Mapping[str, str | None], types: Mapping[str, Any]
    ) -> None:
        self._text = text
        self._kinds = kinds
        self._types = types

    def kind(self, node: Node) -> str | None:
        """Return the kind of a node, or None if unknown."""
        done: list[str | None] = []
        for part in in_order(node):
            count = 0 if part[0] in {"field", "literal"} else len(part) - 1
            kinds = done[len(done) - count :]
            del done[len(done) - count :]
            done.append(self._kind_of(part, kinds))
        return done[0]

    def _kind_of(self, node: Node, kinds: Sequence[str | None]) -> str | None:
        """Return the kind of a node, given the kinds of its operands."""
        name, *operands = node
        if name == "field":
            return self._kinds.get(operands[0])
        if name == "literal":
            value = operands[0]
            return "bool" if isinstance(value, bool) else "text" if _is_text(node) else "number"
        if name in _ARITHMETIC:
            return self._arithmetic(operands, kinds)
        if name in _LOGIC:
            for operand, kind in zip(operands, kinds, strict=True):
                if kind not in {"bool", None}:
                    self._fail(
                        f"{_said(operand)} is {_NAMES[kind]}, and {_LOGIC[name]} takes conditions"
                    )
            return "bool"
        if len(operands) > 1:
            self._comparison(operands, kinds)
        return "bool"

    def _arithmetic(self, operands: Sequence[Node], kinds: Sequence[str | None]) -> str | None:
        for operand, kind in zip(operands, kinds, strict=True):
            if kind in {"text", "bool", "written time"}:
                self._fail(f"{_said(operand)} is {_NAMES[kind]}, and only numbers have sums")
        if "time" not in kinds:
            return "number" if None not in kinds else None
        if "number" in kinds:
            self._fail("a time and a number have no sum; compare the time with a time")
        return None

    def _comparison(self, operands: Sequence[Node], kinds: Sequence[str | None]) -> None:
        if None in kinds:
            return
        there = set(kinds)
        if there <= {"text", "written time"} or len(there) == 1:
            return
        if there == {"time", "text"}:
            self._time(operands[kinds.index("time")], operands[kinds.index("text")])
            return
        said = [
            f"{_said(operand)} is {_NAMES[kind or '']}"
            for operand, kind in zip(operands, kinds, strict=True)
        ]
        self._fail(f"{said[0]}, and {said[1]}{_remedy(operands, there)}")

    def _time(self, time: Node, text: Node) -> None:
        """Refuse a text that does not read as the kind of time it is compared with."""
        kind = self._types.get(time[1]) if time[0] == "field" else None
        if not _is_text(text) or kind is None:
            return
        try:
            as_time(pa.scalar(text[1]), kind)
        except pa.ArrowInvalid:
            self._fail(f"{_said(text)} is not a time such as {_example(kind)}")
        except pa.ArrowNotImplementedError:
            self._fail(f"{time[1]!r} is {kind}, which is not compared with a text")

    def _fail(self, reason: str) -> NoReturn:
        raise UsageError(f"{option('where')} {self._text!r}: {reason}")


def _example(kind: pa.DataType) -> str:
    return "2024-03-01" if str(kind).startswith("date") else "2024-03-01 or 2024-03-01T06:00:00"


def _is_text(node: Node) -> bool:
    return node[0] == "literal" and isinstance(node[1], str)


def _said(node: Node) -> str:
    """Describe a node for an error."""
    if node[0] == "field":
        return repr(node[1])
    if node[0] != "literal":
        return "what is worked out"
    return f'"{node[1]}"' if _is_text(node) else _typed(node[1])


def _typed(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _remedy(operands: Sequence[Node], kinds: set[str | None]) -> str:
    """Suggest what to type instead of a number for a text or a time, or a text for a number."""
    if "number" in kinds and kinds & {"time", "written time"}:
        return '; put a time in quotes: "2024-03-01"'
    literal = next((node for node in operands if node[0] == "literal"), None)
    if literal is None:
        return ""
    value = literal[1]
    if _is_text(literal) and kinds == {"text", "number"}:
        return f"; leave out the quotes: {value}" if _NUMBER.fullmatch(value.strip()) else ""
    return f'; put a text in quotes: "{_typed(value)}"' if "text" in kinds else ""
