"""Name the outputs, and check that they differ from each other and from the inputs."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from noisify import formats
from noisify.core import urls
from noisify.core.errors import UsageError, exists_error
from noisify.files.codecs import inner_suffix, split_name
from noisify.files.output import STANDARD_OUTPUT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from noisify.cli.arguments import Arguments
    from noisify.cli.runs import Run


def targets(inputs: Sequence[str], found: Sequence[Run], arguments: Arguments) -> list[list[str]]:
    """Return the names of each input's outputs, one for each run; nothing is written yet.

    Raises:
        UsageError: If no output is given, several options give one, or two outputs are the same.
    """
    options = {"output": "-o", "output_dir": "--output-dir", "in_place": "--in-place"}
    said = [option for name, option in options.items() if getattr(arguments, name)]
    if len(said) > 1:
        raise UsageError(f"the output is given twice, by {' and '.join(said)}; keep one")
    if arguments.name_template is not None and not arguments.output_dir:
        raise UsageError(
            "--name is for the files of --output-dir DIR; add it, or name FILE with -o"
        )
    if len(found) > 1 and not arguments.output_dir:
        raise UsageError(f"{len(found)} outputs need --output-dir DIR")
    if arguments.in_place:
        if STANDARD_OUTPUT in inputs:
            raise UsageError("--in-place needs files, not standard input")
        if arguments.no_clobber:
            raise UsageError("--in-place and --no-clobber contradict each other")
        _check_distinct(inputs)
        return [[path] for path in inputs]
    if arguments.output_dir is not None:
        return _named_outputs(inputs, found, arguments, arguments.output_dir)
    if len(inputs) > 1:
        raise UsageError(
            f"{len(inputs)} inputs need --output-dir DIR or --in-place (an output is named with -o)"
        )
    return [[arguments.output or STANDARD_OUTPUT]]


def _named_outputs(
    inputs: Sequence[str], found: Sequence[Run], arguments: Arguments, folder: str
) -> list[list[str]]:
    template = arguments.name_template
    if template is None:
        template = default_template(found)
    taken: dict[str, str] = {}
    names: list[list[str]] = []
    for path in inputs:
        if path == STANDARD_OUTPUT:
            raise UsageError("--output-dir needs named files, not standard input")
        names.append([])
        for variant in found:
            name = _fill(template, _words(path, variant, arguments.to_format))
            target = in_folder(folder, name)
            if name in {"", ".", ".."} or os.sep in name:
                raise UsageError(f"--name {template!r} does not make a file name: {name!r}")
            if target in taken:
                both = f"{path} and {taken[target]}" if path != taken[target] else "two outputs"
                raise UsageError(f"{both} would both become {target}; see --name")
            taken[target] = path
            names[-1].append(target)
    if urls.is_url(folder):
        for target in taken.keys() & set(inputs):
            raise _input_too(target)
        return names
    if Path(folder).exists() and not Path(folder).is_dir():
        raise UsageError("is a file; the outputs need a folder", path=folder)
    clobber = not arguments.no_clobber or arguments.resume  # finished outputs exist, and stay
    _check_taken(list(taken), inputs, clobber=clobber)
    _check_links(Path(folder), list(taken))
    return names


def in_folder(folder: str, name: str) -> str:
    """Return the path or URL of a file in a folder."""
    return urls.joined(folder, name) if urls.is_url(folder) else str(Path(folder) / name)


def _check_taken(found: Sequence[str], inputs: Sequence[str], *, clobber: bool) -> None:
    """Refuse outputs that are inputs, or that exist with --no-clobber."""
    known = {identity(path) for path in inputs} - {None}
    for target in found:
        there = identity(target)
        if there in known:
            raise _input_too(target)
        if not clobber and there is not None:
            raise exists_error(target)


def _input_too(target: str) -> UsageError:
    return UsageError(f"{target} is an input too; choose another --output-dir or --name")


def _check_links(folder: Path, found: Sequence[str]) -> None:
    """Refuse outputs whose links lead out of their folder or to the same file.

    Raises:
        UsageError: If there is one.
    """
    inside = Path(os.path.realpath(folder))
    known: dict[object, str] = {}
    for target in found:
        real = str(inside / Path(target).name)
        if Path(target).is_symlink():
            real = os.path.realpath(target)
            if not Path(real).is_relative_to(inside):
                raise UsageError(
                    f"is a link that leads out of {folder}; remove it, or choose another name",
                    path=target,
                )
        other = known.setdefault(identity(target) or real, target)
        if other != target:
            raise UsageError(f"is {other} too, by a link; remove one of them", path=target)


def _check_distinct(inputs: Sequence[str]) -> None:
    """Refuse an input that is given twice and would be replaced twice."""
    known: dict[object, str] = {}
    for path in inputs:
        here: object = path if urls.is_url(path) else identity(path)
        if here in known:
            again = "is given twice" if known[here] == path else f"is {known[here]} too"
            raise UsageError(f"{again}; --in-place replaces each file once", path=path)
        if here is not None:
            known[here] = path


def identity(path: str) -> tuple[int, int] | None:
    """Return the identity of a file, equal for all its paths, or None if it does not exist."""
    try:
        found = None if urls.is_url(path) else Path(path).stat()
    except OSError:
        return None
    return None if found is None else (found.st_dev, found.st_ino)


def default_template(found: Sequence[Run]) -> str:
    """Return the default template: the input's name, the swept values and the replicate."""
    swept = "".join(f"_{key}-{{{key}}}" for key in found[0].swept)
    replicate = "_{replicate}" if found[0].replicate is not None else ""
    return f"{{stem}}{swept}{replicate}{{suffix}}"


