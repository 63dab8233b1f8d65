"""Parse the text of `--noise`, `FIELDS=MODEL:LEVEL,key=value,…`, into words."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from noisify.core.errors import UsageError, did_you_mean
from noisify.noise import registry
from noisify.plan.words import Mistake, WordsError, spec_from_words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from noisify.plan.plan import NoiseSpec

_NOT_TYPED = ("fields", "field", "model", "level", "stream", "unit", "optional", "truncate")
"""The words that --noise does not accept as KEY."""
_REGEX = r"!?/(?:[^/\\]|\\.)*/"
_SELECTOR = re.compile(rf"\s*{_REGEX}(?=\s*[,=])|(?:[^,=\\]|\\.)+", re.DOTALL)
_EXCLUDED = re.compile(rf"{_REGEX}(?=\||$)|(?:[^|\\]|\\.)+", re.DOTALL)
_PIECE = re.compile(r"(?:[^,\\]|\\.|\\$)*", re.DOTALL)
_SPEC_LEVEL = r"(?P<level>@?[\d.][^=:,()]*|@\w+)"
_OTHER_FORMS = tuple(
    re.compile(form)
    for form in (
        _SPEC_LEVEL,
        rf"(?P<fields>[^=:]+)\s*[=:]\s*{_SPEC_LEVEL}",
        rf"(?P<fields>[^=:]+)[:=]\s*(?P<model>[\w-]+)\s*[:=(,\s]\s*{_SPEC_LEVEL}\)?",
        rf"(?P<model>[\w-]+)\s*[=(\s]\s*{_SPEC_LEVEL}\)?",
        rf"(?P<fields>[^=:,]+),\s*(?P<model>[\w-]+),\s*{_SPEC_LEVEL}",
    )
)
"""What people type instead of FIELDS=MODEL:LEVEL."""


def parse_spec(text: str, place: str | None = None) -> NoiseSpec:
    """Read the text of `--noise`: `FIELDS=MODEL:LEVEL,key=value,…`.

    FIELDS end at the first = with a model's name after it; without them, or with none before the
    =, they are the default choice. A condition, `where=…`, comes last.

    Args:
        text: The text.
        place: The prefix of error messages, or None for the option and the text.

    Raises:
        UsageError: If anything in it makes no sense.

    >>> spec = parse_spec("temp,rh=normal:0.5,loc=2,clip=0|100")
    >>> spec.columns, spec.model, str(spec.scale), spec.parameters, spec.clip
    (('temp,rh',), 'normal', '0.5', {'loc': '2'}, (0.0, 100.0))
    """
    place = f"--noise {text!r}: " if place is None else place
    try:
        words = _typed_words(text)
    except UsageError as error:
        raise WordsError((Mistake(None, _meant(text) or error.message),), place) from None
    return spec_from_words(words, where_in_file=place)


def _meant(text: str) -> str:
    """Suggest what to type instead of a --noise text whose parts are in the wrong order."""
    for form in _OTHER_FORMS:
        match = form.fullmatch(text.strip())
        if match is None:
            continue
        parts = {"fields": "", "model": "normal", **match.groupdict()}
        equals = "=" if parts["fields"] else ""
        instead = f"{parts['fields']}{equals}{parts['model']}:{parts['level']}"
        named = "" if "model" in match.groupdict() else "no model is named; "
        if registry.is_name(parts["model"]):
            return f"{named}type --noise '{instead}'"
    return ""


def _typed_words(text: str) -> dict[str, Any]:
    """Return the words of a --noise text."""
    selectors, rest = _split_fields(text)
    head = _first_piece(rest)
    comma, tail = rest[len(head) : len(head) + 1], rest[len(head) + 1 :]
    model, colon, level = head.partition(":")
    words: dict[str, Any] = {"model": registry.find(model).name}
    if selectors:
        words["fields"] = selectors
    if colon:
        if not level.strip():
            raise UsageError(f"no level follows {model.strip()}:; type {model.strip()}:5%")
        words["level"] = level.strip().replace("\\,", ",")
    while comma:
        piece = tail if re.match(r"\s*where\s*=", tail) else _first_piece(tail)
        comma, tail = tail[len(piece) : len(piece) + 1], tail[len(piece) + 1 :]
        key, value = _key_and_value(piece, words)
        words[key] = value
    return words


def _first_piece(text: str) -> str:
    """Return a text up to its first unescaped comma."""
    match = _PIECE.match(text)
    return match[0] if match else ""


def _key_and_value(piece: str, words: Mapping[str, Any]) -> tuple[str, Any]:
    """Read one key=value of a --noise text."""
    key, equals, value = (part.strip() for part in piece.partition("="))
    if not equals or not key or not value:
        instead = "; type clip=LO|HI" if "clip" in words and not equals else ", such as loc=2"
        raise UsageError(f"{piece.strip()!r} is not KEY=VALUE{instead}")
    if key in _NOT_TYPED:
        raise UsageError(f"{key} is not a key of --noise; write FIELDS=MODEL:LEVEL, or a recipe")
    if key in words:
        raise UsageError(f"{key} is given twice; keep one")
    if key == "where":
        return key, value
    if key == "exclude":
        return key, _EXCLUDED.findall(value)
    return key, value.replace("\\,", ",")


def _split_fields(text: str) -> tuple[str, str]:
    """Split a --noise text into its selectors and the rest, at the equals sign.

    Raises:
        UsageError: If no model's name is where one should be.
    """
    head = re.split(r"[:,=]", text, maxsplit=1)[0]
    if registry.is_name(head) and text[len(head) : len(head) + 1] == ":":
        return "", text
    ends = _equals_signs(text)
    for end in ends:
        if registry.is_name(_before_level(text[end + 1 :])):
            return text[:end].strip(), text[end + 1 :]
    if registry.is_name(head) or not ends:
        return "", text
    names = [word for entry in registry.MODELS for word in (entry.name, *entry.aliases)]
    typed = _before_level(text[ends[0] + 1 :])
    if did_you_mean(head, names) and not did_you_mean(typed, names):
        return "", text
    return text[: ends[0]].strip(), text[ends[0] + 1 :]


def _equals_signs(text: str) -> list[int]:
    """Return where FIELDS may end: at each unescaped = outside regular expressions.

    An = inside a condition is not counted, since a model's name may follow it there too.
    """
    for condition in re.finditer(r",\s*where\s*=", text):
        if not registry.is_name(_before_level(text[condition.end() :])):
            text = text[: condition.start()]
            break
    ends = []
    at = 0
    while at < len(text):
        selector = _SELECTOR.match(text, at)
        at = selector.end() if selector else at
        if text[at : at + 1] == "=":
            ends.append(at)
        at += 1
    return ends


def _before_level(text: str) -> str:
    return re.split(r"[:,]", text, maxsplit=1)[0]
