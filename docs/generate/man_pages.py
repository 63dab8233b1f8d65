"""Write docs/man/noisify.1 and noisify-compare.1, the man pages of both commands: `make readme`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from commands import programs

from noisify.cli.explain import summary
from noisify.core.version import VERSION
from noisify.noise import registry
from noisify.plan import presets

if TYPE_CHECKING:
    from collections.abc import Iterator

    from commands import Option, Program

FOLDER = Path(__file__).resolve().parents[1] / "man"
LEVELS = (
    ("0.5", "0.5, in the field's unit"),
    ("5%", "5% of each value's magnitude"),
    ("0.1sd", "a tenth of the standard deviation of the whole field"),
    ("0.2iqr", "a fifth of its interquartile range"),
    ("1%range", "a hundredth of its range, largest less smallest"),
    (
        "@flux_err",
        "the magnitude of another field's value in the same row; 0.5@flux_err: half of it",
    ),
    ("90s", "for times: ms, s, min, h, d, w"),
)
VARIABLES = (
    ("NOISIFY_SEED", "the seed, where --seed is not given"),
    ("NOISIFY_JOBS", "the number of workers, where --jobs is not given"),
    ("NOISIFY_SHARD", "the part to make, where --shard is not given"),
    ("NOISIFY_PURE", "1: do without the compiled parts; the output is the same"),
    ("NO_COLOR", "anything: no colours in --preview"),
    ("NOISIFY_TRACEBACK", "1: show where in the code an unexpected error arose"),
)
SEE = {"noisify": "noisify-compare", "noisify-compare": "noisify"}


def pages() -> dict[str, str]:
    """Return the text of each page by its file name."""
    return {f"{program.name}.1": "".join(_page(program)) for program in programs()}


def _page(program: Program) -> Iterator[str]:
    yield f'.TH {program.name.upper()} 1 "" "noisify {VERSION}" "User Commands"\n'
    yield f".SH NAME\n{roff(program.name)} \\- {roff(program.summary.rstrip('.'))}\n"
    yield f".SH SYNOPSIS\n.B {roff(program.name)}\n{roff(program.usage)}\n"
    yield f".SH DESCRIPTION\n{roff(program.summary)}\n"
    yield from (f".PP\n{roff(paragraph)}\n" for paragraph in program.description)
    yield ".SH OPTIONS\n"
    for title, options in program.groups.items():
        yield f".SS {title}\n"
        yield from (_entry(_names(option), option.text) for option in options)
    if program.name == "noisify":
        yield from _words()
    yield ".SH EXIT STATUS\n" + roff(program.statuses) + "\n"
    yield ".SH EXAMPLES\n.nf\n" + "".join(f"{roff(line)}\n" for line in program.examples) + ".fi\n"
    yield f".SH SEE ALSO\n.BR {roff(SEE[program.name])} (1)\n"


def _words() -> Iterator[str]:
    """Yield the sections on the words that options take."""
    yield ".SH LEVELS\n" + "".join(_entry(_bold(level), text) for level, text in LEVELS)
    yield ".SH KINDS OF NOISE\n.B noisify \\-\\-explain MODEL\ntells more of one.\n"
    for entry in registry.MODELS:
        yield _entry(", ".join(map(_bold, (entry.name, *entry.aliases))), summary(entry.load()))
    yield ".SH PRESETS\n"
    yield from (_entry(_bold(preset.name), preset.title) for preset in presets.PRESETS)
    yield ".SH ENVIRONMENT\n" + "".join(_entry(_bold(name), text) for name, text in VARIABLES)


def _names(option: Option) -> str:
    value = f" \\fI{roff(option.value)}\\fR" if option.value else ""
    return ", ".join(map(_bold, option.names)) + value


def _bold(text: str) -> str:
    return f"\\fB{roff(text)}\\fR"


def _entry(title: str, text: str) -> str:
    return f".TP\n{title}\n{roff(text)}\n"


def roff(text: str) -> str:
    r"""Return text as roff prints it: `-` is a minus, which can be searched for and copied."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("…", "\\&...")
    return f"\\&{text}" if text.startswith((".", "'")) else text


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, text in pages().items():
        (FOLDER / name).write_text(text, encoding="utf-8", newline="\n")
