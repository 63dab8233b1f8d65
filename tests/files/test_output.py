"""Outputs are atomic: complete, or as they were before."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import stat
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from run_command import COMMAND, clean_environment, names, noisy, run

from noisify.core.errors import NoisifyError, UsageError
from noisify.files import write_behind
from noisify.files.output import FileOutput, StreamOutput
from noisify.files.output_interface import StagedOutput
from noisify.files.write_behind import open_written_behind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

TABLE = b"x,name\n0.5,a\n1.5,b\n"
STOPPED = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}
MOSTLY_SLOW = [
    pytest.param(number, marks=() if number == signal.SIGTERM else pytest.mark.slow)
    for number in STOPPED
]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "data.csv"
    path.write_bytes(TABLE)
    return path


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """Return the path of an output that exists already."""
    (tmp_path / "results").mkdir()
    path = tmp_path / "results" / "out.csv"
    path.write_bytes(b"old")
    return path


# Where it goes.


def test_an_output_is_replaced_and_nothing_is_left_beside_it(table: Path, target: Path) -> None:
    done = run(table, "-o", target, "-s", 1, "--seed", 1)

    assert (0, b"", "") == (done.status, done.output, done.messages)
    assert noisy(table, "-s", 1) == target.read_bytes()
    assert ["out.csv"] == names(target.parent)


def test_a_new_output_gets_the_mode_that_the_umask_says(table: Path) -> None:
    new = table.with_name("new.csv")
    before = os.umask(0o027)
    try:
        run(table, "-o", new, "-s", 1, "--seed", 1)
    finally:
        os.umask(before)

    assert stat.S_IMODE(new.stat().st_mode) == 0o640


@pytest.mark.parametrize("mode", [0o600, 0o664, 0o755])
def test_a_replaced_output_keeps_its_mode(table: Path, target: Path, mode: int) -> None:
    target.chmod(mode)

    run(table, "-o", target, "-s", 1, "--seed", 1)

    assert mode == stat.S_IMODE(target.stat().st_mode)


def test_a_symbolic_link_stays_and_its_file_is_replaced(table: Path, target: Path) -> None:
    link = table.with_name("link.csv")
    link.symlink_to(Path("results") / "out.csv")

    run(table, "-o", link, "-s", 1, "--seed", 1)

    assert link.readlink() == Path("results") / "out.csv"
    assert noisy(table, "-s", 1) == target.read_bytes()
    assert ["out.csv"] == names(target.parent)


def test_a_symbolic_link_to_nothing_gets_its_file(table: Path) -> None:
    link = table.with_name("link.csv")
    link.symlink_to("new.csv")

    run(table, "-o", link, "-s", 1, "--seed", 1)

    assert noisy(table, "-s", 1) == table.with_name("new.csv").read_bytes()
    assert link.is_symlink()


def test_another_hard_link_of_the_old_output_keeps_the_old_content(
    table: Path, target: Path
) -> None:
    other = target.with_name("other.csv")
    other.hardlink_to(target)

    run(table, "-o", target, "-s", 1, "--seed", 1)

    assert other.read_bytes() == b"old"


def test_an_output_with_a_long_name(table: Path) -> None:
    long = table.with_name("n" * 251 + ".csv")

    assert run(table, "-o", long, "-s", 1, "--seed", 1).status == 0
    assert noisy(table, "-s", 1) == long.read_bytes()


def test_no_clobber_keeps_an_existing_output(table: Path, target: Path) -> None:
    done = run(table, "-o", target, "-s", 1, "--no-clobber", "-q")

    assert (2, 1) == (done.status, len(done.lines))
    assert done.messages == f"noisify: {target}: exists, and --no-clobber keeps it\n"
    assert target.read_bytes() == b"old"
    assert ["out.csv"] == names(target.parent)


def test_no_clobber_writes_a_new_output(table: Path) -> None:
    new = table.with_name("new.csv")

    assert run(table, "-o", new, "-s", 1, "--no-clobber", "--seed", 1).status == 0
    assert noisy(table, "-s", 1) == new.read_bytes()
    assert ["data.csv", "new.csv"] == names(table.parent)


def test_no_clobber_keeps_a_file_that_appeared_meanwhile(target: Path) -> None:
    target.unlink()

    def write() -> None:
        with FileOutput(target, clobber=False) as output:
            output.file.write(b"new")
            target.write_bytes(b"of another")

    with pytest.raises(UsageError, match="exists, and --no-clobber keeps it"):
        write()

    assert b"of another" == target.read_bytes()
    assert ["out.csv"] == names(target.parent)


def test_no_clobber_holds_for_a_folder_of_outputs_before_any_is_written(table: Path) -> None:
    other = table.with_name("other.csv")
    other.write_bytes(TABLE)
    folder = table.with_name("out")
    folder.mkdir()
    (folder / "other.csv").write_bytes(b"old")

    done = run(table, other, "--output-dir", folder, "-s", 1, "--no-clobber", "-q")

    assert (2, 1) == (done.status, len(done.lines))
    assert ["other.csv"] == names(folder)
    assert (folder / "other.csv").read_bytes() == b"old"


def test_a_failure_keeps_the_old_output(table: Path, target: Path) -> None:
    table.write_bytes(TABLE * 100 + b"ragged\n")

    done = run(table, "-o", target, "-s", 1, "-q", "--chunk-size", 50)

    assert done.status == 3
    assert target.read_bytes() == b"old"
    assert ["out.csv"] == names(target.parent)


def test_a_pipe_can_be_an_output(table: Path) -> None:
    pipe = table.with_name("pipe")
    os.mkfifo(pipe)

    with subprocess.Popen(
        [*COMMAND, table, "-o", pipe, "-s", "1", "--seed", "1"], env=clean_environment()
    ) as process:
        actual = pipe.read_bytes()

    assert (0, noisy(table, "-s", 1)) == (process.returncode, actual)
    assert pipe.is_fifo()


# An output that is an input.


def same_path(path: Path) -> Path:
    return path


def other_spelling(path: Path) -> Path:
    return path.parent / "." / ".." / path.parent.name / path.name


def symbolic_link(path: Path) -> Path:
    link = path.with_name("link.csv")
    link.symlink_to(path.name)
    return link


def hard_link(path: Path) -> Path:
    link = path.with_name("link.csv")
    link.hardlink_to(path)
    return link


@pytest.mark.parametrize("other", [same_path, other_spelling, symbolic_link, hard_link])
def test_an_output_that_is_the_input_is_refused(table: Path, other: Callable[[Path], Path]) -> None:
    output = other(table)
    before = names(table.parent)

    done = run(table, "-o", output, "-s", 1, "-q")

    assert (2, b"", 1) == (done.status, done.output, len(done.lines))
    assert "--in-place" in done.messages
    assert table.read_bytes() == TABLE
    assert before == names(table.parent)


def test_an_input_that_is_a_link_to_the_output_is_refused(table: Path) -> None:
    link = symbolic_link(table)

    done = run(link, "-o", table, "-s", 1, "-q")

    assert (2, 1) == (done.status, len(done.lines))
    assert table.read_bytes() == TABLE


def test_appending_to_the_input_is_refused(table: Path) -> None:
    with table.open("ab") as output:
        done = subprocess.run(
            [*COMMAND, table, "-s", "1", "-q"],
            stdout=output,
            stderr=subprocess.PIPE,
            check=False,
            env=unmeasured_environment(),
            preexec_fn=limit_file_size,
        )

    assert (2, 1) == (done.returncode, len(done.stderr.splitlines()))
    assert table.read_bytes() == TABLE


def test_in_place_replaces_the_input(table: Path) -> None:
    expected = noisy(table, "-s", 1)
    table.chmod(0o640)

    done = run(table, "--in-place", "-s", 1, "--seed", 1)

    assert (0, b"", "") == (done.status, done.output, done.messages)
    assert expected == table.read_bytes()
    assert stat.S_IMODE(table.stat().st_mode) == 0o640
    assert ["data.csv"] == names(table.parent)


def test_in_place_follows_a_symbolic_link(table: Path) -> None:
    expected = noisy(table, "-s", 1)
    link = symbolic_link(table)

    run(link, "--in-place", "-s", 1, "--seed", 1)

    assert link.is_symlink()
    assert expected == table.read_bytes()


def test_in_place_replaces_several_inputs(table: Path) -> None:
    expected = noisy(table, "-s", 1)
    other = table.with_name("other.csv")
    other.write_bytes(TABLE)

    run(table, other, "--in-place", "-s", 1, "--seed", 1, "--same-noise")

    assert [expected, expected] == [table.read_bytes(), other.read_bytes()]


def test_in_place_keeps_an_input_that_fails(table: Path) -> None:
    table.write_bytes(TABLE + b"ragged\n")

    assert run(table, "--in-place", "-s", 1).status == 3
    assert TABLE + b"ragged\n" == table.read_bytes()
    assert ["data.csv"] == names(table.parent)


@pytest.mark.parametrize("suffix", ["npy", "parquet", "h5"])
def test_in_place_works_for_binary_formats(tmp_path: Path, suffix: str) -> None:
    source = tmp_path / f"data.{suffix}"
    write_binary(source, 100)
    expected = noisy(source, "-s", 1)

    assert run(source, "--in-place", "-s", 1, "--seed", 1).status == 0
    assert expected == source.read_bytes()
    assert [source] == list(tmp_path.iterdir())


def write_binary(path: Path, count: int) -> None:
    values = np.arange(float(count))
    match path.suffix:
        case ".npy" if path.stem == "fortran":
            np.save(path, np.asfortranarray(values.reshape(4, -1)))
        case ".npy":
            np.save(path, values)
        case ".parquet":
            pq.write_table(pa.table({"x": values}), path, row_group_size=50)
        case ".h5":
            with h5py.File(path, "w") as file:
                packing = {} if path.stem == "contiguous" else {"compression": "gzip"}
                file.create_dataset("x", data=values, chunks=(50,) if packing else None, **packing)
        case _:
            path.write_text("x\n" + "".join(f"{value!r}\n" for value in values.tolist()))


# Signals.


def default_signals() -> None:
    """Reset signal handlers inherited from a parent in the background or under nohup."""
    for number in STOPPED:
        signal.signal(number, signal.SIG_DFL)


def start(*arguments: object, **variables: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=unmeasured_environment(variables),
        preexec_fn=default_signals,  # noqa: PLW1509 - no thread is about
    )


def wait_until(condition: Callable[[], Any], process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert process.poll() is None, "the run was over too soon"
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.01)


@pytest.mark.parametrize("number", MOSTLY_SLOW, ids=lambda number: number.name)
def test_a_signal_during_a_read_keeps_the_old_output(target: Path, number: signal.Signals) -> None:
    with start("-o", target, "-s", 1, "--seed", 1, "--no-header") as process:
        assert process.stdin is not None
        process.stdin.write(b"0.5\n" * 500_000)
        process.stdin.flush()
        wait_until(lambda: len(names(target.parent)) > 1, process)
        beside = names(target.parent)
        process.send_signal(number)
        with contextlib.suppress(BrokenPipeError):
            output, messages = process.communicate(timeout=20)

    assert (STOPPED[number], b"", b"") == (process.returncode, output, messages)
    assert [".out.csv.", ".tmp"] == [beside[0][:9], beside[0][-4:]]
    assert ["out.csv"] == names(target.parent)
    assert target.read_bytes() == b"old"


@pytest.mark.parametrize("number", MOSTLY_SLOW, ids=lambda number: number.name)
@pytest.mark.parametrize("name", ["data.csv", "data.npy", "fortran.npy", "data.parquet", "data.h5"])
def test_a_signal_during_the_work_keeps_the_old_output(
    tmp_path: Path, name: str, number: signal.Signals
) -> None:
    source = tmp_path / name
    write_binary(source, 400_000)
    results = tmp_path / "results"
    results.mkdir()
    target = results / f"out{source.suffix}"
    target.write_bytes(b"old")

    tiny = ("--chunk-size", 16, "--jobs", 2)
    with start(source, "-o", target, "-s", 1, "--seed", 1, *tiny) as process:
        wait_until(lambda: len(names(results)) > 1, process)
        process.send_signal(number)
        output, messages = process.communicate(timeout=20)

    assert (STOPPED[number], b"", b"") == (process.returncode, output, messages)
    assert [target.name] == names(results)
    assert target.read_bytes() == b"old"


@pytest.mark.parametrize(
    ("name", "suffix"),
    [
        ("data.csv", ".gz"),
        pytest.param("data.csv", ".xz", marks=pytest.mark.slow),
        pytest.param("fortran.npy", ".zst", marks=pytest.mark.slow),
        ("data.h5", ".gz"),
    ],
)
def test_a_signal_while_an_output_is_compressed_keeps_the_old_one(
    tmp_path: Path, name: str, suffix: str
) -> None:
    source = tmp_path / name
    write_binary(source, 400_000)
    results, spool = tmp_path / "results", tmp_path / "spool"
    results.mkdir()
    spool.mkdir()
    target = results / (name + suffix)
    target.write_bytes(b"old")

    tiny = ("--chunk-size", 16, "--jobs", 2)
    with start(source, "-o", target, "-s", 1, "--seed", 1, *tiny, TMPDIR=str(spool)) as process:
        wait_until(lambda: len(names(results)) > 1, process)
        process.send_signal(signal.SIGTERM)
        output, messages = process.communicate(timeout=20)

    assert (143, b"", b"") == (process.returncode, output, messages)
    assert ([target.name], []) == (names(results), names(spool))
    assert target.read_bytes() == b"old"


@pytest.mark.parametrize("number", MOSTLY_SLOW, ids=lambda number: number.name)
def test_a_signal_while_standard_input_is_spooled_leaves_nothing(
    tmp_path: Path, number: signal.Signals
) -> None:
    with start("-s", "0.1sd", "-q", "--no-header", TMPDIR=str(tmp_path)) as process:
        assert process.stdin is not None
        process.stdin.write(b"0.5\n" * 500_000)
        process.stdin.flush()
        wait_until(lambda: names(tmp_path), process)
        process.send_signal(number)
        with contextlib.suppress(BrokenPipeError):
            output, messages = process.communicate(timeout=20)

    assert (STOPPED[number], b"", b"") == (process.returncode, output, messages)
    assert [] == names(tmp_path)


STOPPED_IN_AN_IMPORT = """
import os, signal, sys
from importlib.abc import MetaPathFinder

