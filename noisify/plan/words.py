r"""From words to a noise spec: what `--noise` and a recipe's tables have in common.

`--noise 'FIELDS=MODEL:LEVEL,key=value,…'` is one text; a recipe has the same words as keys. Both
come to a mapping of words, and `spec_from_words` makes a `NoiseSpec` of it.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any

from noisify.core.errors import UsageError, did_you_mean, shown
from noisify.core.value_class import frozen
from noisify.core.values import is_plain, read_truth, texts
from noisify.noise import level as levels
from noisify.noise import registry
from noisify.noise.model import make
from noisify.noise.parameters import (
    ParameterError,
    parameters_of,
    takes_level,
)
from noisify.plan.plan import NoiseSpec
from noisify.plan.word_values import (
    read_clip,
    read_model,
    read_names,
    read_sd,
    read_stream,
    read_unit,
    read_where,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from noisify.noise.model import Model

WORDS = (
    "fields", "field", "exclude", "model", "level", "sd", "snr", "clip", "where", "stream", "unit",
    "optional", "truncate",
)  # fmt: skip
"""The words that every model understands; one without a scale may have an sd of its own."""

_NOT_TYPED = ("fields", "field", "model", "level", "stream", "unit", "optional", "truncate")
"""The words that are no KEY of --noise."""
_REGEX = r"!?/(?:[^/\\]|\\.)*/"
_SELECTOR = re.compile(rf"\s*{_REGEX}(?=\s*[,=])|(?:[^,=\\]|\\.)+", re.DOTALL)
_EXCLUDED = re.compile(rf"{_REGEX}(?=\||$)|(?:[^|\\]|\\.)+", re.DOTALL)
_PIECE = re.compile(r"(?:[^,\\]|\\.|\\$)*", re.DOTALL)
_DECIBELS = re.compile(r".*[\d.]\s*dB\s*", re.IGNORECASE | re.DOTALL)
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


@frozen
class Mistake:
    """One thing that is wrong with some words.

    Attributes:
        key: The word concerned; None: none of them.
        message: What is wrong, and what to say instead.
    """

    key: str | None
    message: str


class WordsError(UsageError):
    """Some words make no sense.

    Args:
        found: Everything that is wrong.
        where_in_file: What to put before it.
    """

    def __init__(self, found: tuple[Mistake, ...], where_in_file: str = "") -> None:
        super().__init__(where_in_file + "; and ".join(mistake.message for mistake in found))
        self.found = found


def parse_spec(text: str, place: str | None = None) -> NoiseSpec:
    """Read the text of `--noise`: `FIELDS=MODEL:LEVEL,key=value,…`.

    FIELDS end at the first = with a model's name after it; without them, or with none before the
    =, they are the default choice. A condition, `where=…`, comes last.

    Args:
        text: The text.
        place: What to put before an error's message; None: the option and the text.

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
        raise UsageError(place + (_meant(text) or error.message)) from None
    return spec_from_words(words, where_in_file=place)


def _meant(text: str) -> str:
    """Return what to type instead of a --noise text that has its parts at other places."""
    for form in _OTHER_FORMS:
        match = form.fullmatch(text.strip())
        if match is None:
            continue
        parts = {"fields": "", "model": "normal", **match.groupdict()}
        equals = "=" if parts["fields"] else ""
        instead = f"{parts['fields']}{equals}{parts['model']}:{parts['level']}"
        named = "" if "model" in match.groupdict() else "no model is named; "
        if _is_model(parts["model"]):
            return f"{named}type --noise '{instead}'"
    return ""


def spec_from_words(words: Mapping[str, Any], where_in_file: str = "") -> NoiseSpec:
    r"""Make a noise spec of words, every one of them checked.

    Args:
        words: `WORDS`, scale, and the model's parameters; None: not said. `fields` are selectors,
            `field` is a name, or names, to be taken exactly.
        where_in_file: What to put before an error's message.

    Raises:
        WordsError: If anything makes no sense; it tells everything that is wrong.

    >>> spec_from_words({"field": "a,b", "model": "gaussian", "level": "20dB"}).columns
    ('a\\,b',)
    """
    reader = _WordReader(words)
    spec = reader.spec()
    if spec is None:
        raise WordsError(tuple(reader.found), where_in_file)
    return spec


def exactly(name: str) -> str:
    r"""Return the selector that chooses the field of this name, and no other.

    A name with spaces around it stays as it is: selection takes a whole text that is a field's name
    for that name, and would strip the spaces off anything else.

    >>> print(exactly("a,b"), exactly("!x*"), exactly("entry/data"))
    a\,b \!x\* entry/data
    """
    if name != name.strip():
        return name
    escaped = re.sub(r"([\\,*?\[])", r"\\\1", name)
    return f"\\{escaped}" if name.startswith(("!", "/", ":")) else escaped


