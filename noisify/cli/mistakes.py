"""Detect command-line mistakes that click accepts, and suggest what to type instead."""

from __future__ import annotations

import itertools
import os
import re
import shlex
from typing import TYPE_CHECKING, NamedTuple

from noisify.core import other_words
from noisify.core.errors import UsageError, did_you_mean
from noisify.core.urls import is_url, local_name
from noisify.noise import registry

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import click


_LONG_DASHES = "‐‑‒–—−"  # noqa: RUF001 - what text processors make of - and --
_UNIT = re.compile(r"%|[a-z]+", re.IGNORECASE)
_NUMBER = re.compile(r"[+-]?[\d.]+(?:e[+-]?\d+)?", re.IGNORECASE)


class Word(NamedTuple):
    """One word of the command line.

    Attributes:
        text: The word, in the form that click is to read.
        option: The option that it is or is a value of; None for an input.
        value: The option's value, if the word is or contains one.
    """

    text: str
    option: click.Option | None = None
    value: str | None = None


def read_words(words: Sequence[str], options: Mapping[str, click.Option]) -> Iterator[Word]:
    """Yield the words of a command line, with -s=0.1 rewritten as -s0.1.

    Args:
        words: The words as typed.
        options: All options, by each of their names.

    Raises:
        UsageError: If a word starts with one dash instead of two, or a value is missing.
    """
    rest = iter(words)
    for word in rest:
        if word == "--":
            yield Word(word)
            yield from map(Word, rest)
            return
        text, option, value = word, None, None
        if word.startswith("--"):
            name, equals, attached = word.partition("=")
            option, value = options.get(name), attached if equals else None
        elif word.startswith("-") and len(word) > 1:
            _check_dashes(word, options)
            text, option, value = _short_options(word, options)
        yield Word(text, option, value)
        if option is not None and not option.is_flag and value is None:
            value = next(rest, None)
            if value is not None:
                _check_value(option, value, options)
                yield Word(value, option, value)


def _short_options(
    word: str, options: Mapping[str, click.Option]
) -> tuple[str, click.Option | None, str | None]:
    """Return a word of short options as click reads it, the last of them, and its value."""
    option = None
    for at, letter in enumerate(word[1:], 2):
        option = options.get(f"-{letter}")
        if option is None:
            return word, None, None
        if not option.is_flag:
            value = word[at:].removeprefix("=")
            return word[:at] + value, option, value or None
    return word, option, None


def _check_dashes(word: str, options: Mapping[str, click.Option]) -> None:
    """Refuse -output, which would write to a file called utput."""
    name = word.partition("=")[0]
    is_long = f"-{name}" in options or name[1:] in other_words.OPTIONS
    if is_long and len(name) > len("-x"):
        raise UsageError(f"{name} has one dash; type -{name}")


def _check_value(option: click.Option, value: str, options: Mapping[str, click.Option]) -> None:
    name = value.partition("=")[0]
    if name in options:
        metavar = option.metavar or "VALUE"
        raise UsageError(
            f"{_names(option)} needs a value, and {name} follows; type {option.opts[0]} {metavar}"
        )


def check_values(words: Sequence[Word]) -> None:
    """Refuse values that are written as for other programs.

    Raises:
        UsageError: If there is one; it says what to type instead.
    """
    for word in words:
        if word.option is not None and word.value is not None:
            meant = other_words.VALUES.get((word.option.name or "", word.value.casefold()))
            if meant:
                raise UsageError(f"{_names(word.option)} {word.value}: {meant}")


def check_repeats(order: Sequence[click.Parameter]) -> None:
    """Refuse a single-valued option that is given twice.

    Args:
        order: The parameters in the order typed, with repetitions.

    Raises:
        UsageError: If there is one; it says what to type instead.
    """
    for param in dict.fromkeys(order):
        several = getattr(param, "multiple", False) or param.nargs != 1
        if several or getattr(param, "is_flag", False) or order.count(param) == 1:
            continue
        meant = other_words.REPEATED.get(param.name or "", "keep one")
        raise UsageError(f"{_names(param)} is given twice; {meant}")


def _names(param: click.Parameter) -> str:
    return "/".join(param.opts)


def unknown_option(name: str, words: Sequence[str], known: Sequence[str]) -> UsageError:
    """Return the error for an unknown option.

    Args:
        name: The option, with its dashes.
        words: The command line.
        known: The names of all options.
    """
    plain = name.lstrip("-")
    names = {option.lstrip("-"): option for option in known if option.startswith("--")}
    kept = plain if len(plain) == 1 else plain.casefold().replace("_", "-")
    meant = other_words.OPTIONS.get(kept)
    if meant is not None:
        meant = "; " + meant.replace("{}", _value_after(name, words))
    else:
        near = did_you_mean(kept, names).replace("'", "")  # of the names without dashes
        meant = near.replace("mean ", "mean --") or _model_option(kept, name, words)
    return UsageError(f"no option is called {name}{meant or '; see noisify --help'}")


