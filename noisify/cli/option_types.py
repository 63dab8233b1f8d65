"""Click options in groups, the command's help, and the types of option values."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any

import click

from noisify import formats
from noisify.cli import completion, mistakes
from noisify.core import share
from noisify.core.errors import NoisifyError, UsageError, did_you_mean, shown
from noisify.core.urls import local_name
from noisify.core.values import read_bounds
from noisify.noise import level, registry
from noisify.plan import word_values

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from noisify.plan.plan import Decimals

    ParamType = click.ParamType[Any]
    Choice = click.Choice[str]
    Path = click.Path[str]
else:
    ParamType, Choice, Path = click.ParamType, click.Choice, click.Path  # generic in newer versions

_SIZE = re.compile(r"(\d{1,20})\s*(?:([kmg])i?)?b?", re.IGNORECASE)
_LARGEST_SIZE = 1 << 40
_SHARE = re.compile(r"(\d{1,9})/(\d{1,9})")
_DIGITS = re.compile(r"0*\d{1,3}")
_WORDS = f"{__name__}.words"
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


class GroupedOption(click.Option):
    """An option with the heading that help lists it under."""

    def __init__(self, *args: Any, group: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.group = group

    def shell_complete(
        self, ctx: click.Context, incomplete: str
    ) -> list[click.shell_completion.CompletionItem]:
        """Return what the option's value may be."""
        found = completion.candidates(self.name or "", ctx, incomplete)
        return found or super().shell_complete(ctx, incomplete)


class GroupedCommand(click.Command):
    """A command whose help starts with examples and groups its options under headings."""

    examples: str = ""

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write summary, examples, then the options group by group."""
        check_standard_output()
        formatter.width = 100
        self.format_usage(ctx, formatter)
        with formatter.section("Examples"):
            for line in self.examples.strip().splitlines():
                formatter.write(f"  {line.strip()}\n")
        self.format_help_text(ctx, formatter)
        groups: dict[str, list[tuple[str, str]]] = {}
        for option in self.get_params(ctx):
            record = option.get_help_record(ctx) if isinstance(option, click.Option) else None
            if record is not None:
                groups.setdefault(getattr(option, "group", "Info"), []).append(record)
        groups["Info"] = groups.pop("Info", [])
        for title, records in groups.items():
            with formatter.section(title):
                formatter.write_dl(records, col_max=34)
        self.format_epilog(ctx, formatter)


def _first_sentence(text: str) -> str:
    """Return the first sentence of an option's help, on one line."""
    return re.split(r"(?<=[^.])[.;:] |\. \[| \[", text, maxsplit=1)[0].rstrip(".")[:60]


class StrictCommand(GroupedCommand):
    """A command that refuses mistakes which click accepts, and has help of a screen's height."""

    common: frozenset[str] = frozenset()

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments, and refuse mistakes that click accepts.

        Raises:
            UsageError: If there is one; it says what to type instead.
        """
        if ctx.resilient_parsing:  # a shell asks what may follow
            return super().parse_args(ctx, args)
        options = {
            name: param
            for param in self.get_params(ctx)
            if isinstance(param, click.Option)
            for name in (*param.opts, *param.secondary_opts)
        }
        words = list(mistakes.read_words(args, options))
        args = [word.text for word in words]
        ctx.meta[_WORDS] = words
        try:
            left = super().parse_args(ctx, list(args))
        except click.NoSuchOption as error:
            raise mistakes.unknown_option(error.option_name, args, list(options)) from None
        mistakes.check_inputs(words)
        return left

    def make_parser(self, ctx: click.Context) -> Any:
        """Return click's parser, which refuses mistakes before click converts any value."""
        parser: Any = super().make_parser(ctx)
        parse = parser.parse_args

        def parse_and_check(args: list[str]) -> tuple[Any, Any, Any]:
            values, left, order = parse(args)
            mistakes.check_repeats(order)
            mistakes.check_values(ctx.meta.get(_WORDS, ()))
            return values, left, order

        if not ctx.resilient_parsing:
            parser.parse_args = parse_and_check
        return parser

    def short_help_text(self, ctx: click.Context) -> str:
        """Return help of a screen's height: the options that most runs need."""
        records = [
            record
            for option in self.get_params(ctx)
            if option.name in self.common and (record := option.get_help_record(ctx))
        ]
        formatter = click.HelpFormatter(width=100)
        self.format_usage(ctx, formatter)
        with formatter.section("Common options; --help shows all"):
            formatter.write_dl([(names, _first_sentence(text)) for names, text in records])
        with formatter.section("Examples"):
            for line in self.examples.strip().splitlines()[:4]:
                formatter.write(f"  {line.strip()}\n")
        return formatter.getvalue()


