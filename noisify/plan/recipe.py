"""Recipes: noise specs in a file, as TOML, or as the plan in a `--report`.

    seed = 42

    [[noise]]
    fields = "temp*"
    model = "normal"
    scale = "5%"
    clip = [0, 100]

`load` reads one and reports every mistake with its line.
"""

from __future__ import annotations

import json
import re
import tomllib
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from noisify.core.errors import (
    NoisifyError,
    UsageError,
    cut_short,
    did_you_mean,
    printable,
    shown,
)
from noisify.core.urls import is_url, redacted
from noisify.core.values import read_text, read_truth
from noisify.files.input import Input
from noisify.plan import presets
from noisify.plan.document_lines import DocumentLines
from noisify.plan.plan import Recipe
from noisify.plan.record_key import read_key
from noisify.plan.word_values import read_decimals, read_rng, read_seed
from noisify.plan.words import WordsError, spec_from_words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from noisify.plan.document_lines import Place
    from noisify.plan.plan import NoiseSpec

_TOP = ("seed", "file", "per_file", "same_noise", "rng", "decimals", "strict", "key", "noise")
_WITH_PRESET = ("preset", "fields", "field", "exclude", "where")
_LINE = re.compile(r" *\(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)$")
_MOST_BYTES = 1 << 26
"""The most bytes of a recipe; enough for the report of a table of 100,000 columns."""


_DEEP_KEY = re.compile(
    r"""(?:^|[\[{,])[ \t]*(?:(?:[\w-]+|"[^"\n]*"|'[^'\n]*')[ \t]*\.[ \t]*){20}""", re.MULTILINE
)
"""A dotted key of too many parts: tomllib's memory grows with the square of their number."""


class RecipeError(UsageError):
    """The mistakes in a recipe, one line for each, as FILE:LINE: message."""

    def __str__(self) -> str:
        """Return all lines."""
        return "\n".join(cut_short(printable(line)) for line in self.message.split("\n"))


def load(path: str | Path) -> Recipe:
    """Read a recipe, TOML or JSON.

    Raises:
        RecipeError: If it has mistakes; it lists all of them, with their lines.
        NoisifyError: If it cannot be read.
    """
    data = _start_of(path)
    path = redacted(str(path))
    if len(data) > _MOST_BYTES:
        limit = _MOST_BYTES >> 20
        raise RecipeError(f"{path}: is longer than {limit} MiB; a recipe is TOML, a report JSON")
    text = data.decode("utf-8-sig", "surrogateescape").replace("\r\n", "\n")
    settled = _is_json(path, text)
    if not settled and (deep := _DEEP_KEY.search(text)) is not None:
        line = text.count("\n", 0, deep.end()) + 1
        raise RecipeError(f"{path}:{line}: a key has too many parts; keys of a recipe have one")
    try:
        if settled:
            document, lines = json.loads(text), DocumentLines(text).of_json()
        else:
            document, lines = tomllib.loads(text), DocumentLines(text).of_toml()
    except json.JSONDecodeError as error:
        raise RecipeError(f"{path}:{error.lineno}: {error.msg}; a report is JSON") from None
    except ValueError as error:  # TOML's own, and numbers of too many digits
        raise RecipeError(_syntax_error(path, text, str(error))) from None
    except RecursionError:
        raise RecipeError(f"{path}:1: brackets nest too deep; a recipe has flat lists") from None
    reader = _RecipeReader(lines, settled=settled)
    recipe = reader.recipe(document)
    if reader.found:
        found = sorted(set(reader.found), key=lambda mistake: mistake[0])
        raise RecipeError("\n".join(f"{path}:{line}: {message}" for line, message in found))
    return recipe


def _start_of(path: str | Path) -> bytes:
    """Return the bytes of a file, local or by URL, as many as a recipe may have and one more.

    Raises:
        NoisifyError: If it cannot be read.
    """
    if is_url(path):
        with Input(path) as given, given.open() as file:
            return file.read(_MOST_BYTES + 1)
    try:
        with Path(path).open("rb") as file:
            return file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise NoisifyError(f"cannot be read: {error.strerror or error}", path=path) from None


def of_document(document: Mapping[str, Any]) -> Recipe:
    """Read a recipe, or the plan of a report, from a mapping instead of a file.

    Args:
        document: The keys and values of a recipe, or of a report.

    Raises:
        RecipeError: If it has mistakes; it lists all of them.

    >>> of_document({"seed": 1, "noise": [{"model": "laplace", "scale": 0.5}]}).specs[0].model
    'laplace'
    """
    reader = _RecipeReader({}, settled="plan" in document)
    recipe = reader.recipe(document)
    if reader.found:
        raise RecipeError("; and ".join(dict.fromkeys(message for _, message in reader.found)))
    return recipe


def _is_json(path: str | Path, text: str) -> bool:
    suffix = Path(path).suffix.casefold()
    if suffix in {".json", ".toml"}:
        return suffix == ".json"
    return re.match(r"\s*(?:\{|\[\s*\{)", text) is not None


def _syntax_error(path: str | Path, text: str, message: str) -> str:
    """Return the message of a TOML error with its line in front."""
    match = _LINE.search(message)
    what = message[: match.start()] if match else message
    if match is None or match["line"] is None:
        return f"{path}:{len(text.splitlines()) or 1}: {what}; a recipe is TOML"
    return f"{path}:{match['line']}: {what} at column {match['column']}; a recipe is TOML"


