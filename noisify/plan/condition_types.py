"""What a condition on rows compares, looked at before a row is read: numbers, texts, times, …."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NoReturn

from noisify.core.chunk import NUMBER_KINDS
from noisify.core.errors import UsageError
from noisify.core.lazy_pyarrow import pa
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
    """Refuse a condition that compares what cannot be compared.

    Args:
        condition: The condition.
        fields: The fields of the file, all of those in the condition among them.

    Raises:
        UsageError: If it does.
    """
    kinds = {field.name: _kind(field) for field in fields if field.name in condition.fields}
    types = {field.name: arrow_type(field) for field in fields if field.name in condition.fields}
    kind = _Checker(condition.text, kinds, types).kind(condition.tree)
    if kind not in {"bool", None}:
        raise UsageError(
            f"--where {condition.text!r} is no condition, but {_NAMES[kind]}; compare it with < > "
            "== !="
        )
    if None not in types.values():  # whatever else Arrow does not compare
        condition.rows({name: pa.nulls(0, found) for name, found in types.items()})


def arrow_type(field: Field) -> pa.DataType | None:
    """Return the Arrow type that a field has in a condition; None: only reading it tells."""
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
    """Return what a field's values are in a condition; None: only reading them tells."""
    if field.kind in NUMBER_KINDS - {"complex"}:
        return "number"
    if field.kind == "time" and any(view.kind == "text" for view in field.views):
        return "written time"  # compared as it is written
    return field.kind if field.kind in {"text", "bool", "time"} else None


class _Checker:
    """Finds what the parts of a condition are.

    Args:
        text: The condition as it was typed.
        kinds: What each field is.
        types: The Arrow type of each; None: unknown.
    """

    def __init__(
        self, text: str, kinds: Mapping[str, str | None], types: Mapping[str, Any]
    ) -> None:
        self._text = text
        self._kinds = kinds
        self._types = types

    def kind(self, node: Node) -> str | None:
        """Return what a node is; None: unknown."""
        done: list[str | None] = []
        for part in in_order(node):
            count = 0 if part[0] in {"field", "literal"} else len(part) - 1
            kinds = done[len(done) - count :]
            del done[len(done) - count :]
            done.append(self._kind_of(part, kinds))
        return done[0]

    def _kind_of(self, node: Node, kinds: Sequence[str | None]) -> str | None:
        """Return what a node is, of operands of such kinds."""
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
        """Refuse a text that is no time of the kind it is compared with."""
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
        raise UsageError(f"--where {self._text!r}: {reason}")


def _example(kind: pa.DataType) -> str:
    return "2024-03-01" if str(kind).startswith("date") else "2024-03-01 or 2024-03-01T06:00:00"


def _is_text(node: Node) -> bool:
    return node[0] == "literal" and isinstance(node[1], str)


def _said(node: Node) -> str:
    """Return how a node is called in an error."""
    if node[0] == "field":
        return repr(node[1])
    if node[0] != "literal":
        return "what is worked out"
    return f'"{node[1]}"' if _is_text(node) else _typed(node[1])


def _typed(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _remedy(operands: Sequence[Node], kinds: set[str | None]) -> str:
    """Return what to type where a number stands for a text or a time, or a text for a number."""
    if "number" in kinds and kinds & {"time", "written time"}:
        return '; a time stands in quotes: "2024-03-01"'
    literal = next((node for node in operands if node[0] == "literal"), None)
    if literal is None:
        return ""
    value = literal[1]
    if _is_text(literal) and kinds == {"text", "number"}:
        return f"; leave out the quotes: {value}" if _NUMBER.fullmatch(value.strip()) else ""
    return f'; a text stands in quotes: "{_typed(value)}"' if "text" in kinds else ""