def check_standard_output() -> None:
    """Check that standard output is open.

    Raises:
        NoisifyError: If standard output is closed.
    """
    if sys.stdout is None:
        raise NoisifyError("is closed", path="standard output")


class WordType(Choice):
    """One of a few words.

    Args:
        name: What the option sets, for errors.
        words: The words.
    """

    def __init__(self, name: str, words: Sequence[str]) -> None:
        super().__init__(words)
        self.name = name

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the word."""
        if value in self.choices:
            return str(value)
        raise UsageError(
            f"no {self.name} is called {value!r}{did_you_mean(str(value), self.choices)} "
            f"(there are {', '.join(self.choices)})"
        )


class Read(ParamType):
    """A value read by the function that also reads it in recipes and for the library.

    Args:
        name: The kind of value.
        read: Takes the text and the option, and returns the value.
    """

    def __init__(self, name: str, read: Callable[[str, str], object]) -> None:
        self.name = name
        self._read = read

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> object:
        """Read the value; errors name the option, or the environment variable that gave it."""
        if param is None:
            return self._read(value, self.name)
        source = ctx.get_parameter_source(param.name or "") if ctx is not None else None
        given = param.envvar if source is click.core.ParameterSource.ENVIRONMENT else None
        return self._read(value, str(given or param.opts[-1]))


class FileName(Path):
    """The name of a file or a folder; a `file:` URL becomes its path."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the path or the URL."""
        return local_name(str(value))


def _read_clip(text: str, _: str) -> tuple[float, float]:
    """Read LO,HI; either may be left out."""
    low, comma, high = text.partition(",")
    bounds = read_bounds((low, high)) if comma else None
    if bounds is None:
        raise UsageError(f"clip {text!r} is not LO,HI with LO at most HI, such as 0,255 or 0,")
    return bounds


def _read_decimals(text: str, _: str) -> Decimals:
    """Read a number of digits, or `keep`."""
    return word_values.read_decimals(int(text) if _DIGITS.fullmatch(text) else text)


def _read_share(text: str, option: str) -> share.Share:
    """Read K/N."""
    match = _SHARE.fullmatch(text.strip())
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        hint = "; the first is 1" if match is not None and not int(match[1]) else ""
        raise UsageError(f"{option} {shown(text)} is not K/N with K from 1 to N, such as 3/8{hint}")
    return share.Share(int(match[1]), int(match[2]))


MODEL = Read("model", lambda text, _: registry.find(text).name)
FORMAT = Read("format", lambda text, _: formats.find(text).name)
LEVEL = Read("level", lambda text, option: level.parse(text, option=option))
DECIBELS = Read("dB", lambda text, _: level.parse_decibels(text))
SEED = Read("n", lambda text, _: word_values.read_seed(text))
CLIP = Read("lo,hi", _read_clip)
DECIMALS = Read("n|keep", _read_decimals)
SHARE = Read("k/n", _read_share)
FILE, FOLDER = FileName(), FileName(file_okay=False)

_LONGEST_SIZE = 30
"""The most characters of a size."""


def size_type(what: str) -> Read:
    """Return the type of a number of bytes: 65536, 64k, 4MiB.

    Args:
        what: Its name in errors.
    """

    def read(text: str, _: str) -> int:
        match = _SIZE.fullmatch(text.strip()) if len(text.strip()) <= _LONGEST_SIZE else None
        size = int(match[1]) * _UNITS[(match[2] or "").lower()] if match else 0
        if not 0 < size <= _LARGEST_SIZE:
            raise UsageError(
                f"{what} {shown(text)} is not a size from 1 to 1024g, such as 65536, 64k or 4MiB"
            )
        return size

    return Read("size", read)


def pair_type(what: str, expected: str) -> Read:
    """Return the type of KEY=VALUE, which is split at the first equals sign.

    Args:
        what: Its name in errors.
        expected: How it is typed.
    """

    def read(text: str, _: str) -> tuple[str, str]:
        key, _, value = (part.strip() for part in text.partition("="))
        if not key or not value:
            raise UsageError(f"{what} {text!r} is not {expected}")
        return key, value

    return Read("key=value", read)
