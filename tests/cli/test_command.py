"""The command: help, options, messages and refusals."""

from __future__ import annotations

import importlib.metadata
import json
import os
import pty
import re
import select
import shlex
import subprocess
import time
from typing import TYPE_CHECKING

import click
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from run_command import COMMAND, clean_environment, noisy, normal_noise, run, run_process

from noisify.cli.command import noisify as command
from noisify.files.input import HEAD_BYTES
from noisify.noise.registry import MODELS
from noisify.streams import limits

if TYPE_CHECKING:
    from pathlib import Path

TABLE = b"x,y,name\n0.5,1.5,a\n2.5,,b\n"
OPTIONS = [option for option in command.params if isinstance(option, click.Option)]
GROUPS = ["Noise", "Fields", "Output", "Batch", "Input", "Run", "Info"]
MODEL_NAMES = [entry.name for entry in MODELS]
MIXED = "device,income,spending,species,birthday,name,first_name,surname,count\n" + "".join(
    f"d{i % 3},{1000 + i * 37 % 501}.5,{i * 53 % 401}.25,{('setosa', 'virginica')[i % 2]},"
    f"199{i % 10}-0{1 + i % 9}-0{1 + i % 7},Zoé Brown{i},Zoé,Brown{i},{i % 50}\n"
    for i in range(600)
)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "data.csv"
    path.write_bytes(TABLE)
    return path


def section(title: str) -> str:
    """Return one section of the help."""
    after = run("--help").output.decode().split(f"\n{title}:\n", 1)[1]
    return re.split(r"\n\n", after, maxsplit=1)[0]


def test_help_leads_with_examples() -> None:
    done = run("--help")

    assert (0, "") == (done.status, done.messages)
    start = done.output.decode().splitlines()[:4]
    assert ["Usage: noisify [OPTIONS] [INPUT]...", "", "Examples:"] == start[:3]
    assert start[3].startswith("  noisify data.csv ")


def test_help_ends_with_the_exit_statuses() -> None:
    last = run("--help").output.decode().rstrip().splitlines()[-1]

    assert "0 done, 1 failed, 2 usage, 3 bad data, 130 interrupted, 141 closed pipe" in last


def test_help_has_a_heading_for_each_group_in_order() -> None:
    headings = re.findall(r"^(\w+):$", run("--help").output.decode(), re.MULTILINE)

    assert ["Examples", *GROUPS] == headings


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.opts[-1])
def test_help_lists_every_option_in_its_group_with_a_help_text(option: click.Option) -> None:
    group = section(getattr(option, "group", "Info"))

    assert option.help
    for name in (*option.opts, *option.secondary_opts):
        assert re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", group)
    assert option.help.split()[0] in group


@pytest.mark.parametrize(
    "line", [line for line in command.examples.splitlines() if line], ids=lambda line: line[:40]
)
def test_the_examples_in_the_help_name_options_that_exist(line: str) -> None:
    known = {name for option in OPTIONS for name in option.opts}
    words = line.split("noisify ", 1)[1].split("|", 1)[0].split()

    assert {word for word in words if re.match("--?[a-z]", word)} <= known


def test_help_fits_a_terminal_100_wide() -> None:
    assert max(map(len, run("--help").output.decode().splitlines())) <= 100


