"""Every option of both commands is in help, in the reference, in the man page and in completion."""

from pathlib import Path

import cli_reference
import man_pages
import pytest
from commands import programs
from run_command import run

DOCS = Path(__file__).resolve().parents[2] / "docs"
NAMES = [
    pytest.param(program.name, name, id=f"{program.name} {name}")
    for program in programs()
    for options in program.groups.values()
    for option in options
    for name in option.names
]


def completed(program, *words):
    """Return what bash is offered for the last of some words."""
    variables = {
        f"_{program.replace('-', '_')}_COMPLETE".upper(): "bash_complete",
        "COMP_WORDS": " ".join([program, *words]),
        "COMP_CWORD": str(len(words)),
    }
    done = run(program=program, variables=variables)
    assert (0, "") == (done.status, done.messages)
    return [line.partition(",")[2] for line in done.output.decode().splitlines()]


@pytest.fixture(scope="module")
def helped():
    return {
        program.name: run("--help", program=program.name).output.decode() for program in programs()
    }


@pytest.mark.parametrize(("program", "name"), NAMES)
def test_an_option_is_in_help_reference_man_page_and_completion(program, name, helped):
    section = cli_reference.PAGE.read_text(encoding="utf-8").split(f"\n## {program}\n")[1]
    reference = section.split("\n## ")[0]
    manual = (man_pages.FOLDER / f"{program}.1").read_text(encoding="utf-8")

    assert any(name in line.replace(",", "").split() for line in helped[program].splitlines())
    assert f"`{name}" in reference
    assert f"\\fB{man_pages.roff(name)}\\fR" in manual
    assert name in completed(program, name)


def test_the_reference_is_current():
    assert cli_reference.reference() == cli_reference.PAGE.read_text(encoding="utf-8")


def test_the_man_pages_are_current():
    there = {path.name: path.read_text("utf-8") for path in sorted(man_pages.FOLDER.iterdir())}

    assert man_pages.pages() == there


def test_help_of_both_commands_fits_a_hundred_columns(helped):
    assert max(len(line) for text in helped.values() for line in text.splitlines()) <= 100
    assert "\\b" not in helped["noisify-compare"]


def test_what_follows_options_of_noisify_compare_is_completed():
    clean = str(DOCS.parent / "sample_data" / "sensors.csv")

    assert ["temperature"] == completed("noisify-compare", clean, clean, "--only", "te")
    assert ["arrow"] == completed("noisify-compare", clean, clean, "--from", "ar")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_one_script_completes_both_commands(shell):
    script = run("--completion", shell).output.decode()

    assert "_NOISIFY_COMPLETE" in script
    assert "_NOISIFY_COMPARE_COMPLETE" in script
