"""Mistakes on the command line that click lets pass, and what to type instead of unknown words."""

from __future__ import annotations

import itertools
import os
import re
import shlex
from typing import TYPE_CHECKING, NamedTuple

from noisify.core import other_words
from noisify.core.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import click

_LONG_DASHES = "‐‑‒–—−"  # noqa: RUF001 - what text processors make of - and --
_UNIT = re.compile(r"%|[a-z]+", re.IGNORECASE)
_NUMBER = re.compile(r"[+-]?[\d.]+(?:e[+-]?\d+)?", re.IGNORECASE)


class Word(NamedTuple):
    """One word of the command line.

    Attributes:
        text: The word, or several as they are to be read.
        option: The option it is, or is a value of; None: an input.
        value: The option's value, if the word is or holds one.
    """

    text: str
    option: click.Option | None = None
    value: str | None = None


def read_words(words: Sequence[str], options: Mapping[str, click.Option]) -> Iterator[Word]:
    """Yield the words of a command line, -s=0.1 as -s0.1.

    Args:
        words: What was typed.
        options: Every option, by each of its names.

    Raises:
        UsageError: If a word starts with one dash instead of two, or a value is missing.
    """
    rest = iter(words)
    for word in rest:
        if word == "--":
            yield Word(word)
            yield from map(Word, rest)
            return
        option, value = None, None
        if word.startswith("--"):
            name, equals, attached = word.partition("=")
            option, value = options.get(name), attached if equals else None
        elif word.startswith("-") and len(word) > 1:
            _check_dashes(word, options)
            word, option, value = _short_options(word, options)
        yield Word(word, option, value)
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
    if is_long and len(name) > 2:  # noqa: PLR2004 - a dash and a letter
        raise UsageError(f"{name} has one dash; type -{name}")


def _check_value(option: click.Option, value: str, options: Mapping[str, click.Option]) -> None:
    name = value.partition("=")[0]
    if name in options:
        metavar = option.metavar or "VALUE"
        raise UsageError(
            f"{_names(option)} needs a value, and {name} follows; type {option.opts[0]} {metavar}"
        )


def check_values(words: Sequence[Word]) -> None:
    """Refuse values that are words of other programs.

    Raises:
        UsageError: If there is one; it says what to type instead.
    """
    for word in words:
        if word.option is not None and word.value is not None:
            meant = other_words.VALUES.get((word.option.name or "", word.value.casefold()))
            if meant:
                raise UsageError(f"{_names(word.option)} {word.value}: {meant}")


def check_repeats(order: Sequence[click.Parameter]) -> None:
    """Refuse an option of one value that is given twice.

    Args:
        order: The parameters as they were typed, one entry for each time.

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
    """Return the error about an option that there is not.

    Args:
        name: The option, with its dashes.
        words: The command line.
        known: All names of options.
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
    """Return the answer to a model or a parameter of one as an option, or nothing."""
    from noisify.noise import registry  # noqa: PLC0415 - only a mistake needs it

    if entry := registry.meant(plain):
        return f"; type -d {entry.name}"
    owner = registry.with_parameter(plain.replace("-", "_"))
    key = plain.replace("-", "_")
    return f"; type -d {owner.name} -p {key}={_value_after(name, words)}" if owner else ""


def _value_after(name: str, words: Sequence[str]) -> str:
    """Return the value that an unknown option was given, or what stands for one."""
    for at, word in enumerate(words):
        option, equals, value = word.partition("=")
        if option == name and (equals or at + 1 < len(words)):
            value = value if equals else words[at + 1]
            is_option = value.startswith("-") and not _NUMBER.fullmatch(value)
            return "X" if is_option else shlex.quote(value)
    return "X"


