"""The edges of a run: open descriptors, modes, folders replaced, failures midway, links."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from run_command import COMMAND, clean_environment, names, noisy, run, run_process

from noisify.cli import execute
from noisify.core.errors import DataError, caused_by_memory
from noisify.files import file_output, folder_output

TABLE = b"x,name\n0.5,a\n1.5,b\n"
NOISE = ("-s", "1", "--seed", "1")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "data.csv"
    path.write_bytes(TABLE)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder of Parquet of which one file is private."""
    made = tmp_path / "in"
    for name in ("k=0", "k=1"):
        (made / name).mkdir(parents=True)
        pq.write_table(pa.table({"x": [0.5, 1.5]}), made / name / "part.parquet")
    (made / "k=1").chmod(0o700)
    (made / "k=1/part.parquet").chmod(0o600)
    return made


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "link"])
def test_an_open_descriptor_is_written_to_and_keeps_its_name(
    table: Path, tmp_path: Path, name: str
) -> None:
    (tmp_path / "link").symlink_to("/dev/stdout")
    out = tmp_path / "out.csv"
    out.write_bytes(b"before\n")
    before = out.stat().st_ino
    with out.open("ab") as file:
        done = subprocess.run(
            [*COMMAND, str(table), "-o", name, *NOISE],
            stdout=file,
            stderr=subprocess.PIPE,
            env=clean_environment(),
            cwd=tmp_path,
            check=False,
        )
    assert (0, b"") == (done.returncode, done.stderr)
    assert b"before\n" + noisy(table, "-s", 1) == out.read_bytes()
    assert before == out.stat().st_ino


def test_a_descriptor_that_is_not_open_is_an_error(table: Path) -> None:
    done = run_process(table, "-o", "/dev/fd/97", *NOISE)
    assert (1, ["noisify: /dev/fd/97: cannot be written: Bad file descriptor"]) == (
        done.status,
        done.lines,
    )


@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full"])
def test_messages_that_go_nowhere_fail_nothing(
    table: Path, tmp_path: Path, redirection: str
) -> None:
    words = f'"$@" {redirection}'
    command = ["sh", "-c", words, "sh", *COMMAND, str(table), "-o", "out.csv", "-s", "1", "-v"]
    done = subprocess.run(command, cwd=tmp_path, env=clean_environment(), check=False)
    assert 0 == done.returncode
    assert 3 == (tmp_path / "out.csv").read_bytes().count(b"\n")


@pytest.mark.parametrize("milliseconds", [2, 5, 10, 20, 40, 80])
def test_an_interrupt_while_it_starts_gives_no_traceback(milliseconds: int) -> None:
    started = """
from noisify.cli import entry
catch = entry._catch_signals
entry._catch_signals = lambda: (catch(), print(flush=True))
entry.main(["-s", "1"])
"""
    process = subprocess.Popen(
        [sys.executable, "-c", started],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=clean_environment(),
    )
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(milliseconds / 1000)
    process.send_signal(signal.SIGINT)
    _, messages = process.communicate(timeout=20)
    assert (130, b"") == (process.returncode, messages)


@pytest.mark.parametrize(("before", "after"), [("default_int_handler", 0), ("SIG_IGN", 1)])
def test_signals_are_caught_before_anything_is_imported(before: str, after: int) -> None:
    """Python's own start is all that an interrupt can break into with a traceback."""
    words = f"""
import sys
import _signal
_signal.signal(_signal.SIGINT, _signal.{before})
there = set(sys.modules)
import noisify.__main__
print(int(_signal.getsignal(_signal.SIGINT)), *sorted(set(sys.modules) - there))
"""
    done = subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path[:0] = {sys.path!r}{words}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"{after} noisify noisify.__main__\n" == done.stdout