def test_help_and_usage_errors_import_no_numeric_library() -> None:
    script = (
        "import sys; from noisify.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "heavy = {'pandas', 'pyarrow', 'h5py', 'numpy'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [COMMAND[0], "-c", script, "--help"], capture_output=True, check=True, text=True
    )

    assert done.stderr == "[]\n"


def test_version() -> None:
    version = importlib.metadata.version("noisify-cli")

    done = run("--version", variables={"NOISIFY_PURE": "1"})
    assert f"noisify {version} (pure Python)\n" == done.output.decode()


def test_python_minus_m_is_the_same_command() -> None:
    assert run("--help").output == run_process("--help").output


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_list_models_lists_every_model(name: str) -> None:
    lines = run("--list-models").output.decode().splitlines()

    assert sum(bool(re.match(rf"  {name}(?:,.*)?  +\S", line)) for line in lines) == 1


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_explain_shows_parameters_and_an_example_that_works(name: str, tmp_path: Path) -> None:
    done = run("--explain", name)

    table = tmp_path / "data.csv"
    table.write_text(MIXED, "utf-8")
    page = done.output.decode()
    command = page.split("Example:\n", 1)[1].partition(">")[0]
    assert (0, "") == (done.status, done.messages)
    assert page.startswith(name)
    assert "Works on: " in page
    arguments = [str(table) if word == "data.csv" else word for word in shlex.split(command)[1:]]
    done = run(*arguments)
    assert done.status == 0
    assert all("nothing changed" in line for line in done.lines)
    assert MIXED.encode() != done.output


@pytest.mark.parametrize(
    ("alias", "name"), [("gaussian", "normal"), ("t", "student-t"), ("LAPLACE", "laplace")]
)
def test_models_have_aliases(alias: str, name: str) -> None:
    assert noisy("-d", name, "-s", 1, given=TABLE) == noisy("-d", alias, "-s", 1, given=TABLE)


# The seed and the environment.


def test_without_a_seed_a_new_one_is_printed_and_repeats_the_run() -> None:
    first = run("-s", 1, given=TABLE)
    second = run("-s", 1, given=TABLE)

    seed = first.messages.removeprefix("noisify: seed ").strip()
    assert re.fullmatch(r"noisify: seed \d+\n", first.messages)
    assert first.output != second.output
    assert first.output == noisy("-s", 1, "--seed", seed, given=TABLE)


def test_a_seed_is_decimal_or_hexadecimal() -> None:
    assert noisy("-s", 1, "--seed", 255, given=TABLE) == noisy(
        "-s", 1, "--seed", "0xFF", given=TABLE
    )


def test_a_new_seed_has_53_bits() -> None:
    found = [limits.new_seed() for _ in range(200)]
    assert 53 == max(found).bit_length()
    assert 200 == len(set(found))


def test_a_new_seed_is_printed_once_for_several_inputs(folder: Path) -> None:
    options = ("--output-dir", folder / "out", "-s", 1, "-v", "--report", folder / "report.json")
    done = run(*sorted(folder.iterdir()), *options)
    seed = json.loads((folder / "report.json").read_text())[0]["seed"]
    assert 1 == done.messages.count(str(seed))
    assert f"noisify: seed {seed}" == done.lines[-1]


@pytest.mark.parametrize(
    ("options", "printed"),
    [
        pytest.param((), False, id="plain"),
        pytest.param(("-v",), True, id="verbose"),
        pytest.param(("--report", "report.json"), True, id="report"),
        pytest.param(("-q",), False, id="quiet"),
    ],
)
def test_the_new_seed_of_a_privacy_model_is_printed_only_on_demand(
    table: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...],
    printed: bool,  # noqa: FBT001
) -> None:
    monkeypatch.chdir(table.parent)
    noise = ("-d", "laplace-mechanism", "-p", "sensitivity=1", "-p", "epsilon=1")
    done = run(table, "-o", "out.csv", *noise, *options)
    assert (0, printed) == (done.status, "seed" in done.messages)


@pytest.mark.parametrize("seed", [0, 2**128 - 1])
def test_seeds_have_128_bits(seed: int) -> None:
    assert run("-s", 1, "--seed", seed, given=TABLE).status == 0


def test_the_environment_gives_the_seed() -> None:
    done = run("-s", 1, given=TABLE, variables={"NOISIFY_SEED": "7"})

    assert (noisy("-s", 1, "--seed", 7, given=TABLE), "") == (done.output, done.messages)


def test_the_flag_goes_before_the_environment() -> None:
    done = run("-s", 1, "--seed", 8, given=TABLE, variables={"NOISIFY_SEED": "7"})

    assert noisy("-s", 1, "--seed", 8, given=TABLE) == done.output


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("NOISIFY_SEED", "many"),
        ("NOISIFY_SEED", "-1"),
        ("NOISIFY_JOBS", "0"),
        ("NOISIFY_JOBS", "x"),
    ],
)
def test_a_bad_value_in_the_environment_is_refused(variable: str, value: str) -> None:
    done = run("-s", 1, given=TABLE, variables={variable: value})

    assert (2, b"", 1) == (done.status, done.output, len(done.lines))
    assert value in done.messages


def test_the_environment_gives_the_jobs_unless_the_flag_does() -> None:
    by_flag = run("-s", 1, "--seed", 1, "--jobs", 2, given=TABLE, variables={"NOISIFY_JOBS": "0"})
    by_variable = run("-s", 1, "--seed", 1, given=TABLE, variables={"NOISIFY_JOBS": "2"})

    assert (0, by_variable.output) == (by_flag.status, by_flag.output)