class _WordReader:
    """Reads words one by one and keeps what is wrong with them."""

    def __init__(self, words: Mapping[str, Any]) -> None:
        self.words = {key: value for key, value in words.items() if value is not None}
        self.found: list[Mistake] = []

    def spec(self) -> NoiseSpec | None:
        """Return the noise spec, or None if anything is wrong."""
        columns = self._columns()
        exclude = self._read("exclude", lambda value: texts("exclude", value)) or ()
        clip = self._read("clip", read_clip)
        condition = self._read("where", read_where)
        stream = self._read("stream", read_stream)
        unit = self._read("unit", read_unit)
        optional = self._read("optional", partial(read_truth, "optional")) or False
        truncate = self._read("truncate", partial(read_truth, "truncate")) or False
        entry = (
            self._read("model", read_model) if "model" in self.words else registry.find("normal")
        )
        if entry is None:
            return None
        scale, sd, snr, parameters = self._amounts(entry.load())
        if self.found:
            return None
        return NoiseSpec(
            model=entry.name,
            columns=columns,
            exclude=exclude,
            scale=scale,
            sd=sd,
            snr=snr,
            parameters=parameters,
            clip=clip,
            where=condition,
            stream=stream,
            unit=unit,
            optional=optional,
            truncate=truncate,
        )

    def _mistake(self, key: str | None, message: str) -> None:
        self.found.append(Mistake(key, message))

    def _read(self, key: str, read: Callable[[Any], Any]) -> Any:  # noqa: ANN401
        """Return what `read` makes of a word, or None if it is not said or wrong."""
        if key not in self.words:
            return None
        try:
            return read(self.words[key])
        except UsageError as error:
            self._mistake(key, error.message)
            return None

    def _columns(self) -> tuple[str, ...]:
        if "fields" in self.words and "field" in self.words:
            self._mistake("field", "the fields are said twice, by fields and field; keep one")
        selectors: tuple[str, ...] = self._read("fields", lambda v: texts("fields", v)) or ()
        names: tuple[str, ...] = self._read("field", read_names) or ()
        return selectors + tuple(exactly(name) for name in names)

    def _amounts(self, model: type[Model]) -> tuple[Any, Any, Any, dict[str, Any]]:
        """Return scale, sd, snr and the other parameters, as typed but all checked."""
        declared = parameters_of(model)
        own = {"sd", "snr"} & declared.keys()
        source = {key: key for key in self.words if key in own or key not in WORDS}
        for key in source:
            if key not in declared:
                self._mistake(key, _unknown(key, model))
        given = {key: self.words[key] for key in source if key in declared}
        about_scale = self.words.keys() & {"sd", "snr"} - own
        amounts: dict[str, Any] = {key: self.words[key] for key in about_scale}
        if "level" in self.words:
            level = self.words["level"]
            decibels = isinstance(level, str) and _DECIBELS.fullmatch(level)
            target = "snr" if decibels else model.level
            if not is_plain(level):
                self._mistake("level", f"level {shown(level)} is not a number or a text")
            elif not target:
                self._mistake("level", f"{model.name} has no level; leave {level!r} out")
            elif target in given or target in amounts:
                self._mistake("level", f"{target} is said twice, by level and {target}; keep one")
            else:
                (amounts if target == "snr" else given)[target] = level
            source[target] = "level"
        self._check_amounts(model, given, amounts, source)
        self._check_parameters(model, given, source)
        scale = None
        if takes_level(model) and "scale" in given and not self.found:
            scale = levels.parse(given.pop("scale"))
        return scale, amounts.get("sd"), amounts.get("snr"), given

    def _check_amounts(
        self,
        model: type[Model],
        given: Mapping[str, Any],
        amounts: dict[str, Any],
        source: Mapping[str, str],
    ) -> None:
        """Read sd and snr, and check that the scale is said once."""
        for name, read in (("sd", read_sd), ("snr", levels.parse_decibels)):
            if name not in amounts:
                continue
            key = source.get(name, name)
            if not takes_level(model):
                instead = f"; give its {model.level} instead" if model.level else ""
                self._mistake(key, f"{model.name} has no scale for {name} to set{instead}")
                continue
            if not (is_plain(amounts[name]) or isinstance(amounts[name], levels.Level)):
                self._mistake(key, f"{name} {shown(amounts[name])} is not a number or a text")
                continue
            try:
                amounts[name] = read(amounts[name])
            except UsageError as error:
                self._mistake(key, error.message)
        said = [source.get(name, name) for name in ("scale", "sd", "snr")
                if name in (given if name == "scale" else amounts)]  # fmt: skip
        if len(said) > 1:
            message = f"how much noise is said twice, by {' and '.join(said)}; keep one"
            self._mistake(said[-1], message)

    def _check_parameters(
        self, model: type[Model], given: Mapping[str, object], source: Mapping[str, str]
    ) -> None:
        """Make the model again and again, each time without what was wrong."""
        known = len(self.found)
        for name, parameter in parameters_of(model).items():
            if parameter.required and name not in given:
                message = f"{model.name} needs {name} ({parameter.help}); add {name}=VALUE"
                self._mistake(None, message)
        left = self._of_their_kinds(model, given, source)
        while True:
            try:
                make(model, left)
            except ParameterError as error:
                wrong = next((name for name in error.names if name in left), None)
                key = source.get(wrong or "", wrong)
                if wrong is None or len(error.names) > 1:
                    if len(self.found) == known:  # otherwise it may only follow from what was wrong
                        self._mistake(key, error.message)
                    return
                both = _short_level(model, left[wrong]) if key == "level" else ""
                self._mistake(key, error.message + both)
                del left[wrong]
            else:
                return

    def _of_their_kinds(
        self, model: type[Model], given: Mapping[str, object], source: Mapping[str, str]
    ) -> dict[str, object]:
        """Return the parameters that are texts or of their types' kinds."""
        kept = dict(given)
        for name, value in given.items():
            try:
                parameters_of(model)[name].check_kind(value, name)
            except ParameterError as error:
                self._mistake(source.get(name, name), error.message)
                del kept[name]
        return kept


