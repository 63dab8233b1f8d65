"""Write a page and a picture for each model, and the table of all: `make readme`."""

from __future__ import annotations

import inspect
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from cli_reference import escaped
from model_pictures import PICTURES

from noisify.cli.explain import shown_default, summary
from noisify.noise import registry
from noisify.noise.parameters import parameters_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from model_pictures import Picture

    from noisify.noise.model import Model
    from noisify.noise.registry import ModelEntry

DOCS = Path(__file__).resolve().parents[1]
TABLE = re.compile(r"\| model \|[^\n]*\n\|---[^\n]*\n(?:\|[^\n]*\n)+")
TABLE_HEAD = "| model | family | also called | what it is |\n|---|---|---|---|\n"


def files(run: Callable[[str], str]) -> dict[str, str]:
    """Return the text of every file that is written, by its path in docs/.

    Args:
        run: Returns what a command prints.
    """
    pictures = {str(picture.model): picture for picture in PICTURES}
    written = {}
    for entry in registry.MODELS:
        picture = pictures[entry.name]
        written[f"models/{entry.name}.md"] = "".join(_page(entry, picture, run))
        written[f"models/{entry.name}.svg"] = picture.svg()
    page = (DOCS / "models.md").read_text(encoding="utf-8")
    written["models.md"] = TABLE.sub(lambda _: model_table(), page)
    return written


def model_table() -> str:
    """Return the table in Markdown, a line a model."""
    lines = []
    for entry in registry.MODELS:
        model = entry.load()
        aliases = ", ".join(f"`{alias}`" for alias in entry.aliases)
        link = f"[`{entry.name}`](models/{entry.name}.md)"
        cells = (link, model.family, aliases, escaped(summary(model)))
        lines.append("| " + " | ".join(cells).replace("|  |", "| |") + " |\n")
    return TABLE_HEAD + "".join(lines)


def _page(entry: ModelEntry, picture: Picture, run: Callable[[str], str]) -> Iterator[str]:
    model = entry.load()
    aliases = "".join(f", also called `{alias}`" for alias in entry.aliases)
    yield f"# {entry.name}\n\nA model of the family *{model.family}*{aliases}.\n"
    yield from (f"\n{escaped(text)}\n" for text in _paragraphs(model))
    yield f"\n![Before and after {entry.name} noise]({entry.name}.svg)\n"
    yield f"\nThe picture is drawn with `{f'-d {entry.name} {picture.options}'.rstrip()}`.\n"
    declared = parameters_of(model)
    short = {"scale": "`-s` sets `scale`", "rate": "`--rate` sets `rate`"}
    words = ["`-p KEY=VALUE` sets one", *(text for name, text in short.items() if name in declared)]
    yield f"\n## Parameters\n\n{', '.join(words)}.\n"
    yield "\n| parameter | meaning | default |\n|---|---|---|\n"
    for name, parameter in declared.items():
        given = parameter.default is not None and not parameter.required
        default = f"`{shown_default(parameter.default)}`".replace("|", "\\|") if given else ""
        default = "must be given" if parameter.required else default
        yield f"| `{name}` | {escaped(parameter.help)} | {default} |\n".replace("|  |", "| |")
    takes = ", ".join(sorted(model.takes)) or "whole rows"
    yield f"\nWorks on: {takes}.\n\n## Example\n\n"
    yield f"    noisify data.csv -d {entry.name} {model.example} --seed 42 > noisy.csv\n"
    command = _example(picture, model)
    yield f"\nIn `sample_data/`:\n\n```console\n$ {command}\n{run(command)}```\n"
    yield f"\nIn Python: `noisify.models.{entry.class_name}`. [All models](../models.md)\n"


def _example(picture: Picture, model: type[Model]) -> str:
    """Return a command that does to a sample file what the picture shows, to more of it."""
    options = re.sub(r"--rate \d+%", "--rate 40%", picture.options)
    options = options.replace("setosa", "ok").replace("virginica", "offline")
    if model.name == "mojibake":  # the sample file has nothing to garble
        return f"printf 'name\\nZoë\\nÉmile\\nJörg\\n' | noisify -d mojibake {options} --seed 42"
    if not model.takes:
        return f"noisify sensors.csv -d {model.name} {options} --seed 42 | wc -l"
    text = "time" if model.family == "time" else "status"
    number = "temperature" if "float" in model.takes and model.family != "counting" else "count"
    number = "temperature,humidity" if model.name in {"correlated", "swap-fields"} else number
    fields = number if "int" in model.takes and model.family != "labels" else text
    options = f"-c {fields} -d {model.name} {options}".rstrip()
    return f"noisify sensors.csv {options} --seed 42 --dry-run | tail -6"


def output(command: str) -> str:
    """Return what a command prints in sample_data/, with this noisify and no settings.

    Raises:
        CalledProcessError: If it fails.
    """
    line = command.replace("noisify ", f"{shlex.quote(sys.executable)} -m noisify ", 1)
    settings = {name: text for name, text in os.environ.items() if not name.startswith("NOISIFY_")}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", line],  # noqa: S607 - found on PATH
        cwd=DOCS.parent / "sample_data",
        env={**settings, "PYTHONPATH": str(DOCS.parent)},
        stdout=subprocess.PIPE,
        check=True,
    )
    return done.stdout.decode()


def _paragraphs(model: type[Model]) -> list[str]:
    """Return the paragraphs of a model's docstring, each on a line."""
    text = inspect.getdoc(model) or ""
    return [" ".join(paragraph.split()) for paragraph in text.split("\n\n")]


if __name__ == "__main__":
    (DOCS / "models").mkdir(exist_ok=True)
    for name, text in files(output).items():
        (DOCS / name).write_text(text, encoding="utf-8", newline="\n")