def _model_option(plain: str, name: str, words: Sequence[str]) -> str:
    """Return a hint if a model or a parameter was typed as an option, or an empty text."""
    if entry := registry.meant(plain):
        return f"; type -d {entry.name}"
    owner = registry.with_parameter(plain.replace("-", "_"))
    key = plain.replace("-", "_")
    return f"; type -d {owner.name} -p {key}={_value_after(name, words)}" if owner else ""


def _value_after(name: str, words: Sequence[str]) -> str:
    """Return the value given to an unknown option, or a placeholder."""
    for at, word in enumerate(words):
        option, equals, value = word.partition("=")
        if option == name and (equals or at + 1 < len(words)):
            value = value if equals else words[at + 1]
            is_option = value.startswith("-") and not _NUMBER.fullmatch(value)
            return "X" if is_option else shlex.quote(value)
    return "X"


def check_inputs(words: Sequence[Word]) -> None:
    """Refuse inputs that are not files but were meant as something else.

    Raises:
        UsageError: If there is one; it says what to type instead.
    """
    for at, word in enumerate(words):
        if word.option is not None or word.text in {"-", "--"} or is_url(word.text):
            continue
        if not os.path.lexists(local_name(word.text)):
            texts = (following.text for following in words[at:])
            typed = " ".join(itertools.takewhile(lambda text: text[:1] != "-", texts))
            meant = _meant_by_input(words[:at], word.text, typed) or _output_input(words, at)
            if meant:
                raise UsageError(f"no file is called {word.text!r}; {meant}")


def _meant_by_input(before: Sequence[Word], text: str, typed: str) -> str | None:
    """Suggest what to type instead of a word that is not a file.

    Args:
        before: The words before it.
        text: The word.
        typed: The word and those after it, up to the next option.
    """
    return (
        _long_dash(text)
        or _meant_after_option(before[-1] if before else Word(""), text, typed)
        or other_words.SUBCOMMANDS.get(text.casefold())
        or _model_input(text)
        or other_words.suggestion(other_words.INPUTS, text).removeprefix("; ")
    )


def _long_dash(text: str) -> str | None:
    """Suggest what to type instead of an option whose dashes a text processor changed."""
    if not text.startswith(tuple(_LONG_DASHES)):
        return None
    plain = text.lstrip(_LONG_DASHES + "-")
    return f"{text[0]} is a longer dash; type {'-' if len(plain) == 1 else '--'}{plain}"


def _output_input(words: Sequence[Word], at: int) -> str | None:
    """Suggest -o for an output given as the last input, as with cp and sox."""
    text = words[at].text
    inputs = [word.text for word in words[:at] if word.option is None]
    outputs = {"output", "output_dir", "in_place"}
    named = any(word.option and word.option.name in outputs for word in words)
    if inputs and not named and re.search(r"\.\w+$", text) and os.path.lexists(inputs[-1]):
        return f"an output is named with -o: noisify {inputs[-1]} -o {text}"
    return None


_AFTER_VALUE = {
    **dict.fromkeys(
        ("columns", "exclude"), "several fields have commas between them: {option} {value},{commas}"
    ),
    **dict.fromkeys(("scale", "sd", "snr", "rate"), "a level is one word: {option} {value}{text}"),
    **dict.fromkeys(("where", "noise"), "put it in quotes: {option} '{value} {typed}'"),
    "clip": "type --clip {value},{text}",
    "parameters": "each parameter has a -p of its own: -p {text}",
    "nulls": "each text has an --na of its own: --na {text}",
}
"""What to type instead of a repeated option, by its parameter."""


def _meant_after_option(last: Word, text: str, typed: str) -> str | None:
    """Suggest what to type instead of a word after an option or its value."""
    option, value = last.option, last.value
    if option is None or (value is None and not (option.name == "dry_run" and text.isdecimal())):
        return None
    if value is None:
        return f"-n is --dry-run; copies are --replicates {text} --output-dir DIR"
    answer = _AFTER_VALUE.get(option.name or "")
    is_level = answer is not None and answer.startswith("a level")
    is_path = option.name in {"columns", "exclude"} and re.search(r"[./=]", text)
    if is_path or (is_level and not (_NUMBER.fullmatch(value) and _UNIT.fullmatch(text))):
        return None
    commas = typed.replace(" ", ",")
    return answer and answer.format(
        option=option.opts[0], value=value, text=text, typed=typed, commas=commas
    )


def _model_input(text: str) -> str | None:
    """Suggest what to type instead of a bare model name or text of --noise."""
    _, equals, spec = text.rpartition("=") if ":" in text else text.partition("=")
    model, level, _ = re.split(r"([:,]|$)", spec if equals else text, maxsplit=1)
    if not registry.is_name(model):
        return None
    return f"type --noise '{text}'" if equals or level else f"type -d {text}"