def _words(path: str, variant: Run, to_format: str | None) -> dict[str, object]:
    specs = variant.request.specs
    models = "-".join(dict.fromkeys(spec.model for spec in specs))
    stem, suffix = split_name(path)
    words: dict[str, object] = {
        "stem": stem,
        "suffix": _suffix_of(suffix, to_format),
        "seed": variant.request.seed,
        "model": models,
    }
    if variant.replicate is not None:
        words["replicate"] = variant.replicate
    return {**words, **variant.swept}


def _suffix_of(suffix: str, to_format: str | None) -> str:
    """Return the suffix of an output: the input's, or the suffix of the format of `--to`."""
    if to_format is None:
        return suffix
    wanted, inner = formats.find(to_format), inner_suffix(f"x{suffix}")
    return suffix if inner in wanted.suffixes else wanted.suffixes[0] + suffix[len(inner) :]


def _fill(template: str, words: Mapping[str, object]) -> str:
    """Fill in the {names} of a template.

    Raises:
        UsageError: If any other brace is left.
    """
    pattern = "|".join(re.escape(f"{{{word}}}") for word in words)
    if re.search(r"[{}]", re.sub(pattern, "", template)):
        offered = " ".join(f"{{{word}}}" for word in words)
        raise UsageError(f"--name {template!r} may use {offered} only")
    return re.sub(pattern, lambda match: str(words[match[0][1:-1]]), template)


def check_apart(
    arguments: Arguments, inputs: Sequence[str], outputs: Iterable[str], index: str | None
) -> None:
    """Refuse a file that would be written twice or overwrite one that is read.

    `targets` checks outputs that replace inputs, since --in-place allows them.

    Raises:
        UsageError: If there is one.
    """
    recipe = None if arguments.recipe is None else _named(arguments.recipe)
    files = ("mask", "report", "plot", "depfile")
    others = {"the list": index, **{f"--{name}": getattr(arguments, name) for name in files}}
    if recipe is None and not any(others.values()):
        return
    taken: dict[object, str] = {}
    for path in outputs:
        place = _named(path)
        if recipe == place:
            raise UsageError(f"{path} is the recipe too; give the output another name")
        taken[place] = "an output"
    taken |= {_named(path): "an input" for path in inputs}
    taken |= {recipe: "the recipe"}
    for option, name in others.items():
        if name is None:
            continue
        other = taken.setdefault(_named(name), option)
        if other != option:
            raise UsageError(f"{option} {name} is {_also(other)} too; give another name")


def _also(other: str) -> str:
    return f"the {other.removeprefix('--')}" if other.startswith("--") else other


def _named(path: str) -> object:
    """Return the identity of a file, equal for all its paths; for a new file, its full path."""
    as_typed = path == STANDARD_OUTPUT or urls.is_url(path)
    return path if as_typed else identity(path) or os.path.realpath(path)
