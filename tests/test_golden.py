"""Test that the command makes the same files on every machine: those that are kept here."""

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from run_command import run

from noisify.core.native import PURE
from noisify.noise import registry

FOLDER = Path(__file__).parent / "golden"
MAKE = runpy.run_path(str(FOLDER / "make_golden.py"))
CASES = MAKE["CASES"]


@pytest.mark.parametrize("pure", ["", "1"], ids=["compiled", "pure"])
@pytest.mark.parametrize("case", CASES)
def test_the_command_makes_the_golden_file(case, pure):
    done = run(FOLDER / "table.csv", *MAKE["arguments"](case), variables={PURE: pure})
    assert 0 == done.status, done.messages
    assert (FOLDER / f"{case}.csv").read_bytes() == done.output


def test_every_model_has_a_golden_file():
    models = {entry.name for entry in registry.MODELS}
    assert models <= set(CASES)
    assert {path.stem for path in FOLDER.glob("*.csv")} == {*CASES, "table"}


@pytest.mark.parametrize("case", [case for case in CASES if case != "rounding"])
def test_a_golden_file_has_noise(case):
    assert (FOLDER / f"{case}.csv").read_bytes() != (FOLDER / "table.csv").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("pure", ["", "1"], ids=["compiled", "pure"])
def test_the_digests_of_many_rows_and_all_formats_are_those_kept(pure):
    variables = {**os.environ, PURE: pure}
    command = [sys.executable, FOLDER / "digests.py"]
    done = subprocess.run(command, env=variables, check=True, stdout=subprocess.PIPE)
    assert json.loads((FOLDER / "digests.json").read_text("utf-8")) == json.loads(done.stdout)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("swap-bits", "bit-flip"),
        ("flip", "label-flip"),
        ("jitter", "timing-jitter"),
        ("time-swap", "day-month-swap"),
    ],
)
def test_an_old_name_makes_the_noise_of_the_new_one(old, new):
    arguments = [old if argument == new else argument for argument in MAKE["arguments"](new)]
    done = run(FOLDER / "table.csv", *arguments)
    assert (FOLDER / f"{new}.csv").read_bytes() == done.output