def check_inputs(words: Sequence[Word]) -> None:
    """Refuse inputs that are no files but mean something else.

    Raises:
        UsageError: If there is one; it says what to type instead.
    """
    for at, word in enumerate(words):
        if word.option is None and word.text not in {"-", "--"} and not os.path.lexists(word.text):
            typed = " ".join(itertools.takewhile(lambda text: text[:1] != "-", _texts(words[at:])))
            meant = _meant_by_input(words[:at], word.text, typed)
            if meant:
                raise UsageError(f"no file is called {word.text!r}; {meant}")


def _texts(words: Sequence[Word]) -> Iterator[str]:
    return (word.text for word in words)


def _meant_by_input(before: Sequence[Word], text: str, typed: str) -> str | None:
    """Return what to type instead of a word that is no file.

    Args:
        before: The words before it.
        text: The word.
        typed: It and those after it, up to the next option.
    """
    if text[:1] and text[0] in _LONG_DASHES:
        plain = text.lstrip(_LONG_DASHES + "-")
        return f"{text[0]} is a longer dash; type {'-' if len(plain) == 1 else '--'}{plain}"
    last = before[-1] if before else Word("")
    if last.option is not None and (meant := _meant_after_option(last, text, typed)):
        return meant
    if meant := other_words.SUBCOMMANDS.get(text.casefold()):
        return meant
    if re.match(r"[a-z][a-z0-9+]+://", text):
        return f"noisify reads files; for an address type curl -s {text} | noisify"
    if re.search(r"[*?]", text):
        return "no file matches it"
    if meant := _meant_by_itself(text):
        return meant
    inputs = [word.text for word in before if word.option is None]
    outputs = {"output", "output_dir", "in_place"}
    named = any(word.option and word.option.name in outputs for word in before)
    if inputs and not named and re.search(r"\.\w+$", text) and os.path.lexists(inputs[-1]):
        return f"an output is named with -o: noisify {inputs[-1]} -o {text}"
    return None


def _meant_after_option(last: Word, text: str, typed: str) -> str | None:
    """Return what to type instead of a word after an option, or after an option's value."""
    option, value = last.option, last.value
    if option is None:
        return None
    name = option.name
    if value is None:
        if name == "dry_run" and text.isdecimal():
            return f"-n is --dry-run; copies are --replicates {text} --output-dir DIR"
        return None
    short = option.opts[0]
    if name in {"columns", "exclude"} and not re.search(r"[./=]", text):
        return f"several fields have commas between them: {short} {value},{typed.replace(' ', ',')}"
    if (
        name in {"scale", "sd", "snr", "rate"}
        and _NUMBER.fullmatch(value)
        and _UNIT.fullmatch(text)
    ):
        return f"a level is one word: {short} {value}{text}"
    if name == "clip":
        return f"type --clip {value},{text}"
    if name in {"where", "noise"}:
        return f"put it in quotes: {short} '{value} {typed}'"
    if name == "parameters":
        return f"each parameter has a -p of its own: -p {text}"
    if name == "nulls":
        return f"each text has an --na of its own: --na {text}"
    return None


def _meant_by_itself(text: str) -> str | None:
    """Return what to type instead of a level, a model, or KEY=VALUE."""
    from noisify.noise import registry  # noqa: PLC0415 - only a mistake needs it

    if re.fullmatch(r"[\d.]+\s*(?:%|sd|std|iqr|%range)?", text):
        return f"type -s {text}"
    if re.fullmatch(r"[\d.]+\s*db", text, re.IGNORECASE):
        return f"type --snr {text}"
    key, equals, value = text.partition("=")
    if equals:
        model = re.split(r"[:,]", value)[0]
        if registry.is_name(model):
            return f"type --noise '{text}'"
        if key in {"scale", "sd", "snr", "rate", "seed", "dist", "columns", "where", "loc", "df"}:
            return f"type --{key} {value}"
        return f"type -p {text}" if re.fullmatch(r"\w+", key) else None
    model, colon, _ = text.partition(":")
    if registry.is_name(model):
        return f"type --noise {text}" if colon else f"type -d {text}"
    return None