class _RecipeReader:
    """Reads a document and collects its mistakes with their lines.

    Args:
        lines: The lines of its keys and items.
        settled: Whether it is a plan, whose `fields` are names, not selectors.
    """

    def __init__(self, lines: Mapping[Place, int], *, settled: bool) -> None:
        self.found: list[tuple[int, str]] = []
        self._lines = lines
        self._settled = settled

    def recipe(self, document: object) -> Recipe:
        """Return the recipe; it is valid only if no mistakes were found."""
        place, plan = self._plan(document)
        if plan is None:
            return Recipe()
        for key in plan:
            if key not in _TOP:
                meant = did_you_mean(key, _TOP)
                if not meant:
                    meant = "; noise and its parameters belong in a [[noise]] table"
                self._mistake((*place, key), f"a recipe has no key {key!r}{meant}")
        readers: dict[str, Callable[[Any], Any]] = {
            "seed": read_seed, "rng": read_rng, "decimals": read_decimals,
            "strict": partial(read_truth, "strict"), "file": partial(read_text, "file"),
            "per_file": partial(read_truth, "per_file"),
            "same_noise": partial(read_truth, "same_noise"), "key": read_key,
        }  # fmt: skip
        said: dict[str, Any] = {}
        for key, read in readers.items():
            if plan.get(key) is None:
                continue
            try:
                said[key] = read(plan[key])
            except UsageError as error:
                self._mistake((*place, key), error.message)
        same = said.pop("same_noise", None)
        if same is not None and said.setdefault("per_file", not same) == same:
            what = "same_noise and per_file contradict each other; keep one"
            self._mistake((*place, "same_noise"), what)
        return Recipe(specs=tuple(self._specs((*place, "noise"), plan)), **said)

    def _mistake(self, place: Place, message: str) -> None:
        while place and place not in self._lines:
            place = place[:-1]
        self.found.append((self._lines.get(place, 1), " ".join(message.split())))

    def _plan(self, document: object) -> tuple[Place, dict[str, Any] | None]:
        """Return the recipe's table in a document, and its path there."""
        place: Place = ()
        if isinstance(document, list):
            if len(document) != 1:
                what = f"holds {len(document)} reports; take one of them into a file of its own"
                self._mistake((), what)
                return (), None
            place, document = (0,), document[0]
        if isinstance(document, dict) and "plan" in document:
            place, document = (*place, "plan"), document["plan"]
        if not isinstance(document, dict):
            self._mistake(place, "is neither a recipe nor a report; write [[noise]] tables")
            return place, None
        return place, document

    def _specs(self, place: Place, plan: Mapping[str, Any]) -> Iterator[NoiseSpec]:
        tables = plan.get("noise")
        if isinstance(tables, dict):
            self._mistake(place, "noise is one table; write [[noise]] for a list of them")
            return
        if not isinstance(tables, list):
            missing = tables is None
            what = "holds no noise; add a [[noise]] table" if missing else "noise is not a list"
            self._mistake(
                place, f"{what}, such as model = 'normal' and scale = 0.5 below [[noise]]"
            )
            return
        for index, table in enumerate(tables):
            if isinstance(table, dict):
                yield from self._table_specs((*place, index), table)
            else:
                self._mistake((*place, index), f"noise {table!r} is not a table; write [[noise]]")

    def _table_specs(self, place: Place, table: Mapping[str, Any]) -> Iterator[NoiseSpec]:
        """Return the specs of one table: its own, or those of its preset."""
        words = dict(table)
        renamed = "fields" if self._settled and "fields" in words else "field"
        if renamed == "fields":
            words["field"] = words.pop("fields")
        for key in [key for key in words if key in _TOP]:
            del words[key]
            what = f"{key} is not a key of noise; put it above the first [[noise]]"
            self._mistake((*place, key), what)
        for said in [words] if "preset" not in words else self._preset(place, words):
            try:
                yield spec_from_words(said)
            except WordsError as error:
                for mistake in error.found:
                    word = renamed if mistake.key == "field" else mistake.key
                    at = place if word is None else (*place, word)
                    self._mistake(at, mistake.message)

    def _preset(self, place: Place, words: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the words of a table's preset, combined with the table's other words."""
        extra = [key for key in words if key not in _WITH_PRESET]
        for key in extra:
            self._mistake((*place, key), f"a preset sets {key} itself; leave out {key} or preset")
        if not isinstance(words["preset"], str):
            self._mistake((*place, "preset"), f"preset {shown(words['preset'])} is not a text")
            return []
        try:
            found = presets.find(words["preset"])
        except UsageError as error:
            self._mistake((*place, "preset"), error.message)
            return []
        chosen = next((key for key in ("fields", "field") if key in words), None)
        if chosen is not None and any("fields" in preset for preset in found):
            what = f"preset {words['preset']} chooses its own fields; leave out {chosen}"
            self._mistake((*place, chosen), f"{what}, or exclude some")
            return []
        others = {key: words[key] for key in _WITH_PRESET[1:] if key in words}
        return [{**preset, **others} for preset in found]
