"""Write docs/cli.md, the reference of both commands' options: `make readme`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from commands import programs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from commands import Option, Program

PAGE = Path(__file__).resolve().parents[1] / "cli.md"
HEAD = """\
# Commands and their options

`make readme` writes this page from the commands. The same text is in `noisify --help` and
in the man pages, `man noisify` and `man noisify-compare`, which are installed with the package.
`noisify -h` shows the options that most runs need. In bash, zsh and fish,
`eval "$(noisify --completion bash)"` lets the Tab key complete options and their values.
"""


def reference() -> str:
    """Return the page in Markdown."""
    return HEAD + "".join(text for program in programs() for text in _program(program))


def _program(program: Program) -> Iterator[str]:
    yield f"\n## {program.name}\n\n    {program.name} {program.usage}\n\n{program.summary}\n"
    yield from (f"\n{paragraph}\n" for paragraph in program.description)
    for title, options in program.groups.items():
        yield f"\n### {program.name}: {title.lower()}\n\n| option | meaning |\n|---|---|\n"
        yield from (f"| {_names(option)} | {escaped(option.text)} |\n" for option in options)
    yield f"\n### {program.name}: examples\n\n"
    yield from (f"    {line}\n" for line in program.examples)
    yield f"\n### {program.name}: exit status\n\n{program.statuses}\n"


def _names(option: Option) -> str:
    value = f" {option.value}" if option.value else ""
    names = [f"`{name}`" for name in option.names[:-1]] + [f"`{option.names[-1]}{value}`"]
    return ", ".join(names).replace("|", "\\|")


def escaped(text: str) -> str:
    """Return text that Markdown shows as it is, with options set as code."""
    text = re.sub(r"([*|<\\\[\]])", r"\\\1", text)
    return re.sub(r"(?<!\S)(--[a-z][\w-]*)", r"`\1`", text)


if __name__ == "__main__":
    PAGE.write_text(reference(), encoding="utf-8", newline="\n")