@pytest.mark.parametrize("kind", [TypeError, ZeroDivisionError, NotImplementedError])
def test_what_nobody_thought_of_is_one_line(
    table: Path, monkeypatch: pytest.MonkeyPatch, kind: type[Exception]
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise kind("of two\nlines")

    monkeypatch.setattr(execute, "runs_of", fail)
    done = run(table, *NOISE)
    assert (1, 1, b"") == (done.status, len(done.lines), done.output)
    assert f"failed unexpectedly: {kind.__name__}: of two lines" in done.messages


class TestModes:
    def test_a_temporary_file_is_no_more_readable_than_the_one_it_replaces(
        self, table: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        table.chmod(0o640)
        seen = []
        opened = file_output.FileOutput.open

        def look(output: file_output.FileOutput) -> None:
            opened(output)
            seen.extend(mode(path) for path in table.parent.glob(".*.tmp"))

        monkeypatch.setattr(file_output.FileOutput, "open", look)
        assert 0 == run(table, "--in-place", *NOISE).status
        assert ([0o600], 0o640) == (seen, mode(table))

    def test_another_group_may_do_no_more_than_anybody_could(
        self, table: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        table.chmod(0o4764)
        stated, others = Path.stat, stat.S_IMODE(0o744)

        def of_another(path: Path, **options: Any) -> os.stat_result:
            found = stated(path, **options)
            if path.suffix != ".tmp":
                return found
            return os.stat_result((*found[:4], found.st_uid + 1, found.st_gid + 1, *found[6:10]))

        monkeypatch.setattr(Path, "stat", of_another)
        assert 0 == run(table, "--in-place", *NOISE).status
        monkeypatch.undo()
        assert others == mode(table)

    @pytest.mark.parametrize("in_place", [True, False])
    def test_of_members_of_a_folder_stay(self, folder: Path, *, in_place: bool) -> None:
        where = ["--in-place"] if in_place else ["-o", folder.with_name("out")]
        made = folder if in_place else folder.with_name("out")
        before = mode(folder / "k=0/part.parquet")
        if in_place:
            folder.chmod(0o750)
        assert 0 == run(folder, *where, *NOISE).status
        assert [0o700, 0o600] == [mode(made / name) for name in ("k=1", "k=1/part.parquet")]
        assert before == mode(made / "k=0/part.parquet")
        assert not in_place or mode(made) == 0o750

    @pytest.mark.parametrize("own", [0o700, 0o750])
    def test_an_empty_folder_that_is_replaced_keeps_its_own(self, folder: Path, own: int) -> None:
        out = folder.with_name("out")
        out.mkdir()
        out.chmod(own)
        assert 0 == run(folder, "-o", out, *NOISE).status
        assert own == mode(out)


class TestFolders:
    def test_are_exchanged_or_renamed_in_two_steps(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        copy = folder.with_name("out")
        assert 0 == run(folder, "-o", copy, *NOISE).status
        monkeypatch.setattr(folder_output, "exchange", lambda *_: False)
        assert 0 == run(folder, "--in-place", *NOISE).status
        assert ["in", "out"] == names(folder.parent)
        for path in copy.rglob("*.parquet"):
            assert path.read_bytes() == (folder / path.relative_to(copy)).read_bytes()

    def test_that_lost_their_name_get_it_back_with_a_note(self, folder: Path) -> None:
        folder.rename(folder.with_name(".in.0123456789ab.old"))
        done = run(folder, "--in-place", *NOISE)
        assert (0, ["in"]) == (done.status, names(folder.parent))
        assert done.messages == (
            f"noisify: note: {folder} has its name again; a run that was stopped had left it as "
            ".in.0123456789ab.old\n"
        )

    def test_that_cannot_be_removed_are_named(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(folder_output, "remove_folder", lambda _: None)
        done = run(folder, "--in-place", *NOISE)
        left = next(name for name in names(folder.parent) if name != "in")
        assert (1, 1) == (done.status, len(done.lines))
        assert "is replaced, and what it was cannot be removed" in done.messages
        assert left in done.messages

    def test_that_were_being_replaced_as_the_process_died_get_their_name_back(
        self, folder: Path
    ) -> None:
        """The names between the two renames are those that the next run looks for."""
        script = """
import os, sys
from pathlib import Path
from noisify.cli import main
from noisify.files import folder_output
rename = Path.rename
Path.rename = lambda path, target: (rename(path, target), os._exit(9))
folder_output.exchange = lambda *_: False
main(sys.argv[1:])
"""
        died = subprocess.run(
            [sys.executable, "-c", script, str(folder), "--in-place", *NOISE],
            env=clean_environment(),
            check=False,
        )
        assert (9, False) == (died.returncode, folder.exists())
        done = run(folder, "--in-place", *NOISE)
        assert (0, True) == (done.status, "has its name again" in done.messages)
        assert (folder / "k=0/part.parquet").exists()

    def test_that_cannot_get_their_name_leave_the_old_one(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        renamed = Path.rename

        def fail(path: Path, target: Path) -> Path:
            if path.suffix == ".tmp":
                raise OSError(errno.EIO, "Input/output error")
            return renamed(path, target)

        before = {path: path.read_bytes() for path in folder.rglob("*.parquet")}
        monkeypatch.setattr(folder_output, "exchange", lambda *_: False)
        monkeypatch.setattr(Path, "rename", fail)
        done = run(folder, "--in-place", *NOISE)
        assert (1, 1, ["in"]) == (done.status, len(done.lines), names(folder.parent))
        assert before == {path: path.read_bytes() for path in folder.rglob("*.parquet")}

    @pytest.mark.parametrize("at_once", [True, False])
    def test_whose_name_cannot_be_synced_are_replaced_and_told_of(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, *, at_once: bool
    ) -> None:
        def fail(_: Path) -> None:
            raise OSError(errno.EIO, "Input/output error")

        if not at_once:
            monkeypatch.setattr(folder_output, "exchange", lambda *_: False)
        monkeypatch.setattr(file_output, "sync_folder", fail)
        before = (folder / "k=0/part.parquet").read_bytes()
        done = run(folder, "--in-place", *NOISE)
        assert (1, 1, ["in"]) == (done.status, len(done.lines), names(folder.parent))
        assert before != (folder / "k=0/part.parquet").read_bytes()

    def test_that_are_empty_or_links_are_copied(self, folder: Path) -> None:
        (folder / "empty").mkdir()
        assert 0 == run(folder, "-o", folder.with_name("out"), *NOISE).status
        assert ["empty", "k=0", "k=1"] == names(folder.with_name("out"))


class TestFolderOfTheOutput:
    """A name outlives a power cut once its folder is synced."""

    def test_is_synced_once_the_output_has_its_name(
        self, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        out, synced = tmp_path / "out.csv", os.fsync
        seen = []

        def note(descriptor: int) -> None:
            synced(descriptor)
            is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
            seen.append((is_folder, out.exists()))

        monkeypatch.setattr(os, "fsync", note)
        assert 0 == run(table, "-o", out, *NOISE).status
        assert [(False, False), (True, True)] == seen

    @pytest.mark.parametrize("failure", ["EIO", "ENOSPC", "EDQUOT", "EINVAL", "EACCES"])
    def test_that_cannot_be_synced_is_an_error_if_the_disk_fails(
        self, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: str
    ) -> None:
        number, synced = getattr(errno, failure), os.fsync

        def fail(descriptor: int) -> None:
            if stat.S_ISDIR(os.fstat(descriptor).st_mode):
                raise OSError(number, os.strerror(number))
            synced(descriptor)

        monkeypatch.setattr(os, "fsync", fail)
        done = run(table, "-o", tmp_path / "out.csv", *NOISE)
        expected = 0 if failure in {"EINVAL", "EACCES"} else 1
        assert (expected, expected) == (done.status, len(done.lines))
        assert (tmp_path / "out.csv").exists()


class TestFailingMidway:
    def test_says_which_outputs_are_complete_and_their_seed(
        self, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        replaced = Path.replace

        def fail(path: Path, target: Path) -> Path:
            if target.name == "data_scale-1.csv":
                raise OSError(errno.EIO, "Input/output error")
            return replaced(path, target)

        monkeypatch.setattr(Path, "replace", fail)
        out = tmp_path / "out"
        done = run(table, "--output-dir", out, "--sweep", "scale=1,2,3")
        seed, line = done.lines
        assert (1, True) == (done.status, seed.startswith("noisify: seed "))
        assert ["data_scale-2.csv", "data_scale-3.csv"] == names(out)
        assert line == (
            f"noisify: {out}/data_scale-1.csv: cannot be written: Input/output error; "
            f"{out}/data_scale-2.csv, {out}/data_scale-3.csv are complete"
        )

    def test_a_report_that_cannot_be_written_is_found_before_anything_is_made(
        self, table: Path, tmp_path: Path
    ) -> None:
        done = run(table, "-o", tmp_path / "out.csv", *NOISE, "--report", tmp_path / "no/r.json")
        assert (1, 1) == (done.status, len(done.lines))
        assert ["data.csv"] == names(tmp_path)

    def test_a_report_that_exists_is_kept(self, table: Path, tmp_path: Path) -> None:
        (tmp_path / "r.json").write_text("{}")
        report = ("--report", tmp_path / "r.json", "--no-clobber")
        done = run(table, "-o", tmp_path / "out.csv", *NOISE, *report)
        assert (2, 1) == (done.status, len(done.lines))
        assert ["data.csv", "r.json"] == names(tmp_path)

    def test_a_folder_that_cannot_be_synced_is_an_error_and_the_output_stays(
        self, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(_: Path) -> None:
            raise OSError(errno.EIO, "Input/output error")

        monkeypatch.setattr(file_output, "sync_folder", fail)
        done = run(table, "-o", tmp_path / "out.csv", *NOISE)
        assert (1, 1) == (done.status, len(done.lines))
        assert "complete, and may be lost at a power cut" in done.messages
        monkeypatch.undo()
        assert noisy(table, "-s", 1) == (tmp_path / "out.csv").read_bytes()


class TestLinks:
    def test_out_of_the_folder_of_outputs_are_not_followed(
        self, table: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "outside").write_bytes(b"kept")
        (tmp_path / "out").mkdir()
        (tmp_path / "out/data.csv").symlink_to(tmp_path / "outside")
        done = run(table, "--output-dir", tmp_path / "out", *NOISE)
        assert (2, 1) == (done.status, len(done.lines))
        assert "is a link that leads out of" in done.messages
        assert b"kept" == (tmp_path / "outside").read_bytes()

    def test_to_one_file_are_not_two_outputs(self, table: Path, tmp_path: Path) -> None:
        (tmp_path / "other.csv").write_bytes(TABLE)
        out = tmp_path / "out"
        out.mkdir()
        (out / "data.csv").write_bytes(b"old")
        (out / "other.csv").symlink_to("data.csv")
        done = run(table, tmp_path / "other.csv", "--output-dir", out, *NOISE)
        assert (2, 1) == (done.status, len(done.lines))
        assert b"old" == (out / "data.csv").read_bytes()

    def test_are_one_input_in_place(self, table: Path, tmp_path: Path) -> None:
        os.link(table, tmp_path / "other.csv")
        done = run(table, tmp_path / "other.csv", "--in-place", *NOISE)
        assert (2, 1) == (done.status, len(done.lines))
        assert TABLE == table.read_bytes()


@pytest.mark.parametrize(
    "words",
    [
        ("--where", "(" * 5000 + "x > 1" + ")" * 5000),
        ("--where", "not " * 5000 + "x > 1"),
        ("--chunk-size", "1" + "0" * 24),
        ("--chunk-size", "9" * 5000),
        ("--seed", "9" * 5000),
        ("-s", "9" * 5000),
        ("--loc", "9" * 5000),
        ("--rate", "9" * 5000, "-d", "missing"),
    ],
)
def test_words_that_are_too_much_are_refused(table: Path, words: tuple[str, ...]) -> None:
    done = run(table, *words)
    assert (2, 1, b"") == (done.status, len(done.lines), done.output)
    assert "unexpectedly" not in done.messages


@pytest.mark.parametrize("place", ["out", "above/out"])
@pytest.mark.parametrize(
    "words",
    [
        pytest.param(("--sweep", "scale=1,2", "-c", "missing"), id="field"),
        pytest.param(("--sweep", "df=0,1", "-d", "student-t"), id="parameter"),
        pytest.param(("-c", "missing"), id="one-output"),
        pytest.param(("--replicates", "2", "--report", "data.csv"), id="clash"),
    ],
)
def test_a_batch_that_fails_in_planning_leaves_no_folder(
    table: Path, tmp_path: Path, place: str, words: tuple[str, ...]
) -> None:
    words = tuple(str(table) if word == "data.csv" else word for word in words)

    done = run(table, "--output-dir", tmp_path / place, "--seed", 1, *words)

    assert (2, 1) == (done.status, len(done.lines)), done.messages
    assert [table.name] == names(tmp_path)


def test_a_folder_that_was_there_stays_though_it_is_empty(table: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()

    run(table, "--output-dir", tmp_path / "out/deep", "-c", "missing", "--seed", 1)

    assert ["data.csv", "out"] == names(tmp_path)
    assert [] == names(tmp_path / "out")


def test_no_room_for_the_stack_of_a_thread_is_a_lack_of_memory() -> None:
    said = "Unknown error: Failed to launch worker thread: Resource temporarily unavailable"
    error = DataError("is not a readable Arrow IPC file")
    error.__context__ = pa.ArrowException(said)

    assert caused_by_memory(error)
    assert not caused_by_memory(DataError(said))