# Several inputs.


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.csv", "b.tsv"):
        (tmp_path / name).write_text("x\n0.5\n")
    pq.write_table(pa.table({"x": [0.5]}), tmp_path / "c.parquet")
    return tmp_path


def test_several_inputs_go_to_a_folder(folder: Path) -> None:
    inputs = sorted(folder.iterdir())

    options = ("-s", 1, "--seed", 1, "--same-noise")
    done = run(*inputs, "--output-dir", folder / "new" / "noisy", *options)

    expected = 0.5 + normal_noise("x", 1).item()
    assert (0, "") == (done.status, done.messages)
    outputs = folder / "new" / "noisy"
    assert ["a.csv", "b.tsv", "c.parquet"] == sorted(path.name for path in outputs.iterdir())
    assert f"x\n{expected!r}\n" == (outputs / "a.csv").read_text()
    assert f"x\n{expected!r}\n" == (outputs / "b.tsv").read_text()
    assert [expected] == pq.read_table(outputs / "c.parquet")["x"].to_pylist()


def test_name_makes_the_outputs_names(folder: Path) -> None:
    template = "{stem}-{model}-{seed}{suffix}"

    done = run(
        *(folder / "a.csv", folder / "b.tsv", "--output-dir", folder / "out"),
        *("--name", template, "-d", "gaussian", "-s", 1, "--seed", 5),
    )

    assert done.status == 0
    assert ["a-normal-5.csv", "b-normal-5.tsv"] == sorted(
        path.name for path in (folder / "out").iterdir()
    )


