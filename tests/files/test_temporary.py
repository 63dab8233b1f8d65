"""Temporary files are removed at exit, even if a signal interrupted their owner."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from run_command import clean_environment, run

from noisify.core.errors import NoisifyError
from noisify.files import temporary
from noisify.files.leftovers import remove_leftovers

if TYPE_CHECKING:
    from pathlib import Path

TABLE = b"x,y\n0.5,1.5\n1.5,2.5\n"
FILE = 'file_output.FileOutput("out.csv").open()'
FOLDER = """
output = folder_output.FolderOutput(Path("in"), "out", in_place=False, clobber=True)
output.open()
part = output.member(Path("part"))
part.open()
part.file.write(b"bytes")
"""
COMPRESSED = """
output = open_output("out.csv.gz", compression=codecs.of_name("out.csv.gz").at_level(1))
output.open()
output.local_path()
"""
SPOOLED = """
sys.stdin = open(os.devnull)
Input("-").spool()
"""


@pytest.mark.parametrize("made", [FILE, FOLDER, COMPRESSED, SPOOLED])
def test_temporary_files_are_removed_at_exit(tmp_path: Path, made: str) -> None:
    (tmp_path / "in").mkdir()
    script = f"""
import os, sys
from pathlib import Path
from noisify.files import codecs, file_output, folder_output
from noisify.files.input import Input
from noisify.files.output import open_output
{made}
print(sorted(path.name for path in Path().iterdir() if path.name != "in"))
raise SystemExit(7)
"""
    environment = clean_environment({"TMPDIR": str(tmp_path)})
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (7, "") == (done.returncode, done.stderr)
    assert "[]" != done.stdout.strip()
    assert ["in"] == [path.name for path in tmp_path.iterdir()]


@pytest.mark.parametrize(
    "arguments",
    [
        ("in.csv", "-o", "out.csv"),
        ("in.csv", "-o", "new.csv", "--no-clobber"),
        ("in.csv", "-o", "out.csv.gz"),
        ("in.csv", "-o", "out.parquet"),
        ("-", "-o", "out.csv", "-s", "1sd"),
        ("folder", "-o", "new"),
        ("folder", "--in-place"),
    ],
)
def test_nothing_stays_registered_after_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.csv").write_bytes(TABLE)
    (tmp_path / "folder").mkdir()
    pq.write_table(pa.table({"x": [0.5, 1.5]}), tmp_path / "folder" / "part.parquet")
    registered = set(temporary._temporary)  # tests of failures may leave some
    done = run(*arguments, "--seed", 1, "-q", given=TABLE)
    assert (0, registered) == (done.status, temporary._temporary)
    assert [] == list(tmp_path.rglob("*.tmp"))


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"TMPDIR": "here"}, "here"),
        ({"TEMP": "here"}, "here"),
        ({"TMP": "here"}, "here"),
        ({"TMPDIR": "missing", "TMP": "here"}, "here"),
    ],
)
def test_the_folder_is_the_first_of_the_variables_that_exists(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    expected: str,
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()
    for name in ("TMPDIR", "TEMP", "TMP"):
        monkeypatch.delenv(name, raising=False)
    for name, text in variables.items():
        monkeypatch.setenv(name, text)
    assert (tmp_path / expected).absolute() == temporary.temporary_folder()


def test_no_folder_at_all_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(NoisifyError, match="point TMPDIR to one"):
        temporary.temporary_folder()


def test_the_folder_set_in_tempfile_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert tmp_path == temporary.temporary_folder()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no process forks here")
def test_a_forked_process_leaves_the_temporary_files_of_its_parent(tmp_path: Path) -> None:
    path = temporary.register(tmp_path / "kept")
    path.touch()
    script = "import os; from noisify.files.temporary import register; from pathlib import Path;"
    script += f"register(Path({str(path)!r})); os.fork() or exit(); os.wait(); os._exit(0)"
    subprocess.run([sys.executable, "-c", script], check=True, env=clean_environment())
    assert path.exists()
    temporary.remove(path)
    assert not path.exists()


def test_what_a_killed_run_left_of_its_outputs_is_removed(tmp_path):
    target, other = tmp_path / "o.csv", tmp_path / ".p.csv.0123456789ab.tmp"
    target.write_text("old")
    other.write_text("of another output")
    (tmp_path / ".o.csv.0123456789ab.tmp").write_text("half")
    for suffix in ("", ".gone"):
        parts = tmp_path / f".o.csv.0123456789ab.tmp.parts{suffix}"
        parts.mkdir()
        (parts / "part-00000").write_text("half")

    remove_leftovers([str(target)])

    assert [other, target] == sorted(tmp_path.iterdir())


def test_a_shared_folder_is_removed_while_another_process_makes_files_in_it(tmp_path, monkeypatch):
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "before").touch()
    late, remove_tree = [], shutil.rmtree

    def remove_while_others_write(folder, **_):
        with pytest.raises(FileNotFoundError):
            (shared / "late").touch()
        late.append(folder)
        remove_tree(folder, **_)

    monkeypatch.setattr(temporary.shutil, "rmtree", remove_while_others_write)
    temporary.remove_shared_folder(shared)

    assert late
    assert [] == list(tmp_path.iterdir())
