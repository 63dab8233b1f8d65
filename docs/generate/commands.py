"""What the two commands say of themselves, for the pages generated from it."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

import click

from noisify.cli.entry import COMMANDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from noisify.cli.option_types import GroupedCommand


@dataclass(frozen=True)
class Option:
    """An option of a command.

    Attributes:
        names: How it is typed, every name, longest last.
        value: The name of its value; empty for a flag.
        text: What help says of it.
    """

    names: tuple[str, ...]
    value: str
    text: str


@dataclass(frozen=True)
class Program:
    """One of the commands.

    Attributes:
        name: What is typed.
        usage: Its arguments.
        summary: What it does, in a sentence.
        description: The rest of that, in paragraphs.
        examples: Command lines.
        groups: Its options, by heading.
        statuses: What its exit statuses mean.
    """

    name: str
    usage: str
    summary: str
    description: tuple[str, ...]
    examples: tuple[str, ...]
    groups: dict[str, list[Option]]
    statuses: str


def programs() -> Iterator[Program]:
    """Yield both commands as click knows them."""
    for name, (module, attribute) in COMMANDS.items():
        yield program(name, getattr(import_module(module), attribute))


def program(name: str, command: GroupedCommand) -> Program:
    """Return what a command says of itself.

    Args:
        name: What is typed.
        command: Click's command.
    """
    context = click.Context(command, info_name=name, **command.context_settings)
    text = inspect.cleandoc(command.help or "")
    summary, *others = (" ".join(part.split()) for part in text.split("\n\n"))
    groups: dict[str, list[Option]] = {}
    for parameter in command.get_params(context):
        if isinstance(parameter, click.Option) and not parameter.hidden:
            group = getattr(parameter, "group", "Info")
            groups.setdefault(group, []).append(_option(parameter))
    groups["Info"] = groups.pop("Info")  # last, as in help
    usage = command.collect_usage_pieces(context)
    lines = tuple(line.strip() for line in command.examples.strip().splitlines())
    statuses = (command.epilog or "").removeprefix("Exit status: ")
    return Program(name, " ".join(usage), summary, tuple(others), lines, groups, statuses)


def _option(parameter: click.Option) -> Option:
    names = (*parameter.opts, *parameter.secondary_opts)
    return Option(names, parameter.metavar or "", " ".join((parameter.help or "").split()))