class Signalling(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == sys.argv[1]:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Signalling())
from noisify.cli.entry import main
main(["-s", "1"])
"""


@pytest.mark.parametrize("module", ["noisify.cli.command", "click", "numpy", "noisify.engine.job"])
def test_a_signal_at_the_start_gives_no_traceback(module: str) -> None:
    done = subprocess.run(
        [COMMAND[0], "-c", STOPPED_IN_AN_IMPORT, module],
        input=b"x\n1\n",
        capture_output=True,
        check=False,
        preexec_fn=default_signals,
        timeout=60,
    )

    assert (130, b"", b"") == (done.returncode, done.stdout, done.stderr)


STOPPED_IN_A_DESTRUCTOR = """
import os, signal
from noisify.cli import execute, main
from noisify.core import signals

class Dying:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)
        for _ in range(100):
            pass

def work(asked):
    dying = Dying()
    del dying
    signals.check_stopped()

execute.execute = work
main(["data.csv"])
"""


def test_a_signal_where_python_swallows_exceptions_gives_no_traceback() -> None:
    done = subprocess.run(
        [COMMAND[0], "-c", STOPPED_IN_A_DESTRUCTOR],
        capture_output=True,
        check=False,
        env=clean_environment(),
        preexec_fn=default_signals,
    )

    assert (143, b"") == (done.returncode, done.stderr)


def test_an_ignored_signal_stays_ignored(tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    with subprocess.Popen(
        ["nohup", *COMMAND, "-o", target, "-s", "1", "--seed", "1"],  # noqa: S607
        stdin=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=clean_environment(),
    ) as process:
        assert process.stdin is not None
        process.stdin.write(b"x\n" + b"0.5\n" * 500_000)
        process.stdin.flush()
        wait_until(lambda: names(tmp_path), process)
        process.send_signal(signal.SIGHUP)
        process.stdin.close()

    assert process.returncode == 0
    assert ["out.csv"] == names(tmp_path)


# Standard output that cannot take it.


@pytest.mark.parametrize("suffix", ["csv", "npy", "parquet", "h5"])
def test_a_closed_pipe_ends_quietly(tmp_path: Path, suffix: str) -> None:
    source = tmp_path / f"data.{suffix}"
    write_binary(source, 200_000)
    spool = tmp_path / "spool"
    spool.mkdir()

    with start(source, "-s", 1, "--seed", 1, TMPDIR=str(spool)) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.read(1)
        process.stdout.close()
        messages = process.stderr.read()

    assert (141, b"") == (process.returncode, messages)
    assert [] == names(spool)


needs_full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")


@needs_full
@pytest.mark.parametrize(
    "arguments",
    [
        (),
        pytest.param(("--dry-run",), marks=pytest.mark.slow),
        ("--help",),
        pytest.param(("--list-models",), marks=pytest.mark.slow),
        pytest.param(("--version",), marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_a_full_standard_output_gets_one_line(table: Path, arguments: tuple[str, ...]) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*COMMAND, table, "-s", "1", "--seed", "1", *arguments],
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
            env=clean_environment(),
        )

    lines = done.stderr.decode().splitlines()
    assert (1, 1) == (done.returncode, len(lines)), lines
    assert lines[0].startswith("noisify: ")
    assert "No space left on device" in lines[0]


@needs_full
@pytest.mark.parametrize("suffix", ["csv", "npy", "parquet", "h5"])
def test_a_full_device_gets_one_line(tmp_path: Path, suffix: str) -> None:
    source = tmp_path / f"data.{suffix}"
    write_binary(source, 1000)

    done = run(source, "-o", "/dev/full", "-s", 1, "--seed", 1)

    assert (1, ["noisify: /dev/full: cannot be written: No space left on device"]) == (
        done.status,
        done.lines,
    )


def with_closed(redirection: str, *arguments: object, given: bytes = b"") -> tuple[int, bytes, str]:
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {redirection}', "sh", *COMMAND, *map(str, arguments)],  # noqa: S607
        input=given,
        capture_output=True,
        check=False,
        env=clean_environment(),
    )
    return done.returncode, done.stdout, done.stderr.decode()


@pytest.mark.parametrize("arguments", [(), ("--dry-run",), ("--help",)], ids=str)
def test_a_closed_standard_output_gets_one_line(table: Path, arguments: tuple[str, ...]) -> None:
    status, _, messages = with_closed(">&-", table, "-s", 1, "--seed", 1, *arguments)

    assert (1, 1) == (status, len(messages.splitlines())), messages
    assert messages.startswith("noisify: ")


def test_a_closed_standard_output_does_not_matter_to_a_file(table: Path) -> None:
    new = table.with_name("new.csv")

    status, _, messages = with_closed(">&-", table, "-o", new, "-s", 1, "--seed", 1)

    assert (0, "") == (status, messages)
    assert noisy(table, "-s", 1) == new.read_bytes()


def test_a_closed_standard_input_gets_one_line() -> None:
    status, output, messages = with_closed("<&-", "-s", 1, "-q")

    assert (1, b"", 1) == (status, output, len(messages.splitlines())), messages
    assert messages.startswith("noisify: standard input")


def test_a_closed_standard_error_does_not_matter(table: Path) -> None:
    status, output, _ = with_closed("2>&-", table, "-s", 1, "--seed", 1, "-v")

    assert (0, noisy(table, "-s", 1)) == (status, output)


# A disk that is full, a folder that cannot be written.


def limit_file_size() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))


def unmeasured_environment(variables: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return an environment without coverage, whose data file would exceed the limit."""
    kept = clean_environment(variables)
    return {name: text for name, text in kept.items() if not name.startswith("COVERAGE_")}


