"""Options in groups, and the types of their values."""

from __future__ import annotations

import math
import re
import sys
from typing import TYPE_CHECKING, Any

import click

from noisify import formats
from noisify.core.errors import NoisifyError, UsageError, did_you_mean, shown
from noisify.streams.limits import SEED_LIMIT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from noisify.noise.level import Level

if TYPE_CHECKING:
    ParamType = click.ParamType[Any]
else:
    ParamType = click.ParamType  # generic in newer versions only

_SIZE = re.compile(r"(\d{1,20})\s*(?:([kmg])i?)?b?", re.IGNORECASE)
_LARGEST_SIZE = 1 << 40
_DECIMALS = re.compile(r"0*\d{1,3}")
_MOST_DECIMALS = 300
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


class GroupedOption(click.Option):
    """An option with the heading it is listed under."""

    def __init__(self, *args: Any, group: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.group = group


class GroupedCommand(click.Command):
    """A command whose help leads with examples and lists its options under headings."""

    examples: str = ""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the words, and refuse mistakes that click lets pass.

        Raises:
            UsageError: If there is one; it says what to type instead.
        """
        from noisify.cli import mistakes  # noqa: PLC0415 - only its types are needed before

        options = {
            name: param
            for param in self.get_params(ctx)
            if isinstance(param, click.Option)
            for name in (*param.opts, *param.secondary_opts)
        }
        words = list(mistakes.read_words(args, options))
        args = [word.text for word in words]
        try:
            _, _, order = self.make_parser(ctx).parse_args(list(args))
        except click.NoSuchOption as error:
            raise mistakes.unknown_option(error.option_name, args, list(options)) from None
        mistakes.check_repeats(order)
        mistakes.check_values(words)
        left = super().parse_args(ctx, args)
        mistakes.check_inputs(words)
        return left

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


def check_standard_output() -> None:
    """Make sure that there is something to print to.

    Raises:
        NoisifyError: If standard output is closed.
    """
    if sys.stdout is None:
        raise NoisifyError("is closed", path="standard output")


class WordType(ParamType):
    """One of a few words.

    Args:
        name: What the option is about.
        words: The words.
    """

    def __init__(self, name: str, words: Sequence[str]) -> None:
        self.name = name
        self._words = words

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the word."""
        if value in self._words:
            return str(value)
        raise UsageError(
            f"no {self.name} is called {value!r}{did_you_mean(str(value), self._words)} "
            f"(there are {', '.join(self._words)})"
        )


class FormatType(ParamType):
    """A format's name."""

    name = "format"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name."""
        return formats.find(str(value)).name


class ModelType(ParamType):
    """A model's name or alias."""

    name = "model"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the model's own name."""
        from noisify.noise import registry  # noqa: PLC0415 - help does without

        return registry.find(str(value)).name

    def shell_complete(
        self,
        ctx: click.Context,
        param: click.Parameter,
        incomplete: str,
    ) -> list[click.shell_completion.CompletionItem]:
        """Return the models' names that start so."""
        from noisify.noise import registry  # noqa: PLC0415 - help does without

        names = (entry.name for entry in registry.MODELS if entry.name.startswith(incomplete))
        return [click.shell_completion.CompletionItem(name) for name in names]


class LevelType(ParamType):
    """How much: 0.5, 5%, 0.1sd, 0.2iqr, 1%range, @column."""

    name = "level"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Level:
        """Read the level."""
        from noisify.noise import level  # noqa: PLC0415 - help does without

        return level.parse(value, option=_option_name(param))


class DecibelType(ParamType):
    """A signal-to-noise ratio."""

    name = "dB"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Read the ratio."""
        from noisify.noise import level  # noqa: PLC0415 - help does without

        return level.parse_decibels(value)


class SeedType(ParamType):
    """An integer from 0 to 2**128 - 1, decimal or 0x…."""

    name = "n"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read the seed."""
        try:
            seed = (
                value if isinstance(value, int) else int(value, 16 if "x" in value.lower() else 10)
            )
        except ValueError:
            seed = -1
        if not 0 <= seed < SEED_LIMIT:
            raise UsageError(f"seed {value!r} is not an integer from 0 to 2**128 - 1 (or 0x…)")
        return int(seed)


_LONGEST_SIZE = 30
"""Characters of a size."""


class SizeType(ParamType):
    """Bytes: 65536, 64k, 4MiB."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read the size."""
        text = str(value).strip()
        match = _SIZE.fullmatch(text) if len(text) <= _LONGEST_SIZE else None
        size = int(match[1]) * _UNITS[(match[2] or "").lower()] if match else 0
        if not 0 < size <= _LARGEST_SIZE:
            raise UsageError(
                f"chunk size {shown(value)} is not a size from 1 to 1024g, such as 65536, 64k or "
                "4MiB"
            )
        return size


class ClipType(ParamType):
    """LO,HI; either may be left out."""

    name = "lo,hi"

    def convert(
        self,
        value: Any,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> tuple[float, float]:
        """Read the bounds."""
        if isinstance(value, tuple):
            return value
        low, comma, high = str(value).partition(",")
        try:
            bounds = (float(low or "-inf"), float(high or "inf"))
        except ValueError:
            bounds = (math.nan, math.nan)
        if not comma or not bounds[0] <= bounds[1]:
            raise UsageError(f"clip {value!r} is not LO,HI with LO at most HI, such as 0,255 or 0,")
        return bounds


class DecimalsType(ParamType):
    """A number of digits, or keep."""

    name = "n|keep"

    def convert(
        self,
        value: Any,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> int | str:
        """Read the digits."""
        if value == "keep" or (_DECIMALS.fullmatch(str(value)) and int(value) <= _MOST_DECIMALS):
            return "keep" if value == "keep" else int(value)
        raise UsageError(f"decimals {value!r} is neither a number of digits nor keep")


class ParameterType(ParamType):
    """KEY=VALUE.

    Args:
        what: What errors call it.
        shape: How it is typed.
        example: An example.
    """

    name = "key=value"

    def __init__(
        self, what: str = "parameter", shape: str = "KEY=VALUE", example: str = "df=3"
    ) -> None:
        self._what = what
        self._expected = f"{shape}, such as {example}"

    def convert(
        self,
        value: Any,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> tuple[str, str]:
        """Split at the first equals sign."""
        if isinstance(value, tuple):
            return value
        key, equals, text = str(value).partition("=")
        if not equals or not key.strip() or not text.strip():
            raise UsageError(f"{self._what} {value!r} is not {self._expected}")
        return key.strip(), text.strip()


def _option_name(param: click.Parameter | None) -> str:
    return param.opts[-1] if param is not None else "level"
