"""The dependency file of `--depfile`: what each output was made of, as a rule that Make reads."""

from __future__ import annotations

import re
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from noisify.cli.side_file import SideFile
from noisify.core.errors import UsageError
from noisify.core.urls import is_url, local_name
from noisify.files.output import STANDARD_OUTPUT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from noisify.cli.arguments import Arguments

_SPECIAL = re.compile(r"\\*[ \t#:]|\$")


class Depfile(SideFile):
    """A dependency file, written once all outputs are complete.

    For each input it has a rule that names its outputs, the input and the recipe; if the input is a
    folder, also the files in it. Like GCC's -MP it adds an empty rule for each of these files, so
    that Make goes on if one was removed.

    Args:
        arguments: The command line.
        inputs: The inputs.
        outputs: For each input the names of its outputs.

    Raises:
        UsageError: If an output has no name, or a name cannot be written in a Makefile.
    """

    def __init__(
        self, arguments: Arguments, inputs: Sequence[str], outputs: Sequence[Sequence[str]]
    ) -> None:
        for name in chain.from_iterable(outputs):
            if name == STANDARD_OUTPUT or is_url(name):
                raise UsageError("--depfile is for outputs that are files; name one with -o FILE")
        recipe = [] if arguments.recipe is None else _read(arguments.recipe)
        pairs = zip(inputs, outputs, strict=True)
        rules = _rules([(names, [*_read(source), *recipe]) for source, names in pairs])
        self._content = rules.encode("utf-8", "surrogateescape")
        super().__init__(arguments.depfile or "", clobber=not arguments.no_clobber)

    def finish(self) -> None:
        """Write the rules."""
        self.write(self._content)


def _read(source: str) -> list[str]:
    """Return the files that are read for an input: none for a URL, which Make does not know."""
    if source == STANDARD_OUTPUT or is_url(source):
        return []
    path = local_name(source)
    inside = Path(path).rglob("*") if Path(path).is_dir() else ()
    return [path, *sorted(map(str, inside))]


def _rules(made: Sequence[tuple[Sequence[str], Sequence[str]]]) -> str:
    """Return the rules for outputs and what each was made of."""
    rules = [f"{' '.join(map(_target, names))}: {' '.join(map(_name, of))}" for names, of in made]
    every = dict.fromkeys(name for _, of in made for name in of)
    return "".join(f"{rule.rstrip()}\n" for rule in rules) + "".join(
        f"\n{_target(name)}:\n" for name in every
    )


def _target(path: str) -> str:
    """Return a file's name as the target of a rule, where % would make a pattern."""
    return _name(path).replace("%", "\\%")


def _name(path: str) -> str:
    r"""Return a file's name as a prerequisite of a rule.

    >>> print(_name("a b#1$.csv"))
    a\ b\#1$$.csv
    """
    if "\n" in path:
        raise UsageError("a Makefile cannot name a file with a line end", path=path)

    def escaped(match: re.Match[str]) -> str:
        slashes, character = match[0][:-1], match[0][-1]
        return "$$" if character == "$" else f"{slashes * 2}\\{character}"

    return _SPECIAL.sub(escaped, path)