def run_limited(*arguments: object, given: bytes = b"", **variables: str) -> tuple[int, list[str]]:
    """Run with files limited to 20,000 bytes, as if the disk were full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with mock.patch.object(tempfile, "tempdir", None):
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
        try:
            done = run(*arguments, given=given, variables=variables)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
    return done.status, done.lines


def too_long(folder: Path, name: str) -> tuple[Path, Path]:
    """Return a file that exceeds the limit, and the path of an output."""
    source = folder / name
    write_binary(source, 20_000)
    results = folder / "results"
    results.mkdir()
    return source, results / f"out{source.suffix}"


@pytest.mark.parametrize("name", ["data.csv", "data.npy", "fortran.npy", "data.parquet", "data.h5"])
def test_a_full_disk_leaves_nothing(tmp_path: Path, name: str) -> None:
    source, target = too_long(tmp_path, name)
    target.write_bytes(b"old")

    status, lines = run_limited(source, "-o", target, "-s", 1, "--seed", 1)

    assert (1, 1) == (status, len(lines)), lines
    assert lines[0].startswith(f"noisify: {target}: cannot be written")
    assert [target.name] == names(target.parent)
    assert target.read_bytes() == b"old"


@pytest.mark.parametrize("name", ["data.npy", "contiguous.h5"])
def test_a_disk_that_is_full_for_a_worker_leaves_nothing(tmp_path: Path, name: str) -> None:
    source, target = too_long(tmp_path, name)

    status, lines = run_limited(source, "-o", target, "-s", 1, "-j", 3, "--chunk-size", "1KiB")

    assert (1, 1) == (status, len(lines)), lines
    assert lines[0].startswith(f"noisify: {target}: cannot be written")
    assert [] == names(target.parent)


@pytest.mark.parametrize("suffix", ["csv", "npy", "parquet", "h5"])
def test_a_full_temporary_folder_leaves_nothing(tmp_path: Path, suffix: str) -> None:
    source = tmp_path / f"data.{suffix}"
    write_binary(source, 20_000)
    spool = tmp_path / "spool"
    spool.mkdir()

    status, lines = run_limited("-s", "0.1sd", "-q", given=source.read_bytes(), TMPDIR=str(spool))

    assert (1, 1) == (status, len(lines)), lines
    assert lines[0].startswith(f"noisify: standard input: cannot be kept in {spool}: ")
    assert "TMPDIR" in lines[0]
    assert [] == names(spool)


@pytest.mark.parametrize("target", ["out.h5.gz", "/dev/fd/{}"])
def test_a_temporary_file_is_readable_by_its_owner_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    with h5py.File(tmp_path / "in.h5", "w") as made:
        made["x"] = np.arange(5.0)
    copied, modes = StagedOutput.copy_local, []

    def note(staged: StagedOutput) -> None:
        if staged._local is not None:
            modes.append(stat.S_IMODE(staged._local.stat().st_mode))
        copied(staged)

    monkeypatch.setattr(StagedOutput, "copy_local", note)
    monkeypatch.chdir(tmp_path)
    with (tmp_path / "opened").open("wb") as file:
        done = run("in.h5", "-o", target.format(file.fileno()), "-s", 1, "--seed", 1)
    assert (0, [0o600]) == (done.status, modes), done.messages


def test_a_temporary_file_is_made_once(tmp_path: Path) -> None:
    output = StreamOutput((tmp_path / "out.h5").open("wb"), "out.h5", close=True)

    first = output.local_path()
    first.write_bytes(b"made")

    assert first == output.local_path()
    assert output.name.count("TMPDIR") == 1
    output.commit()
    assert b"made" == (tmp_path / "out.h5").read_bytes()
    assert not first.exists()


def test_preallocated_space_is_released(tmp_path: Path) -> None:
    path = tmp_path / "out.bin"
    data = bytes(10_000_000)
    with FileOutput(path) as output:
        output.file.write(data)
        during = os.fstat(output.file.fileno())

    assert len(data) == during.st_size
    if during.st_blocks * 512 < 2 * len(data):
        pytest.skip("this file system does not preallocate")
    assert data == path.read_bytes()
    assert path.stat().st_blocks * 512 < len(data) + 1_000_000


def test_nothing_is_preallocated_on_a_nearly_full_disk(tmp_path: Path) -> None:
    with (tmp_path / "out.bin").open("wb") as file:
        write_behind.preallocate(file.fileno(), 0, 10_000_000, min_free=1 << 60)
        assert os.fstat(file.fileno()).st_blocks * 512 < 1_000_000


@pytest.mark.parametrize("suffix", ["npy", "csv"])
def test_outputs_that_wait_for_others_hold_no_preallocated_space(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    source = tmp_path / f"data.{suffix}"
    write_binary(source, 1_200_000)
    spare = []

    def looked_at(self: FileOutput, commit: Any = FileOutput.commit) -> None:
        state = os.fstat(self.file.fileno())
        spare.append(state.st_blocks * 512 - state.st_size)
        commit(self)

    monkeypatch.setattr(FileOutput, "commit", looked_at)
    done = run(source, "-s", 1, "--replicates", 3, "--output-dir", tmp_path / "out", "-q")

    assert 0 == done.status, done.messages
    assert 3 == len(spare)
    assert max(spare) < 1_000_000


@pytest.mark.parametrize("failed", [False, True])
def test_nothing_is_left_if_preallocated_space_cannot_be_released(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, failed: bool
) -> None:
    def broken(*_: object) -> None:
        raise OSError(5, "Input/output error")

    def write() -> None:
        with FileOutput(tmp_path / "out.bin") as output:
            output.file.write(bytes(10_000_000))
            monkeypatch.setattr(os, "truncate", broken)
            if failed:
                raise NoisifyError("something else")

    reason = "something else" if failed else r"out\.bin: cannot be written: Input/output error"
    with pytest.raises(NoisifyError, match=reason):
        write()

    assert [] == names(tmp_path)


def test_preallocation_works_beside_positional_writes(tmp_path: Path) -> None:
    path = tmp_path / "out.bin"
    path.write_bytes(b"old " * 10)
    with open_written_behind(path) as file:
        file.seek(20_000_000)
        file.write(bytes(10_000_000))
        file.seek(0)
        file.write(b"new ")

    assert b"new old old " == path.read_bytes()[:12]
    assert 30_000_000 == path.stat().st_size
    assert path.stat().st_blocks * 512 < 31_000_000


def test_large_writes_are_split_at_multiples_of_a_piece(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pieces: list[tuple[int, int]] = []

    def noted(descriptor: int, data: memoryview, write: Any = os.write) -> int:
        place = os.lseek(descriptor, 0, os.SEEK_CUR)
        pieces.append((place, place + len(data)))
        return int(write(descriptor, data))

    def noted_at(descriptor: int, data: memoryview, place: int, write: Any = os.pwrite) -> int:
        pieces.append((place, place + len(data)))
        return int(write(descriptor, data, place))

    monkeypatch.setattr(os, "write", noted)
    monkeypatch.setattr(os, "pwrite", noted_at)
    head, body, at_a_place = os.urandom(100), os.urandom(3_000_000), os.urandom(3_000_000)
    with FileOutput(tmp_path / "out.bin") as output:
        write_behind.write_all(output.file, head)
        write_behind.write_all(output.file, body)
        write_behind.write_all_at(output.file, memoryview(at_a_place), 5_000_001)

    assert all(stop - start <= 1 << 18 for start, stop in pieces)
    assert all(start % (1 << 18) == 0 for start, stop in pieces if stop - start == 1 << 18)
    assert len(pieces) < 30
    assert head + body + bytes(1_999_901) + at_a_place == (tmp_path / "out.bin").read_bytes()


@pytest.mark.parametrize("redirection", [">", ">>"])
def test_standard_output_to_a_file_continues_at_its_position(
    tmp_path: Path, redirection: str
) -> None:
    source, target = tmp_path / "data.npy", tmp_path / "out"
    np.save(source, np.zeros(100_000))
    target.write_bytes(b"old ")
    command = [*COMMAND, str(source), "-s", "1", "--seed", "1", "-q"]
    script = f'{{ printf before; "$@"; printf after; }} {redirection} "$0"'

    subprocess.run(["/bin/sh", "-c", script, target, *command], env=clean_environment(), check=True)

    old = b"old " if redirection == ">>" else b""
    assert old + b"before" + noisy(source, "-s", 1) + b"after" == target.read_bytes()


def test_a_report_on_a_full_disk_fails(table: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full")

    done = run(table, "-o", table.with_name("new.csv"), "--report", "/dev/full", "-q")

    assert (1, 1) == (done.status, len(done.lines))
    assert "/dev/full" in done.messages


@pytest.mark.parametrize(
    "place",
    [
        pytest.param("missing/out.csv", id="missing-folder"),
        pytest.param("data.csv/out.csv", id="folder-that-is-a-file"),
        pytest.param("results", id="is-a-folder"),
        pytest.param("n" * 300, id="name-too-long"),
    ],
)
def test_an_output_that_cannot_be_written_gets_one_line(
    table: Path, target: Path, place: str
) -> None:
    before = names(table.parent), names(target.parent)

    done = run(table, "-o", table.parent / place, "-s", 1, "-q")

    assert (1, 1) == (done.status, len(done.lines)), done.messages
    assert done.messages.startswith(f"noisify: {table.parent / place}: ")
    assert before == (names(table.parent), names(target.parent))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_gets_one_line(table: Path, target: Path) -> None:
    target.parent.chmod(0o500)

    done = run(table, "-o", target, "-s", 1, "-q")

    target.parent.chmod(0o700)
    assert (1, 1) == (done.status, len(done.lines))
    assert done.messages == f"noisify: {target}: cannot be written: Permission denied\n"
    assert target.read_bytes() == b"old"


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="there is no /proc")
def test_a_folder_that_takes_no_files_gets_one_line(table: Path) -> None:
    done = run(table, "-o", "/proc/out.csv", "-s", 1, "-q")

    assert (1, 1) == (done.status, len(done.lines))
    assert done.messages.startswith("noisify: /proc/out.csv: cannot be written: ")


def test_a_folder_of_outputs_that_is_a_file_gets_one_line(table: Path) -> None:
    done = run(table, "--output-dir", table, "-s", 1, "-q")

    assert done.status in {1, 2}
    assert len(done.lines) == 1
    assert table.read_bytes() == TABLE
