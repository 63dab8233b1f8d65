"""Shell completion of models, presets, formats, parameters and the fields of a file."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from run_command import run, run_process

SAMPLES = Path(__file__).parents[2] / "sample_data"


def offered(*words):
    """Return what bash is offered for the last of some words."""
    given = {
        "_NOISIFY_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(["noisify", *words]),
        "COMP_CWORD": str(len(words)),
    }
    done = run(variables=given)
    assert (0, "") == (done.status, done.messages)
    lines = done.output.decode().splitlines()
    return [line.partition(",")[2] for line in lines if line.startswith("plain,")]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["-d", "lapl"], ["laplace", "laplace-mechanism"]),
        (["--explain", "cau"], ["cauchy"]),
        (["--preset", "imagenet-c-sh"], ["imagenet-c-shot"]),
        (["--to", "ar"], ["arrow"]),
        (["-d", "student-t", "-p", "d"], ["df="]),
        (["--noise", "x=pin"], ["x=pink"]),
        (["--sweep", "sn"], ["snr="]),
        (["--list-f"], ["--list-fields"]),
        (["--rng", "numpy-"], ["numpy-legacy"]),
        (["--decimals", "k"], []),
        (["--engine", ""], ["local", "dask"]),
        (["--ragged", "k"], ["keep"]),
        (["--completion", "z"], ["zsh"]),
    ],
)
def test_words_are_offered(words, expected):
    assert expected == offered(*words)


@pytest.mark.parametrize("name", ["sensors.csv", "sensors.parquet"])
def test_fields_of_the_file_named_before_are_offered(name):
    assert ["temperature"] == offered(str(SAMPLES / name), "-c", "te")
    assert ["count,humidity"] == offered(str(SAMPLES / name), "-c", "count,hu")
    assert ["humidity="] == offered(str(SAMPLES / name), "--noise", "hu")


def test_datasets_are_offered():
    flux = ["entry/data/flux", "entry/data/flux_err"]
    assert flux == offered(str(SAMPLES / "survey.h5"), "--exclude", "entry/data/f")


@pytest.mark.parametrize("content", [b"", b"PAR1", b"\x00" * 100, b"PAR1\xff\xff\xff\x7fPAR1"])
@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".npz", ".h5"])
def test_a_broken_file_offers_nothing(tmp_path, content, suffix):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    assert all("temp" not in word for word in offered(str(path), "-c", "temp"))


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_is_printed_for_each_shell(shell):
    done = run("--completion", shell)
    assert 0 == done.status
    assert "_NOISIFY_COMPLETE" in done.output.decode()


def test_another_shell_is_refused():
    assert "no shell is called 'csh'" in run("--completion", "csh").messages


def test_the_script_is_one_that_bash_reads(tmp_path):
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("needs bash")
    script = tmp_path / "completion"
    script.write_bytes(run("--completion", "bash").output)
    subprocess.run([bash, "-n", script], check=True)


def test_completing_a_model_imports_no_numpy():
    code = (
        "import sys; from noisify.cli import completion; import click;"
        "completion.candidates('model', click.Context(click.Command('n')), 'n');"
        "sys.exit('numpy' in sys.modules)"
    )
    assert 0 == subprocess.run([sys.executable, "-c", code], check=False).returncode


def test_short_help_fits_a_screen():
    done = run_process("-h")
    lines = done.output.decode().splitlines()
    assert 0 == done.status
    assert 12 < len(lines) <= 25
    assert max(map(len, lines)) <= 100
    assert "--help shows all" in done.output.decode()
