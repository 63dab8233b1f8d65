"""Choose fields by names, globs, /regular expressions/ and kinds."""

from __future__ import annotations

import contextlib
import fnmatch
import re
from typing import TYPE_CHECKING

from noisify.core import other_words
from noisify.core.chunk import NUMBER_KINDS
from noisify.core.errors import UsageError, did_you_mean
from noisify.core.lazy_libraries import pa, pc
from noisify.core.options import option
from noisify.core.value_class import frozen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from noisify.core.chunk import Field

KINDS = {
    ":float": frozenset({"float", "complex"}),
    ":int": frozenset({"int"}),
    ":number": NUMBER_KINDS,
    ":text": frozenset({"text"}),
    ":time": frozenset({"time"}),
}
_SHOWN = 12
_SURROGATE = re.compile("[\ud800-\udfff]")
_TO_PRIVATE_USE = 0x100000


@frozen
class Choice:
    """The fields chosen, in file order.

    Attributes:
        fields: The chosen fields.
        named: The names of those chosen by exact name, not by a pattern.
    """

    fields: tuple[Field, ...]
    named: frozenset[str] = frozenset()


def split(selectors: str) -> list[str]:
    r"""Split a selector list at its commas, not at those in a /regular expression/ or after \.

    >>> split(r"a,/b{1,2}/,!c,d\,e")
    ['a', '/b{1,2}/', '!c', 'd\\,e']
    """
    pattern = r"!?/(?:[^/\\]|\\.)*/(?=,|$)|(?:[^,\\]|\\.)+"
    return [part for part in re.findall(pattern, selectors) if part.strip()]


def choose(
    fields: Sequence[Field],
    selectors: Sequence[str],
    exclude: Sequence[str],
    kinds: frozenset[str] = KINDS[":float"],
) -> Choice:
    """Choose fields.

    Args:
        fields: All fields of the file, in file order.
        selectors: Comma-separated selectors; `!x` removes fields. If none adds fields, they
            start from the default choice: every floating-point field, or else the only number
            field unless it is one of several columns. A field with a role needs its exact name.
        exclude: Comma-separated selectors of fields to leave out.
        kinds: The kinds of the default choice: floating-point fields for most models.

    Raises:
        UsageError: If a selector matches no field, or there is no sensible default.
    """
    names = {field.name for field in fields}
    parts = [part for text in selectors for part in _parts(text, fields)]
    wanted = [part for part in parts if part in names or not part.startswith("!")]
    chosen: set[str] = set()
    named: set[str] = set()
    for part in wanted:
        matched, exact = _match(part, fields)
        chosen |= matched if exact else _without_role(part, matched, fields)
        named |= matched if exact else set()
    unwanted = [part.removeprefix("!") for part in parts if part not in wanted]
    unwanted += [part for text in exclude for part in _parts(text, fields)]
    left_out = {name for part in unwanted for name in _match(part, fields)[0]}
    if not wanted:
        chosen = _default(fields, left_out) if "float" in kinds else _one(fields, left_out, kinds)
    chosen -= left_out
    kept = tuple(field for field in fields if field.name in chosen)
    return Choice(kept, frozenset(named & chosen))


def _without_role(selector: str, matched: set[str], fields: Sequence[Field]) -> set[str]:
    """Return the fields that a pattern may choose: measurements."""
    roles = {field.name: field.role for field in fields if field.role and field.name in matched}
    if roles and len(roles) == len(matched):
        held = _listing([f"{name} ({role})" for name, role in roles.items()])
        raise UsageError(
            f"{selector!r} matches only fields that get noise by their exact names: {held}; "
            f"for example {option('columns', next(iter(roles)))}"
        )
    return matched - set(roles)


def _parts(text: str, fields: Sequence[Field]) -> list[str]:
    """Split a selector list, unless it is the exact name of a field with commas."""
    names = {name for field in fields for name in (field.name, *field.aliases)}
    if text in names:
        return [text]
    return [part if part in names else part.strip() for part in split(text)]


def _match(selector: str, fields: Sequence[Field]) -> tuple[set[str], bool]:
    """Return the names that a selector matches, and whether it is an exact name."""
    names = [field.name for field in fields]
    aliases = {alias: field.name for field in fields for alias in field.aliases}
    plain = re.sub(r"\\(.)", r"\1", selector)
    for exact in (selector, plain, plain.strip(), plain.lstrip("/")):
        if exact in names or exact in aliases:
            return {aliases.get(exact, exact)}, True
    if selector.startswith(":"):
        if selector not in KINDS:
            kind = other_words.KINDS.get(selector.casefold())
            meant = f"; type {kind}" if kind else did_you_mean(selector, KINDS)
            raise UsageError(
                f"no kind of field is called {selector!r}{meant} (there are {' '.join(KINDS)})"
            )
        return {field.name for field in fields if field.kind in KINDS[selector]}, False
    if len(selector) > len("//") and selector[0] == selector[-1] == "/":
        matched = _searched(selector, names)
    else:
        glob = selector.strip().lstrip("/")
        matched = {name for name in names if fnmatch.fnmatchcase(name, glob)}
    if not matched:
        meant = _meant(selector, names) or did_you_mean(selector, names)
        raise UsageError(
            f"no field matches {selector!r}{meant} (the file has {_listing(names) or 'no fields'})"
        )
    return matched, False