def _unknown(key: str, model: type[Model]) -> str:
    declared = parameters_of(model)
    meant = did_you_mean(key, [*declared, *WORDS])
    return f"{model.name} has no parameter {key!r}{meant} (it has: {', '.join(declared)})"


def _short_level(model: type[Model], typed: object) -> str:
    """Return what MODEL:LEVEL says of a model whose level is no scale, and how to say a scale."""
    if model.level == "scale":
        return ""
    size = ""
    if "scale" in parameters_of(model):
        size = f"; its size is scale: {model.name}:1%,scale={typed}"
    return f" ({model.name}:LEVEL is its {model.level}{size})"


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
    """Return a text up to its first comma that is not escaped."""
    match = _PIECE.match(text)
    return match[0] if match else ""


def _key_and_value(piece: str, words: Mapping[str, Any]) -> tuple[str, Any]:
    """Read one key=value of a --noise text."""
    key, equals, value = (part.strip() for part in piece.partition("="))
    if not equals or not key or not value:
        instead = "; type clip=LO|HI" if "clip" in words and not equals else ", such as loc=2"
        raise UsageError(f"{piece.strip()!r} is not KEY=VALUE{instead}")
    if key in _NOT_TYPED:
        raise UsageError(f"{key} is no key of --noise; FIELDS=MODEL:LEVEL says it, or a recipe")
    if key in words:
        raise UsageError(f"{key} is given twice; keep one")
    if key == "where":
        return key, value
    if key == "exclude":
        return key, _EXCLUDED.findall(value)
    return key, value.replace("\\,", ",")


def _split_fields(text: str) -> tuple[str, str]:
    """Return the selectors of a --noise text and what follows their equals sign.

    Raises:
        UsageError: If no model's name is where one should be.
    """
    head = re.split(r"[:,=]", text, maxsplit=1)[0]
    if _is_model(head) and text[len(head) : len(head) + 1] == ":":
        return "", text
    ends = _equals_signs(text)
    for end in ends:
        if _is_model(_before_level(text[end + 1 :])):
            return text[:end].strip(), text[end + 1 :]
    if _is_model(head) or not ends:
        return "", text
    names = [word for entry in registry.MODELS for word in (entry.name, *entry.aliases)]
    typed = _before_level(text[ends[0] + 1 :])
    if did_you_mean(head, names) and not did_you_mean(typed, names):
        return "", text
    return text[: ends[0]].strip(), text[ends[0] + 1 :]


def _equals_signs(text: str) -> list[int]:
    """Return where FIELDS may end: at each = that is in no regular expression and not escaped.

    A condition may hold an = with a model's name after it, so none of its own counts.
    """
    for condition in re.finditer(r",\s*where\s*=", text):
        if not _is_model(_before_level(text[condition.end() :])):
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


def _is_model(name: str) -> bool:
    try:
        registry.find(name)
    except UsageError:
        return False
    return True