def test_outputs_can_stand_beside_their_inputs(folder: Path) -> None:
    done = run(
        *(folder / "a.csv", "--output-dir", folder, "--name", "{stem}-noisy{suffix}"),
        *("-s", 1, "--seed", 1),
    )

    assert done.status == 0
    assert (folder / "a-noisy.csv").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(("a.csv", "b.tsv", "--output-dir", "out", "--name", "same.csv"), id="same"),
        pytest.param(("a.csv", "./a.csv", "--output-dir", "out"), id="one-input-twice"),
        pytest.param(("a.csv", "b.tsv", "--output-dir", "."), id="is-an-input"),
        pytest.param(
            ("a.csv", "b.tsv", "--output-dir", ".", "--name", "a.csv"), id="is-another-input"
        ),
        pytest.param(("a.csv", "--output-dir", "out", "--name", "{stme}"), id="bad-word"),
        pytest.param(("a.csv", "--output-dir", "out", "--name", "{stem"), id="bad-template"),
        pytest.param(("a.csv", "--output-dir", "out", "--name", "{stem.__class__}"), id="dotted"),
        pytest.param(("a.csv", "--output-dir", "out", "--name", "../x"), id="not-a-name"),
        pytest.param(("a.csv", "--output-dir", "out", "--name", ""), id="empty-name"),
        pytest.param(("a.csv", "--output-dir", "out", "--name", ".."), id="dots"),
        pytest.param(("a.csv", "-", "--output-dir", "out"), id="standard-input"),
        pytest.param(("a.csv", "b.tsv"), id="no-output"),
        pytest.param(("a.csv", "b.tsv", "-o", "out.csv"), id="one-output"),
        pytest.param(("a.csv", "-o", "out.csv", "--output-dir", "out"), id="two-ways"),
        pytest.param(("a.csv", "-o", "out.csv", "--in-place"), id="in-place-too"),
        pytest.param(("a.csv", "--in-place", "--no-clobber"), id="contradiction"),
        pytest.param(("-", "--in-place"), id="standard-input-in-place"),
    ],
)
def test_outputs_that_cannot_be_are_refused_before_anything_is_written(
    folder: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.chdir(folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    done = run(*arguments, "-s", 1, given=b"x\n0.5\n")

    assert (2, b"", 1) == (done.status, done.output, len(done.lines)), done.messages
    assert before == {path.name: path.read_bytes() for path in folder.iterdir()}


def test_two_names_of_one_output_are_a_collision(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "other").mkdir()
    (folder / "other" / "a.csv").write_text("x\n1.5\n")
    monkeypatch.chdir(folder)

    done = run("a.csv", "other/a.csv", "--output-dir", "out", "-s", 1)

    assert (2, 1) == (done.status, len(done.lines))
    assert "would both become" in done.messages
    assert not (folder / "out").exists()


def test_a_file_that_cannot_be_read_is_one_line_and_the_others_are_done(folder: Path) -> None:
    done = run(folder / "none.csv", folder / "a.csv", "--output-dir", folder / "out", "-s", 1, "-q")

    assert (1, 1) == (done.status, len(done.lines))
    assert "none.csv" in done.messages
    assert ["a.csv"] == [path.name for path in (folder / "out").iterdir()]


# What it says.


def test_a_dry_run_shows_the_plan_and_five_rows(tmp_path: Path) -> None:
    source = tmp_path / "data.csv"
    source.write_text("id,x\n" + "".join(f"{i},{i}.5\n" for i in range(9)))

    done = run(source, "-s", "0.1sd", "--seed", 1, "--dry-run", "-o", tmp_path / "out.csv")

    scale = 0.1 * np.std(np.arange(9) + 0.5)
    text = done.output.decode()
    assert (0, "") == (done.status, done.messages)
    assert f"plan for {source} (csv), seed 1" in text
    assert re.search(r"^  x: normal, scale 0\.258198889747161\d*, loc 0$", text, re.MULTILINE)
    assert "  id: left alone, not chosen" in text
    rows = [line.split() for line in text.splitlines() if re.match(r" +\d+ ", line)]
    after = (np.arange(5) + 0.5 + scale * normal_noise("x", 5)).tolist()
    assert [(str(i), f"{i}.5") for i in range(5)] == [(row[0], row[1]) for row in rows]
    assert after == pytest.approx([float(row[2]) for row in rows])
    assert [source] == list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", ["npy", "parquet"])
def test_a_dry_run_shows_what_a_run_writes(tmp_path: Path, suffix: str) -> None:
    source = tmp_path / f"data.{suffix}"
    if suffix == "npy":
        np.save(source, np.arange(9.0))
    else:
        pq.write_table(pa.table({"data": np.arange(9.0)}), source)

    text = run(source, "-s", 1, "--seed", 1, "-n").output.decode()

    rows = [line.split() for line in text.splitlines() if re.match(r" +\d+ ", line)]
    expected = (np.arange(5.0) + normal_noise("data", 5)).tolist()
    assert expected == [float(row[2]) for row in rows]
    assert [source] == list(tmp_path.iterdir())


def test_a_dry_run_refuses_what_a_run_refuses(table: Path) -> None:
    done = run(table, "-s", 1, "-c", "z", "-n")

    assert (2, b"", 1) == (done.status, done.output, len(done.lines))


def test_a_dry_run_writes_no_report(table: Path) -> None:
    run(table, "-s", 1, "-n", "--report", table.with_name("report.json"))

    assert [table] == list(table.parent.iterdir())


def test_a_dry_run_of_several_inputs_shows_each(folder: Path) -> None:
    done = run(folder / "a.csv", folder / "b.tsv", "-s", 1, "-n", "--output-dir", folder / "out")

    assert done.status == 0
    assert done.output.decode().count("plan for") == 2
    assert not (folder / "out").exists()


def test_verbose_prints_one_line_of_summary(table: Path) -> None:
    done = run(table, "-o", table.with_name("out.csv"), "-s", 1, "--seed", 5, "-v")

    assert len(done.lines) == 1
    expected = (
        rf"noisify: {table} -> .*out\.csv: normal noise on x \(2 of 2, .*\), y \(1 of 2, .*\); "
        r"left alone: name \(not chosen\); seed 5"
    )
    assert re.fullmatch(expected, done.lines[0])


def test_nothing_is_said_off_a_terminal_when_the_seed_is_given(table: Path) -> None:
    assert run(table, "-s", 1, "--seed", 1).messages == ""


def test_quiet_says_nothing(table: Path) -> None:
    table.write_bytes(b"x\n" + b"0.5\n" * 30 + b"oops\n")

    assert run(table, "-q").messages == ""


def test_quiet_does_not_silence_errors(table: Path) -> None:
    done = run(table, "-q", "-c", "z")

    assert (2, 1) == (done.status, len(done.lines))


def slow_run(*arguments: str, terminal: bool, until: str = "") -> str:
    """Return standard error of a run whose input comes for 1.5 s, or until a text is told."""
    reading, writing = pty.openpty() if terminal else os.pipe()
    with subprocess.Popen(
        [*COMMAND, "-s", "1", "--seed", "1", "--chunk-size", "4096", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=writing,
        env=clean_environment({"TERM": "xterm"}),
    ) as process:
        os.close(writing)
        assert process.stdin is not None
        text = b""
        process.stdin.write(b"0.5\n" * (HEAD_BYTES // 4))  # work begins when the head is there
        for _ in range(300 if until else 15):
            process.stdin.write(b"0.5\n" * 1024)
            process.stdin.flush()
            time.sleep(0.1)
            if select.select([reading], [], [], 0)[0]:
                text += os.read(reading, 4096)
            if until and until in text.decode():
                break
        process.stdin.close()
        while True:
            try:
                piece = os.read(reading, 4096)
            except OSError:  # a terminal whose other end is closed
                break
            if not piece:
                break
            text += piece
        os.close(reading)
    assert process.returncode == 0
    return text.decode()


@pytest.mark.parametrize(
    ("arguments", "terminal", "shown"),
    [
        pytest.param(("--progress",), False, True, id="asked-for"),
        pytest.param((), False, False, id="off-a-terminal"),
        pytest.param((), True, True, id="on-a-terminal"),
        pytest.param(("--no-progress",), True, False, id="unwanted"),
    ],
)
def test_progress_shows_when_asked_for_or_on_a_terminal(
    arguments: tuple[str, ...],
    terminal: bool,  # noqa: FBT001
    shown: bool,  # noqa: FBT001
) -> None:
    until = "MB/s" if shown else ""

    text = slow_run("--no-header", *arguments, terminal=terminal, until=until)

    assert shown == ("MB/s" in text)


# Mistakes: one line, exit status 2, and what was perhaps meant.

MISTAKES = {
    "unknown option": (("--scael", "1"), "--scale"),
    "unknown short option": (("-Z", "1"), "-Z"),
    "unknown model": (("-d", "normall"), "did you mean 'normal'?"),
    "unknown model, nothing near": (("-d", "zzz"), "--list-models"),
    "unknown model to explain": (("--explain", "lapalce"), "did you mean 'laplace'?"),
    "unknown column": (("-c", "nmae"), "did you mean 'name'?"),
    "unknown column in other case": (("-c", "NAME"), "did you mean 'name'?"),
    "unknown column, nothing near": (("-c", "zzz"), "x, y, name"),
    "unknown excluded column": (("--exclude", "nmae"), "did you mean 'name'?"),
    "unknown kind": (("-c", ":flaot"), "did you mean ':float'?"),
    "unknown column in a level": (("-s", "@nmae", "-c", "x"), "did you mean 'name'?"),
    "glob without a match": (("-c", "z*"), "no field matches"),
    "bad regular expression": (("-c", "/(/"), "regular expression"),
    "unknown parameter": (("-d", "t", "-p", "lco=3"), "did you mean 'loc'?"),
    "parameter of another model": (("--df", "3"), "normal has no parameter 'df'"),
    "parameter without a value": (("-p", "df"), "KEY=VALUE"),
    "parameter that is no number": (("-d", "t", "--df", "many"), "many"),
    "parameter out of range": (("-d", "t", "--df", "0"), "above 0"),
    "parameter that is not finite": (("--loc", "nan"), "finite"),
    "parameter said twice": (("-d", "t", "--df", "3", "-p", "df=4"), "twice"),
    "negative scale": (("-s", "-1"), "at least 0"),
    "negative percentage": (("-s", "-5%"), "at least 0"),
    "scale that is no number": (("-s", "much"), "is not a level"),
    "scale nan": (("-s", "nan"), "nan"),
    "scale inf": (("-s", "inf"), "inf"),
    "scale too large": (("-s", "1e999"), "finite"),
    "scale with a wrong unit": (("-s", "0.1dev"), "0.1sd"),
    "empty scale": (("-s", ""), "is not a level"),
    "bare percent": (("-s", "%"), "is not a level"),
    "negative sd": (("--sd", "-1"), "at least 0"),
    "snr that is no number": (("--snr", "loud"), "decibels"),
    "snr nan": (("--snr", "nan"), "decibels"),
    "scale and sd": (("-s", "1", "--sd", "1"), "exclude each other"),
    "scale and snr": (("-s", "1", "--snr", "20"), "exclude each other"),
    "sd and snr": (("--sd", "1", "--snr", "20"), "exclude each other"),
    "scale and parameter": (("-s", "1", "-p", "scale=2"), "twice"),
    "rate of an amplitude": (("--rate", "5%"), "with scale, not a rate"),
    "snr without a variance": (("-d", "cauchy", "--snr", "20"), "no variance"),
    "sd without a variance": (("-d", "t", "--df", "2", "--sd", "1"), "no variance"),
    "loc louder than snr": (("--snr", "20", "--loc", "100"), "loc 100"),
    "negative seed": (("--seed", "-1"), "2**128"),
    "seed too large": (("--seed", str(2**128)), "2**128"),
    "seed that is no number": (("--seed", "lucky"), "lucky"),
    "fractional seed": (("--seed", "1.5"), "1.5"),
    "clip without a comma": (("--clip", "5"), "LO,HI"),
    "clip upside down": (("--clip", "5,1"), "LO,HI"),
    "clip that is no number": (("--clip", "a,b"), "LO,HI"),
    "clip nan": (("--clip", "nan,1"), "LO,HI"),
    "decimals that are none": (("--decimals", "some"), "keep"),
    "negative decimals": (("--decimals", "-1"), "keep"),
    "unknown input format": (("--from", "parqet"), "parquet"),
    "unknown output format": (("--to", "hdf"), "hdf5"),
    "unknown random numbers": (("--rng", "nump"), "numpy"),
    "unknown encoding": (("--encoding", "utf-9"), "utf-9"),
    "encoding that is none of text": (("--encoding", "base64"), "base64"),
    "no jobs": (("--jobs", "0"), "--jobs"),
    "jobs that are no number": (("--jobs", "all"), "all"),
    "no chunk size": (("--chunk-size", "0"), "chunk size"),
    "chunk size that is none": (("--chunk-size", "big"), "4MiB"),
    "long delimiter": (("--delimiter", "ab"), "delimiter"),
    "missing value": (("--seed",), "--seed"),
    "another kind of output": (("--to", "npy"), "would be CSV by its name and NPY by --to npy"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_gets_one_line_and_exit_status_2(table: Path, name: str) -> None:
    arguments, hint = MISTAKES[name]

    done = run(table, "-o", table.with_name("out.csv"), *arguments)

    assert (2, b"", 1) == (done.status, done.output, len(done.lines)), done.messages
    assert done.messages.startswith("noisify: ")
    assert hint in done.messages
    assert [table] == list(table.parent.iterdir())


def test_all_mistakes_of_the_flags_are_told(table: Path) -> None:
    done = run(table, "-d", "student-t", "-p", "df=x", "-p", "loc=y")
    both = "df 'x' of student-t is not a number; and loc 'y' of student-t is not a number"
    assert (2, f"noisify: {both}\n") == (done.status, done.messages)


def test_the_fields_of_a_model_of_several_may_be_parameters() -> None:
    given = b"x,y,z\n1.0,2.0,3.0\n"
    options = ("-d", "swap-fields", "--rate", "100%")
    expected = noisy(*options, "-c", "x,z", given=given)
    assert expected == noisy(*options, "-p", "fields=x|z", given=given) == b"x,y,z\n3.0,2.0,1.0\n"


def test_near_misses_of_formats_get_a_suggestion() -> None:
    done = run("--from", "parqet", given=TABLE)

    assert "did you mean 'parquet'" in done.messages.lower()


@pytest.mark.parametrize(
    ("header", "row", "hint"),
    [
        ("a,b", "1,2", "a (int64), b (int64)"),
        ("name", "bob", "name (text)"),
        ("at", "2024-01-01", "at (time)"),
    ],
)
def test_without_a_sensible_default_the_candidates_are_listed(
    header: str, row: str, hint: str
) -> None:
    done = run("--seed", 1, given=f"{header}\n{row}\n".encode())

    assert (2, 1) == (done.status, len(done.lines))
    assert hint in done.messages
    assert "-c" in done.messages


def test_the_only_column_is_the_default_choice() -> None:
    actual = noisy("-s", 100, given=b"n\n1\n2\n")

    noise = np.rint(100 * normal_noise("n", 2)).astype(int)
    assert f"n\n{1 + noise[0]}\n{2 + noise[1]}\n" == actual.decode()


def test_a_whole_number_among_other_columns_may_be_an_id() -> None:
    done = run("-s", 100, given=b"name,year\na,1999\nb,2000\n")

    assert (2, 1) == (done.status, len(done.lines))
    assert "one holds other numbers: year (int64); choose with -c" in done.messages


def test_an_output_of_another_kind_is_refused(table: Path) -> None:
    done = run(table, "-o", table.with_name("out.npy"), "-s", 1, "--seed", 1)

    assert (2, 1) == (done.status, len(done.lines))
    assert [table] == list(table.parent.iterdir())


def test_from_sets_the_format(tmp_path: Path) -> None:
    source = tmp_path / "data.bin"
    source.write_bytes(b"x\t0.5\n1\t2.5\n")

    assert noisy("--from", "csv", "-s", 0, "--delimiter", "tab", source) == source.read_bytes()


def test_first_bytes_give_the_format_of_a_file_without_a_suffix(tmp_path: Path) -> None:
    source = tmp_path / "data"
    with source.open("wb") as file:
        np.save(file, np.zeros(3))

    target = tmp_path / "out"
    assert run(source, "-o", target, "-s", 1, "--seed", 1).status == 0
    assert normal_noise("data", 3).tolist() == np.load(target).tolist()


# On a terminal.


def on_terminal(*arguments: object) -> tuple[int, str]:
    """Run with a terminal for all three streams; return the status and what it showed."""
    reading, writing = pty.openpty()
    with subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        stdin=writing,
        stdout=writing,
        stderr=writing,
        env=clean_environment(),
    ) as process:
        os.close(writing)
        text = b""
        try:
            while piece := os.read(reading, 4096):
                text += piece
        except OSError:
            pass
        os.close(reading)
    return process.returncode, text.decode(errors="replace")


def test_a_terminal_as_input_is_refused() -> None:
    status, text = on_terminal("-s", 1)

    assert status == 2
    assert "standard input is a terminal; see noisify --help" in text


def test_a_binary_format_is_not_written_to_a_terminal(tmp_path: Path) -> None:
    source = tmp_path / "data.npy"
    np.save(source, np.zeros(3))

    status, text = on_terminal(source, "-s", 1)

    assert status == 2
    assert "NUMPY" not in text
    assert "-o FILE" in text


def test_a_binary_format_without_a_suffix_is_not_written_to_a_terminal(tmp_path: Path) -> None:
    source = tmp_path / "data"
    with source.open("wb") as file:
        np.save(file, np.zeros(3))

    status, text = on_terminal(source, "-s", 1)

    assert status == 2
    assert "NUMPY" not in text


def test_a_summary_is_shown_on_a_terminal(table: Path) -> None:
    status, text = on_terminal(table, "-o", table.with_name("out.csv"), "-s", 1, "--seed", 5)

    assert status == 0
    assert "normal noise on x (2 of 2), y (1 of 2)" in text
    assert "seed 5" in text


def test_the_report_of_several_inputs_is_a_list(folder: Path) -> None:
    report = folder / "report.json"

    run(
        *(folder / "a.csv", folder / "b.tsv", "--output-dir", folder / "out"),
        *("-s", 1, "--seed", 1, "--report", report),
    )

    entries = json.loads(report.read_text())
    assert [str(folder / "a.csv"), str(folder / "b.tsv")] == [e["input"] for e in entries]


@pytest.mark.parametrize("name", ["data.csv", "out.csv"])
def test_a_report_that_is_an_input_or_output_is_refused(table: Path, name: str) -> None:
    done = run(table, "-o", table.with_name("out.csv"), "--report", table.with_name(name), "-q")

    assert (2, 1) == (done.status, len(done.lines))
    assert table.read_bytes() == TABLE
    assert [table] == list(table.parent.iterdir())


@pytest.mark.parametrize("suffix", [".csv.zip", ".zip", ".xlsx", ".xlsx.gz"])
def test_an_output_that_its_suffix_would_belie_is_refused(tmp_path: Path, suffix: str) -> None:
    source = tmp_path / "in.csv"
    source.write_text("x\n1.5\n")
    target = tmp_path / f"out{suffix}"

    done = run(source, "-o", target, "-s", 1, "--seed", 1)

    assert (2, 1) == (done.status, len(done.lines))
    assert target.name in done.messages
    assert not target.exists()
