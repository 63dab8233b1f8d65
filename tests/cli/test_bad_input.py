"""Bad input: one line that names the file, the right exit status, and nothing left behind."""

from __future__ import annotations

import io
import itertools
import os
import zipfile
from typing import TYPE_CHECKING

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from run_command import run, run_process

if TYPE_CHECKING:
    from pathlib import Path

VALUES = np.linspace(1, 2, 500)


def csv_file() -> bytes:
    return ("x,name\n" + "".join(f"{value!r},a\n" for value in VALUES.tolist())).encode()


def npy_file() -> bytes:
    file = io.BytesIO()
    np.save(file, VALUES)
    return file.getvalue()


def parquet_file() -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table({"x": VALUES}), file)
    return file.getvalue()


def hdf5_file() -> bytes:
    file = io.BytesIO()
    with h5py.File(file, "w") as tree:
        tree["x"] = VALUES
    return file.getvalue()


GOOD = {
    "csv": csv_file(),
    "tsv": csv_file().replace(b",", b"\t"),
    "npy": npy_file(),
    "parquet": parquet_file(),
    "h5": hdf5_file(),
}
BINARY = ["npy", "parquet", "h5"]
RANDOM = np.random.default_rng(1).bytes(5000)


def check_refused(folder: Path, name: str, content: bytes, status: int = 3) -> str:
    """Run on a file and on standard input, check that nothing is left, and return the message."""
    source = folder / name
    source.write_bytes(content)

    done = run(source, "-o", folder / f"out-{name}", "-s", 1)

    assert (status, b"", 1) == (done.status, done.output, len(done.lines)), done.messages
    assert done.messages.startswith(f"noisify: {source}")
    assert [source] == list(folder.iterdir())
    return done.messages


@pytest.mark.parametrize("suffix", GOOD)
def test_an_empty_file(tmp_path: Path, suffix: str) -> None:
    assert "is empty" in check_refused(tmp_path, f"data.{suffix}", b"")


@pytest.mark.parametrize("format_name", ["csv", "npy", "parquet", "hdf5"])
def test_empty_standard_input(format_name: str) -> None:
    done = run("-s", 1, "--from", format_name)

    assert (3, b"") == (done.status, done.output)
    assert ["noisify: standard input: is empty"] == done.lines


@pytest.mark.parametrize("content", [b"\n", b"\r\n\r\n", b"   \n", b"\xef\xbb\xbf"], ids=repr)
def test_a_table_of_blanks_only_passes_through(content: bytes) -> None:
    done = run("-s", 1, "--seed", 1, given=content)

    assert (0, content) == (done.status, done.output)
    assert ["noisify: note: standard input has no rows; it passes through as it is"] == done.lines


