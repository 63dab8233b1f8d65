"""Conditions on rows: a small expression language, evaluated by Arrow and never by Python.

`age > 60 and city == "Rome"`, `not (a + b < 3)`, `kind in ("x", "y")`, `note is not null`. Names
that are not plain words are put in backquotes. A comparison with null is neither true nor false,
and a row for which the condition is not true gets no noise.
"""

from __future__ import annotations

import re
from dataclasses import field
from typing import TYPE_CHECKING, Any, NoReturn

from noisify.core import other_words
from noisify.core.arrow_arrays import to_bools
from noisify.core.errors import UsageError, shown
from noisify.core.lazy_libraries import pa, pc
from noisify.core.options import option
from noisify.core.value_class import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import numpy as np
    from numpy.typing import NDArray

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
      | (?P<text>"[^"]*"|'[^']*')
      | `(?P<quoted>[^`]+)`
      | (?P<word>[^\W\d][\w.]*)
      | (?P<sign><=|>=|==(?!=)|!=(?!=)|<>|=(?![<>=])|[<>+\-*/(),])
    )""",
    re.VERBOSE,
)
_COMPARISONS = {
    "<": "less", "<=": "less_equal", ">": "greater", ">=": "greater_equal",
    "==": "equal", "=": "equal", "!=": "not_equal", "<>": "not_equal",
}  # fmt: skip
_DEEPEST = 50
"""The most nested brackets, signs and nots; far below Python's recursion limit."""
_INTEGERS_END = 2.0**63
"""Integers from here on do not fit Arrow's types; they are compared as floats."""
_KEYWORDS = {"and", "or", "not", "in", "is", "null", "true", "false"}

Node = tuple[Any, ...]
"""A function's name and its operands, or ("field", name), or ("literal", value)."""


@frozen
class Condition:
    """A condition on rows.

    Attributes:
        text: The condition as typed.
        fields: The field names in it.
    """

    text: str
    fields: frozenset[str]
    tree: Node = field(compare=False, repr=False)

    def rows(self, values: Mapping[str, Any]) -> NDArray[np.bool_]:
        """Return a mask of the rows for which the condition is true.

        Args:
            values: An Arrow array for each field name, all of one length.

        Raises:
            UsageError: If it compares values of different kinds.
        """
        try:
            result = _evaluate(self.tree, values)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError) as error:
            reason = str(error).partition("\n")[0]
            raise UsageError(
                f"{option('where')} {self.text!r} cannot be worked out: {reason}"
            ) from None
        if not isinstance(result, pa.Array) or not pa.types.is_boolean(result.type):
            raise UsageError(
                f"{option('where')} {self.text!r} is not a condition; compare with < > == !="
            )
        return to_bools(result)


def parse(text: str, *, name: str = "--where") -> Condition:
    """Parse a condition.

    Args:
        text: The condition.
        name: Its name in errors.

    Raises:
        UsageError: If it is not one; the message says where.

    >>> sorted(parse('age > 60 and `home town` == "Rome"').fields)
    ['age', 'home town']
    """
    parser = _Parser(text, name)
    tree = parser.either()
    if parser.kind != "end":
        parser.fail("the end, and or or")
    return Condition(text, frozenset(parser.names), tree)


class _Parser:
    """A recursive-descent parser, with a method for each level of precedence."""

    def __init__(self, text: str, name: str) -> None:
        self._text = text
        self._name = name
        self._next = self._depth = 0
        self.names: set[str] = set()
        self.advance()

    def advance(self) -> None:
        self._at = self._next
        match = _TOKEN.match(self._text, self._next)
        if match is None:
            self.kind, self.token = "end", ""
            if self._text[self._next :].strip():
                self.fail("a name, a number, a text or a sign")
            return
        self._next = match.end()
        self.kind = match.lastgroup or "end"
        self.token = match[self.kind]
        if self.kind == "word" and self.token.casefold() in _KEYWORDS:
            self.kind, self.token = "keyword", self.token.casefold()

    def fail(self, expected: str) -> NoReturn:
        rest = self._text[self._at :].strip()
        found = f"found {rest[:20]!r}" if rest else "it ends"
        meant = other_words.suggestion(other_words.CONDITIONS, rest, re.match)
        raise UsageError(f"{self._name} {self._text!r}: expected {expected}, but {found}{meant}")

    def unicode(self, text: str) -> str:
        """Return a text; refuse bytes that are not UTF-8."""
        try:
            text.encode()
        except UnicodeEncodeError:
            raise UsageError(
                f"{self._name} {self._text!r}: {text!r} is not UTF-8, as all texts that it compares"
            ) from None
        return text

    def accept(self, *tokens: str) -> str | None:
        if self.kind in {"keyword", "sign"} and self.token in tokens:
            token = self.token
            self.advance()
            return token
        return None

    def expect(self, token: str) -> None:
        if self.accept(token) is None:
            self.fail(token)

    def nested(self, read: Callable[[], Node]) -> Node:
        """Parse an expression in brackets or after a sign."""
        self._depth += 1
        if self._depth > _DEEPEST:
            raise UsageError(f"{self._name} {shown(self._text)}: nests more than {_DEEPEST} deep")
        node = read()
        self._depth -= 1
        return node

    def chain(self, operand: Callable[[], Node], functions: Mapping[str, str]) -> Node:
        """Parse operands with signs or words between them, each of which stands for a function."""
        left = operand()
        while sign := self.accept(*functions):
            left = (functions[sign], left, operand())
        return left

    def either(self) -> Node:
        return self.chain(self.both, {"or": "or_kleene"})

    def both(self) -> Node:
        return self.chain(self.negated, {"and": "and_kleene"})

    def negated(self) -> Node:
        if self.accept("not"):
            return ("invert", self.nested(self.negated))
        return self.comparison()

    def comparison(self) -> Node:
        left = self.total()
        sign = self.accept(*_COMPARISONS)
        if sign is not None:
            return (_COMPARISONS[sign], left, self.total())
        if self.accept("is"):
            negate = self.accept("not") is not None
            self.expect("null")
            return ("is_valid" if negate else "is_null", left)
        negate = self.accept("not") is not None
        if self.accept("in"):
            among = self.choices(left)
            return ("invert", among) if negate else among
        if negate:
            self.fail("in")
        return left

    def choices(self, left: Node) -> Node:
        self.expect("(")
        found: Node = ("equal", left, self.total())
        while self.accept(","):
            found = ("or_kleene", found, ("equal", left, self.total()))
        self.expect(")")
        return found

    def total(self) -> Node:
        return self.chain(self.product, {"+": "add", "-": "subtract"})

    def product(self) -> Node:
        return self.chain(self.factor, {"*": "multiply", "/": "divide"})

    def factor(self) -> Node:
        if self.accept("-"):
            return ("negate", self.nested(self.factor))
        if self.accept("("):
            inner = self.nested(self.either)
            self.expect(")")
            return inner
        if word := self.accept("true", "false"):
            return ("literal", word == "true")
        kind, token = self.kind, self.token
        if kind not in {"number", "text", "word", "quoted"}:
            self.fail("a name, a number or a text")
        self.advance()
        if kind == "number":
            is_whole = token.isdecimal() and float(token) < _INTEGERS_END
            return ("literal", int(token.lstrip("0") or "0") if is_whole else float(token))
        if kind == "text":
            return ("literal", self.unicode(token[1:-1]))
        self.names.add(token)
        return ("field", token)


def as_time(text: pa.Array | pa.Scalar, kind: pa.DataType) -> pa.Array | pa.Scalar:
    """Read a text as a time of a type; without an offset, in the type's own zone."""
    if not pa.types.is_timestamp(kind) or kind.tz is None:
        return pc.cast(text, kind)
    try:
        return pc.cast(text, kind)
    except pa.ArrowInvalid:
        return pc.assume_timezone(pc.cast(text, pa.timestamp(kind.unit)), kind.tz)


def _evaluate(node: Node, values: Mapping[str, Any]) -> pa.Array | pa.Scalar:
    """Evaluate a node with Arrow's compute functions."""
    done: list[Any] = []
    for name, *operands in in_order(node):
        if name == "field":
            done.append(values[operands[0]])
        elif name == "literal":
            done.append(pa.scalar(operands[0]))
        else:
            count = len(operands)
            done[-count:] = [_call(name, done[-count:])]
    return done[0]


def in_order(tree: Node) -> Iterator[Node]:
    """Yield the nodes of a tree, operands first; without recursion, as a long list nests deeply."""
    found, waiting = [], [tree]
    while waiting:
        node = waiting.pop()
        found.append(node)
        if node[0] not in {"field", "literal"}:
            waiting += node[1:]
    return reversed(found)


def _call(name: str, worked: list[Any]) -> pa.Array | pa.Scalar:
    """Call one of Arrow's compute functions."""
    if name == "divide":
        worked = [pc.cast(operand, pa.float64()) for operand in worked]
    temporal = next((w.type for w in worked if pa.types.is_temporal(w.type)), None)
    if temporal is not None:  # "2024-03-01" compared with a time is a time
        worked = [as_time(w, temporal) if pa.types.is_string(w.type) else w for w in worked]
    function: Callable[..., Any] = getattr(pc, name)
    return function(*worked)
