"""The examples in README.md and docs/: where they are, and how they are run."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from run_command import clean_environment, run

ROOT = Path(__file__).resolve().parents[2]
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
}
FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PROMPT = "$ "
PLAIN = re.compile(
    r"(noisify(?:-compare)?)((?: +(?:[\w@%.,:=/+-]|'[^']*')+)*)(?: *\|(?!\|) *(.*))?", re.DOTALL
)
"""A command that needs no shell, and what its output is piped into."""


@dataclass(frozen=True)
class Block:
    """A fenced example: its page, its language, its text, and the line it starts on."""

    page: str
    language: str
    text: str
    line: int


BLOCKS = [
    Block(page, match[1], match[2], text.count("\n", 0, match.start()) + 2)
    for page, text in PAGES.items()
    for match in FENCE.finditer(text)
    if not match[1].startswith("{")  # a directive of MyST
]


def page_makefile(page):
    """Return the Makefile that a page shows."""
    rules = [block.text for block in BLOCKS if (block.page, block.language) == (page, "make")]
    return "\n".join(rules)


def copy_samples(folder):
    """Copy the sample files, not what a user has made beside them; return where they are."""
    samples = folder / "sample_data"
    samples.mkdir()
    table = (ROOT / "sample_data" / "README.md").read_text(encoding="utf-8")
    for name in re.findall(r"^\| `(.+?)` \|", table, re.MULTILINE):
        shutil.copy(ROOT / "sample_data" / name, samples)
    return samples


def environment_for(folder):
    """Return an environment in which `noisify` is this checkout's command.

    Args:
        folder: Where the programs are put.
    """
    programs = folder / "bin"
    programs.mkdir()
    python = f"#!/bin/sh\nexec {shlex.quote(sys.executable)}"
    compare = "-c 'from noisify.__main__ import compare; compare()'"
    for name, arguments in (("noisify", "-m noisify"), ("noisify-compare", compare)):
        command = programs / name
        command.write_text(f'{python} {arguments} "$@"\n')
        command.chmod(0o755)
    path = os.pathsep.join([str(programs), os.environ.get("PATH", os.defpath)])
    variables = clean_environment({"PATH": path, "LC_ALL": "C", "PYTHONUTF8": "1"})
    inherited = {"MAKEFLAGS", "MAKELEVEL", "MFLAGS"}  # make says more when it runs in another
    return {name: text for name, text in variables.items() if name not in inherited}


def commands_and_outputs(text):
    """Split a console example into (command, output) pairs."""
    pairs = re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]
    return [(first, rest) for first, _, rest in (pair.partition("\n") for pair in pairs)]


def run_command(command, environment):
    """Run a command and return what it prints: noisify in this process, all else in a shell."""
    plain = PLAIN.fullmatch(command)
    if plain is None or "noisify" in (plain[3] or "") or "--max-memory" in command:
        return in_shell(command, environment)
    done = run(*shlex.split(plain[2]), program=plain[1], variables={"LC_ALL": "C"})
    assert 0 == done.status, done.messages
    output = done.output.decode()
    return (in_shell(plain[3], environment, output) if plain[3] else output) + done.messages


def in_shell(command, environment, given=""):
    """Run a command in a shell and return what it prints."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],  # noqa: S607 - found on PATH
        env=environment,
        input=given.encode(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        timeout=60,
    )
    assert 0 == done.returncode, done.stdout.decode()
    return done.stdout.decode()
