r"""Turn words into a noise spec, for `--noise`, recipes, flags and the library.

`--noise 'FIELDS=MODEL:LEVEL,key=value,…'` is one text; a recipe has the same words as keys. Both
come to a mapping of words, and `spec_from_words` makes a `NoiseSpec` of it.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from noisify.core.errors import UsageError, shown
from noisify.core.value_class import frozen
from noisify.core.values import read_count, read_truth, texts
from noisify.noise import level as levels
from noisify.noise.model import make
from noisify.noise.parameters import (
    ParameterError,
    is_plain,
    parameters_of,
    takes_level,
    unknown_parameter,
)
from noisify.plan.plan import NoiseSpec
from noisify.plan.word_values import (
    read_clip,
    read_model,
    read_names,
    read_unit,
    read_where,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from noisify.noise.model import Model

Value = TypeVar("Value")
AMOUNTS = ("scale", "sd", "snr")
"""The words that set the amount of noise of a model with a scale."""
WORDS = (
    "fields", "field", "exclude", "model", "level", "sd", "snr", "clip", "where", "stream", "unit",
    "optional", "truncate",
)  # fmt: skip
"""The words that every model accepts; a model without a scale may have its own sd."""
_READERS: dict[str, Callable[[Any], Any]] = {
    "exclude": partial(texts, "exclude"), "clip": read_clip, "where": read_where,
    "stream": partial(read_count, "stream", least=0, limit=1 << 32), "unit": read_unit,
    "optional": partial(read_truth, "optional"), "truncate": partial(read_truth, "truncate"),
}  # fmt: skip
"""Functions that read the words which a spec has as attributes of the same name."""
_DECIBELS = re.compile(r".*[\d.]\s*dB\s*", re.IGNORECASE | re.DOTALL)


@frozen
class Mistake:
    """One mistake in some words.

    Attributes:
        key: The word concerned, or None if several are.
        message: What is wrong, and what to write instead.
    """

    key: str | None
    message: str


class WordsError(UsageError):
    """The mistakes in some words.

    Args:
        found: All mistakes.
        place: The prefix of the message: where the words were typed.
    """

    def __init__(self, found: tuple[Mistake, ...], place: str = "") -> None:
        super().__init__(place + "; and ".join(mistake.message for mistake in found))
        self.found = found
        self.place = place


def spec_from_words(
    words: Mapping[str, Any], where_in_file: str = "", typed_as: str = ""
) -> NoiseSpec:
    r"""Create a noise spec from words, and check each of them.

    Args:
        words: `WORDS`, scale, and the model's parameters; None is ignored. `fields` are selectors,
            `field` is a name, or names, to be taken exactly.
        where_in_file: The prefix of error messages.
        typed_as: What precedes a parameter when typed, such as -p.

    Raises:
        WordsError: If there is any mistake; it lists all of them.

    >>> spec_from_words({"field": "a,b", "model": "gaussian", "level": "20dB"}).columns
    ('a\\,b',)
    """
    reader = _WordReader(words, typed_as)
    spec = reader.spec()
    if spec is None:
        raise WordsError(tuple(reader.found), where_in_file)
    return spec


def takes_no(model: type[Model], amount: str) -> UsageError:
    """Return the error for an amount that a model does not accept."""
    instead = f"; say how much with {model.level}" if model.level else ""
    return UsageError(f"{model.name} noise takes no {amount}{instead}")


def check_level(model: type[Model], amounts: Mapping[str, object]) -> None:
    """Refuse scale, sd or snr for a model whose scale is not a level.

    Raises:
        UsageError: If one of them is given.
    """
    said = next((name for name in AMOUNTS if amounts.get(name) is not None), None)
    if said is not None and not takes_level(model):
        raise takes_no(model, said)


def exactly(name: str) -> str:
    r"""Return the selector that chooses exactly the field of this name.

    A name with spaces around it stays as it is: a selector that equals a field's name selects that
    field, and any other selector loses its spaces.

    >>> print(exactly("a,b"), exactly("!x*"), exactly("entry/data"))
    a\,b \!x\* entry/data
    """
    if name != name.strip():
        return name
    escaped = re.sub(r"([\\,*?\[])", r"\\\1", name)
    return f"\\{escaped}" if name.startswith(("!", "/", ":")) else escaped


class _WordReader:
    """Reads words one by one and collects the mistakes."""

    def __init__(self, words: Mapping[str, Any], typed_as: str) -> None:
        self.typed_as = typed_as
        given = {key: value for key, value in words.items() if value is not None}
        self.words = {"model": "normal", **given}
        self.found: list[Mistake] = []

    def spec(self) -> NoiseSpec | None:
        """Return the noise spec, or None if anything is wrong."""
        columns = self._columns()
        readers = {key: read for key, read in _READERS.items() if key in self.words}
        said: dict[str, Any] = {key: self._read(key, read) for key, read in readers.items()}
        entry = self._read("model", read_model)
        if entry is None:
            return None
        amounts, parameters = self._amounts(entry.load())
        if self.found:
            return None
        return NoiseSpec(entry.name, columns, **said, **amounts, parameters=parameters)

    def _mistake(self, key: str | None, message: str) -> None:
        self.found.append(Mistake(key, message))

    def _read(self, key: str, read: Callable[[Any], Value]) -> Value | None:
        """Return a word's value as read by `read`, or None if it is missing or wrong."""
        if key not in self.words:
            return None
        try:
            return read(self.words[key])
        except UsageError as error:
            self._mistake(key, error.message)
            return None

    def _columns(self) -> tuple[str, ...]:
        if "fields" in self.words and "field" in self.words:
            self._mistake("field", "the fields are given twice, by fields and field; keep one")
        selectors: tuple[str, ...] = self._read("fields", partial(texts, "fields")) or ()
        names: tuple[str, ...] = self._read("field", read_names) or ()
        return selectors + tuple(exactly(name) for name in names)

    def _amounts(self, model: type[Model]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return scale, sd or snr, and the other parameters, as typed and checked."""
        declared = parameters_of(model)
        own = {"sd", "snr"} & declared.keys()
        source = {key: key for key in self.words if key in own or key not in WORDS}
        for key in source:
            if key not in declared:
                error = unknown_parameter(key, model.name, declared, WORDS)
                self._mistake(key, error.message)
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
                self._mistake("level", f"{target} is given twice, by level and {target}; keep one")
            else:
                (amounts if target == "snr" else given)[target] = level
            source[target] = "level"
        self._check_amounts(model, given, amounts, source)
        self._check_parameters(model, given, source)
        if takes_level(model) and "scale" in given and not self.found:
            amounts["scale"] = levels.parse(given.pop("scale"))
        return amounts, given

    def _check_amounts(
        self,
        model: type[Model],
        given: Mapping[str, Any],
        amounts: dict[str, Any],
        source: Mapping[str, str],
    ) -> None:
        """Read sd and snr, and check that the scale is given only once."""
        read_sd: Callable[[Any], Any] = partial(levels.parse, option="sd")
        for name, read in (("sd", read_sd), ("snr", levels.parse_decibels)):
            if name not in amounts:
                continue
            key = source.get(name, name)
            if not takes_level(model):
                instead = f"; give its {model.level} instead" if model.level else ""
                self._mistake(key, f"{model.name} has no scale for {name} to set{instead}")
            elif not (is_plain(amounts[name]) or isinstance(amounts[name], levels.Level)):
                self._mistake(key, f"{name} {shown(amounts[name])} is not a number or a text")
            else:
                amounts[name] = self._read(key, read)
        said = [source.get(name, name) for name in ("scale", "sd", "snr")
                if name in (given if name == "scale" else amounts)]  # fmt: skip
        if len(said) > 1:
            message = f"{' and '.join(said)} exclude each other; keep one"
            self._mistake(said[-1], message)

    def _check_parameters(
        self, model: type[Model], given: Mapping[str, object], source: Mapping[str, str]
    ) -> None:
        """Create the model repeatedly, dropping each wrong parameter, to find all mistakes."""
        known = len(self.found)
        for name, parameter in parameters_of(model).items():
            if parameter.required and name not in given:
                message = (
                    f"{model.name} needs {name} ({parameter.help}); add {self.typed_as}{name}=VALUE"
                )
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
        """Return the parameters whose values are texts or have the right type."""
        kept = dict(given)
        for name, value in given.items():
            try:
                parameters_of(model)[name].check_kind(value, name)
            except ParameterError as error:
                self._mistake(source.get(name, name), error.message)
                del kept[name]
        return kept


def _short_level(model: type[Model], typed: object) -> str:
    """Explain MODEL:LEVEL for a model whose level is not a scale, and how to set a scale."""
    if model.level == "scale":
        return ""
    size = ""
    if "scale" in parameters_of(model):
        size = f"; its size is scale: {model.name}:1%,scale={typed}"
    return f" ({model.name}:LEVEL is its {model.level}{size})"
