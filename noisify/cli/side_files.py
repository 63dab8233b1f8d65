"""Files that are written beside the outputs: reports, plots, lists and dependency files."""

from __future__ import annotations

import csv
import io
import re
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Self

from noisify.cli.output_names import in_folder
from noisify.core.errors import UsageError
from noisify.core.urls import is_url, local_name
from noisify.files.output import STANDARD_OUTPUT, naming, open_output
from noisify.files.write_behind import write_all
from noisify.noise import registry
from noisify.noise.level import DEFAULT
from noisify.noise.parameters import takes_level
from noisify.plan.words import AMOUNTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from noisify.cli.arguments import Arguments
    from noisify.cli.runs import Run
    from noisify.engine.report import RunReport
    from noisify.files.codecs import Compression
    from noisify.plan.plan import NoiseSpec

INDEX = "index.csv"
_COLUMNS = ("file", "model", "level", "replicate", "changed", "snr_db")
_LEVELS = (*AMOUNTS, "rate")
_SPECIAL = re.compile(r"\\*[ \t#:]|\$")


class SideFile:
    """A file that is committed once all outputs are complete, and discarded after an error.

    Args:
        path: The file.
        clobber: Whether an existing file may be replaced.
        compression: How to compress it, or None.

    Attributes:
        path: The file's path.
    """

    def __init__(self, path: str, *, clobber: bool, compression: Compression | None = None) -> None:
        self.path = path
        self._output = open_output(path, clobber=clobber, compression=compression)

    def __enter__(self) -> Self:
        """Open the file early, so that an unwritable one fails before the work."""
        self._output.__enter__()
        return self

    def add(self, reports: Sequence[RunReport]) -> None:
        """Add the reports of one input, where the file depends on them."""

    def write(self, content: bytes) -> None:
        """Write some bytes to the file."""
        with naming(self.path):
            write_all(self._output.file, content)

    def finish(self) -> None:
        """Write what is left to write after all outputs are complete."""

    def __exit__(self, *error: object) -> None:
        """Finish and commit the file on success, discard it after an error."""
        try:
            if error[0] is None:
                self.finish()
        except BaseException:  # a signal too must not leave a partial file
            self._output.discard()
            raise
        self._output.__exit__(*error)


class Index(SideFile):
    """Lists each output with its model, level and measured changes.

    `changed` counts the elements of all fields; `snr_db` is the mean of the fields' achieved
    signal-to-noise ratios. Each swept parameter has a column.

    Args:
        arguments: The command line, with a folder for the outputs.
        found: The runs.
    """

    def __init__(self, arguments: Arguments, found: Sequence[Run]) -> None:
        shard = arguments.shard
        name = INDEX if shard is None else f"index-{shard.number}-of-{shard.count}.csv"
        path = in_folder(arguments.output_dir or "", name)
        super().__init__(path, clobber=not arguments.no_clobber)
        self._found = found
        swept = [key for key in found[0].swept if key not in {"model", *_LEVELS}]
        self._columns = (*_COLUMNS, *(key for key in swept if key not in _COLUMNS))

    def __enter__(self) -> Self:
        """Open the file and write its header."""
        super().__enter__()
        self._write_row(self._columns)
        return self

    def add(self, reports: Sequence[RunReport]) -> None:
        """List the outputs of one input."""
        for report, variant in zip(reports, self._found, strict=True):
            ratios = [field.as_json().get("snr_db") for field in report.fields.values()]
            known = [ratio for ratio in ratios if ratio is not None]
            specs = variant.request.specs
            row = {
                **variant.swept,
                "file": Path(report.output).name,
                "model": " ".join(dict.fromkeys(spec.model for spec in specs)),
                "level": " ".join(dict.fromkeys(_level(spec) for spec in specs)),
                "replicate": variant.replicate or "",
                "changed": sum(field.changed for field in report.fields.values()),
                "snr_db": f"{sum(known) / len(known):.6g}" if known else "",
            }
            self._write_row([row[column] for column in self._columns])

    def _write_row(self, row: Sequence[object]) -> None:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerow(row)
        self.write(text.getvalue().encode("utf-8", "surrogateescape"))


def _level(spec: NoiseSpec) -> str:
    """Return a spec's level as written in a recipe, or its default, or an empty text."""
    for name in AMOUNTS:
        if (amount := getattr(spec, name)) is not None:
            return f"{amount:g}" if isinstance(amount, float) else str(amount)
    default = DEFAULT if takes_level(registry.find(spec.model).load()) else ""
    return str(next((spec.parameters[key] for key in _LEVELS if key in spec.parameters), default))


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