@pytest.mark.parametrize("suffix", BINARY)
@pytest.mark.parametrize("share", [0.001, 0.01, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file(tmp_path: Path, suffix: str, share: float) -> None:
    content = GOOD[suffix]

    check_refused(tmp_path, f"data.{suffix}", content[: max(1, int(len(content) * share))])


def test_a_table_that_ends_in_the_middle_of_a_record(tmp_path: Path) -> None:
    message = check_refused(tmp_path, "data.csv", GOOD["csv"][:-3])

    assert "line 501: has 1 cell where the first record has 2" in message


@pytest.mark.parametrize("suffix", GOOD)
def test_random_bytes(tmp_path: Path, suffix: str) -> None:
    check_refused(tmp_path, f"data.{suffix}", RANDOM)


@pytest.mark.parametrize("suffix", BINARY)
def test_random_bytes_after_the_right_start(tmp_path: Path, suffix: str) -> None:
    check_refused(tmp_path, f"data.{suffix}", GOOD[suffix][:8] + RANDOM)


@pytest.mark.parametrize("suffix", GOOD)
def test_zeros(tmp_path: Path, suffix: str) -> None:
    check_refused(tmp_path, f"data.{suffix}", bytes(5000))


@pytest.mark.parametrize(
    ("suffix", "content"),
    [
        (suffix, content)
        for suffix, content in itertools.permutations(GOOD, 2)
        if {suffix, content} != {"csv", "tsv"}
    ],
)
def test_the_wrong_format_for_its_suffix(tmp_path: Path, suffix: str, content: str) -> None:
    message = check_refused(tmp_path, f"data.{suffix}", GOOD[content])

    assert "--from" in message


@pytest.mark.parametrize("content", BINARY)
def test_the_wrong_format_for_from(content: str) -> None:
    done = run("-s", 1, "--from", "csv", given=GOOD[content])

    assert (3, b"", 1) == (done.status, done.output, len(done.lines))
    assert done.messages.startswith("noisify: standard input: ")


@pytest.mark.parametrize("suffix", ["npz", "zip", "csv", "csv.zip"])
def test_a_zip_archive(tmp_path: Path, suffix: str) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("x.csv", GOOD["csv"])
        archive.writestr("y.csv", GOOD["csv"])

    assert "ZIP" in check_refused(tmp_path, f"data.{suffix}", file.getvalue())


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le"])
def test_a_table_in_two_bytes_a_character(tmp_path: Path, encoding: str) -> None:
    check_refused(tmp_path, "data.csv", GOOD["csv"].decode().encode(encoding))


@pytest.mark.parametrize("suffix", ["csv", "parquet", ""])
def test_a_directory(tmp_path: Path, suffix: str) -> None:
    folder = tmp_path / (f"data.{suffix}" if suffix else "data")
    folder.mkdir()

    done = run(folder, "-o", tmp_path / "out", "-s", 1)

    expected = f"noisify: {folder}: is a folder without a file of a known format in it"
    assert (2, [expected]) == (done.status, done.lines)
    assert [folder] == list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", GOOD)
def test_a_missing_file(tmp_path: Path, suffix: str) -> None:
    source = tmp_path / f"data.{suffix}"

    done = run(source, "-o", tmp_path / "out", "-s", 1)

    assert (1, [f"noisify: {source}: cannot be read: No such file or directory"]) == (
        done.status,
        done.lines,
    )
    assert [] == list(tmp_path.iterdir())


def test_a_missing_file_in_a_missing_folder(tmp_path: Path) -> None:
    done = run(tmp_path / "none" / "data.csv", "-s", 1)

    assert (1, 1) == (done.status, len(done.lines))


def test_a_file_name_with_a_line_break_stays_on_one_line(tmp_path: Path) -> None:
    done = run(tmp_path / "two\nlines.csv", "-s", 1)

    assert (1, 1) == (done.status, len(done.lines))


def test_a_file_name_that_is_not_utf8_gives_no_traceback(tmp_path: Path) -> None:
    done = run_process(tmp_path / os.fsdecode(b"caf\xe9.csv"), "-s", 1)

    assert (1, 1) == (done.status, len(done.lines))


@pytest.mark.parametrize(
    "suffix", [pytest.param(s, marks=() if s == "h5" else pytest.mark.slow) for s in BINARY]
)
def test_no_traceback_and_no_warning_reaches_the_user(tmp_path: Path, suffix: str) -> None:
    source = tmp_path / f"data.{suffix}"
    source.write_bytes(GOOD[suffix][: len(GOOD[suffix]) // 2])

    done = run_process(source, "-o", tmp_path / "out", "-s", 1)

    assert (3, 1) == (done.status, len(done.lines)), done.messages
    assert [source] == list(tmp_path.iterdir())


@pytest.mark.parametrize("values", ["1e308\n-1e308", "1e308\n1.5e308"], ids=["apart", "beside"])
@pytest.mark.parametrize("level", [("-s", "0.1sd"), ("--snr", "20")], ids=" ".join)
def test_a_field_near_the_end_of_float64_gets_finite_noise(
    tmp_path: Path, values: str, level: tuple[str, str]
) -> None:
    source, target = tmp_path / "data.csv", tmp_path / "out.csv"
    source.write_text(f"x\n{values}\n")

    done = run(source, "-o", target, *level, "--seed", 1)

    assert (0, "") == (done.status, done.messages)
    before, after = (np.array(p.read_text().split()[1:], float) for p in (source, target))
    assert np.isfinite(after).all()
    assert (before != after).all()


def test_every_field_of_text_is_refused(tmp_path: Path) -> None:
    message = check_refused(tmp_path, "data.csv", b"a,b\nx,y\nz,w\n", status=2)

    assert "no field holds numbers" in message