def _searched(selector: str, names: Sequence[str]) -> set[str]:
    """Return the names that match a /regular expression/, in time linear in their length.

    The engine is RE2, which Arrow has: no lookaround, no back-references, and no slow pattern.
    """
    texts = pa.array(map(_encodable, names), pa.string())
    try:
        pattern = _encodable(selector[1:-1])
        found = pc.match_substring_regex(texts, pattern=pattern).to_pylist()
    except pa.ArrowInvalid as error:
        reason = str(error).removeprefix("Invalid regular expression: ")
        raise UsageError(
            f"{selector} is not a regular expression as RE2 reads them: {reason}"
        ) from None
    return {name for name, matches in zip(names, found, strict=True) if matches}


def _encodable(text: str) -> str:
    """Replace bytes that are not UTF-8 by unused characters."""
    return _SURROGATE.sub(lambda found: chr(ord(found[0]) + _TO_PRIVATE_USE), text)


def _meant(selector: str, names: Sequence[str]) -> str:
    """Suggest what to type instead of a selector that matches no field."""
    if kind := other_words.KINDS.get(selector.casefold()):
        return f"; type {kind}"
    if selector.startswith(("-", "~", "^")) and selector[1:] in names:
        return f"; to leave it out type '!{selector[1:]}'"
    number = float(selector) if selector.isdecimal() else 0  # int takes no 5,000 digits
    if 0 < number <= len(names):
        return f"; fields are chosen by name, and number {selector} is {names[int(number) - 1]!r}"
    several = re.findall(r"[^\s;|&+'\"\[\](){}]+", selector)
    if several and all(name in names for name in several):
        return f"; type {','.join(several)}"
    glob = selector.replace("%", "*")
    if "%" in selector and fnmatch.filter(names, glob):
        return f"; type '{glob}'"
    return _meant_inside(selector, names) or _meant_as_regex(selector, names)


def _meant_inside(selector: str, names: Sequence[str]) -> str:
    """Return the name of which a selector is a part between dots, slashes or brackets."""
    inside = re.compile(rf"(?:.*[./])?{re.escape(selector)}(?:\[\].*|[./].*)?")
    found = next(filter(inside.fullmatch, names), None)
    return f"; did you mean {found!r}?" if found else ""


def _meant_as_regex(selector: str, names: Sequence[str]) -> str:
    if re.search(r"[.\\+^$|]", selector):
        with contextlib.suppress(UsageError):
            if _searched(f"/{selector}/", names):
                return f"; put a regular expression between slashes: /{selector}/"
    return ""


def _default(every: Sequence[Field], left_out: set[str]) -> set[str]:
    """Return the default choice: all floats, or if there are none, the only number field.

    A whole number that is one of several columns may be an id, and is not chosen.
    """
    measured = [field for field in every if not field.role]
    fields = [field for field in measured if field.name not in left_out]
    floating = {field.name for field in fields if field.kind in KINDS[":float"]}
    if floating:
        return floating
    if any(field.kind in KINDS[":float"] for field in measured):
        raise UsageError(
            f"every floating-point field is excluded; choose others with {option('columns')}"
        )
    numeric = [field for field in fields if field.kind in NUMBER_KINDS]
    if len(numeric) == 1 and _stands_alone(numeric[0], fields):
        return {numeric[0].name}
    if not numeric:
        _check_roles([field for field in every if field.kind in NUMBER_KINDS])
        held = _listing([f"{field.name} ({field.type_name})" for field in fields])
        raise UsageError(
            "no field holds numbers, so there is nothing to add noise to"
            + (
                f" (the file has {held}); name the fields with {option('columns')} to try them "
                "anyway"
                if held
                else ""
            )
        )
    listing = _listing([f"{field.name} ({field.type_name})" for field in numeric])
    held = "one holds" if len(numeric) == 1 else f"{len(numeric)} hold"
    raise UsageError(
        f"no field is floating-point, and {held} other numbers: {listing}; "
        f"choose with {option('columns')}, for example {option('columns', numeric[-1].name)}"
    )


def _check_roles(fields: Sequence[Field]) -> None:
    """Refuse the default choice if all its fields have roles, such as coordinates."""
    roles = [f"{field.name} ({field.role})" for field in fields if field.role]
    if roles:
        name = next(field.name for field in fields if field.role)
        raise UsageError(
            f"what there is gets noise by its exact name only: {_listing(roles)}; "
            f"for example {option('columns', name)}"
        )


def _stands_alone(field: Field, fields: Sequence[Field]) -> bool:
    """Return whether a field is a whole array or the only column of its table."""
    if field.member:
        return False
    return bool(field.table) or len(fields) == 1


def _one(every: Sequence[Field], left_out: set[str], kinds: frozenset[str]) -> set[str]:
    """Return the default choice for texts, labels or times: the only field of that kind.

    Times are never ids, so all of them are chosen.
    """
    measured = [field for field in every if not field.role]
    found = [field for field in measured if field.kind in kinds and field.name not in left_out]
    if len(found) == 1 or (found and kinds == {"time"}):
        return {field.name for field in found}
    what = " or ".join(sorted(kinds))
    if not found:
        _check_roles([field for field in every if field.kind in kinds])
        raise UsageError(
            f"no field holds {what}; name the fields with {option('columns')} to try them anyway"
        )
    listing = _listing([f"{field.name} ({field.type_name})" for field in found])
    raise UsageError(
        f"{len(found)} fields hold {what}: {listing}; choose with "
        f"{option('columns')}, for example {option('columns', found[-1].name)}"
    )


def _listing(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
