"""The same seed, the same noise for the same cell; what was not asked to change does not change."""

from __future__ import annotations

import csv
import io
import subprocess
import time
from typing import TYPE_CHECKING

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from csv_text import quoted
from hypothesis import given
from hypothesis import strategies as st
from run_command import COMMAND, clean_environment, noisy, noisy_file, normal_noise, run

if TYPE_CHECKING:
    from pathlib import Path

COUNT = 9000  # more than one noise block of 8,192
TEMPERATURE = np.round(20 + 5 * np.sin(np.arange(COUNT) / 50), 3)
PRESSURE = np.round(1013 + np.cos(np.arange(COUNT) / 9), 2)

LEVELS = [
    pytest.param(("-s", "0.5"), id="absolute"),
    pytest.param(("-s", "5%"), id="percent"),
    pytest.param(("-s", "0.1sd"), id="sd"),
    pytest.param(("-s", "0.2iqr"), id="iqr"),
    pytest.param(("-s", "1%range"), id="range"),
    pytest.param(("--snr", "20"), id="snr"),
    pytest.param(("-s", "@pressure", "-c", "temperature"), id="other-field"),
    pytest.param(("--sd", "0.1sd", "-d", "laplace"), id="sd-of-the-noise"),
]


def write_csv(path: Path) -> None:
    rows = zip(TEMPERATURE.tolist(), PRESSURE.tolist(), strict=True)
    path.write_text(
        "id,temperature,pressure,note\n"
        + "".join(f'{i:05},{t!r},{p!r},"no, {i}"\n' for i, (t, p) in enumerate(rows))
    )


def read_csv(path: Path) -> tuple[np.ndarray, np.ndarray]:
    with path.open(newline="") as file:
        records = list(csv.reader(file))[1:]
    numbers = np.array([[float(record[1]), float(record[2])] for record in records])
    return numbers[:, 0], numbers[:, 1]


def write_parquet(path: Path) -> None:
    table = pa.table({"temperature": TEMPERATURE, "pressure": PRESSURE})
    pq.write_table(table, path, row_group_size=1234)


def read_parquet(path: Path) -> tuple[np.ndarray, np.ndarray]:
    table = pq.read_table(path)
    return table["temperature"].to_numpy(), table["pressure"].to_numpy()


def write_npy(path: Path) -> None:
    array = np.empty(COUNT, [("temperature", "<f8"), ("id", "<i4"), ("pressure", ">f8")])
    array["temperature"], array["id"], array["pressure"] = TEMPERATURE, 7, PRESSURE
    np.save(path, array)


def read_npy(path: Path) -> tuple[np.ndarray, np.ndarray]:
    array = np.load(path)
    return array["temperature"], array["pressure"].astype("<f8")


def write_hdf5(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("temperature", data=TEMPERATURE, chunks=(700,), compression="gzip")
        file.create_dataset("pressure", data=PRESSURE)


def read_hdf5(path: Path) -> tuple[np.ndarray, np.ndarray]:
    with h5py.File(path) as file:
        return file["temperature"][:], file["pressure"][:]


FORMATS = {
    "csv": (write_csv, read_csv),
    "parquet": (write_parquet, read_parquet),
    "npy": (write_npy, read_npy),
    "h5": (write_hdf5, read_hdf5),
}


@pytest.mark.parametrize("suffix", FORMATS)
def test_noise_depends_on_seed_field_and_position_only(tmp_path: Path, suffix: str) -> None:
    write, read = FORMATS[suffix]
    source = tmp_path / f"data.{suffix}"
    write(source)

    temperature, pressure = read(noisy_file(source, "-s", 0.5, "--seed", 99))

    expected = TEMPERATURE + 0.5 * normal_noise("temperature", COUNT, seed=99)
    assert expected.tobytes() == temperature.tobytes()
    expected = PRESSURE + 0.5 * normal_noise("pressure", COUNT, seed=99)
    assert expected.tobytes() == pressure.tobytes()


@pytest.mark.one_in(2)
@pytest.mark.parametrize("suffix", ["parquet", "npy", "h5"])
@pytest.mark.parametrize("level", LEVELS[:6])
def test_a_level_comes_to_the_same_in_every_format(
    tmp_path: Path, suffix: str, level: tuple[str, ...]
) -> None:
    write, read = FORMATS[suffix]
    write(tmp_path / f"data.{suffix}")
    write_csv(tmp_path / "data.csv")

    expected = read_csv(noisy_file(tmp_path / "data.csv", *level))
    actual = read(noisy_file(tmp_path / f"data.{suffix}", *level))

    assert [field.tobytes() for field in expected] == [field.tobytes() for field in actual]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("promise")
    for suffix, (write, _) in FORMATS.items():
        write(folder / f"data.{suffix}")
    return folder


@pytest.fixture(scope="module")
def small_csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("promise") / "small.csv"
    rows = zip(TEMPERATURE[:200].tolist(), PRESSURE[:200].tolist(), strict=True)
    path.write_text(
        'id,temperature,pressure,"no\nte"\r\n'
        + "".join(f'{i:03},{t!r},"{p!r}","a ""{i}""\r\nb, c"\r\n' for i, (t, p) in enumerate(rows))
    )
    return path


@pytest.mark.one_in(3)
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("jobs", [1, 2, 3])
@pytest.mark.parametrize("size", ["1", "37", "4k", "1GiB"])
def test_jobs_and_chunk_size_do_not_change_a_table(
    small_csv: Path, level: tuple[str, ...], jobs: int, size: str
) -> None:
    expected = noisy(small_csv, *level)

    assert expected == noisy(small_csv, *level, "--jobs", jobs, "--chunk-size", size)


@pytest.mark.one_in(2)
@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(
    "cut",
    [
        pytest.param(("--jobs", 2), id="two-jobs"),
        pytest.param(("--jobs", 3, "--chunk-size", "5000"), id="three-jobs-small-chunks"),
        pytest.param(("--jobs", 1, "--chunk-size", "1GiB"), id="one-chunk"),
    ],
)
def test_jobs_and_chunk_size_do_not_change_a_file(
    files: Path, suffix: str, level: tuple[str, ...], cut: tuple[object, ...]
) -> None:
    source = files / f"data.{suffix}"
    expected = noisy(source, *level, "--jobs", 1)

    actual = noisy(source, *level, *cut)

    assert expected == actual


class Dribble(io.RawIOBase):
    """A pipe whose writer hands over a few bytes at a time."""

    def __init__(self, data: bytes, pieces: list[int]) -> None:
        self._data = memoryview(data)
        self._pieces = pieces
        self._turn = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        piece = self._pieces[self._turn % len(self._pieces)]
        self._turn += 1
        count = min(len(buffer), piece, len(self._data))
        buffer[:count] = self._data[:count]
        self._data = self._data[count:]
        return count


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("pieces", [[1], [3, 1, 50], [10_000_000]], ids=["bytes", "few", "whole"])
def test_a_pipe_gives_what_the_file_gives(
    small_csv: Path, level: tuple[str, ...], pieces: list[int]
) -> None:
    expected = noisy(small_csv, *level)

    actual = noisy(*level, "-q", "--chunk-size", 100, given=Dribble(small_csv.read_bytes(), pieces))

    assert expected == actual


@pytest.mark.parametrize("suffix", ["npy", "parquet", "h5"])
def test_a_pipe_gives_what_the_binary_file_gives(files: Path, suffix: str) -> None:
    source = files / f"data.{suffix}"
    expected = noisy(source, "-s", "0.1sd")

    pipe = Dribble(source.read_bytes(), [5000, 1, 77])

    assert expected == noisy("-s", "0.1sd", "-q", given=pipe)


def test_a_slow_writer_on_a_real_pipe_gives_what_the_file_gives(small_csv: Path) -> None:
    expected = noisy(small_csv, "-s", 0.5)
    data = small_csv.read_bytes()

    with subprocess.Popen(
        [*COMMAND, "-s", "0.5", "--seed", "1"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=clean_environment(),
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for start in range(0, len(data), 997):
            process.stdin.write(data[start : start + 997])
            process.stdin.flush()
            time.sleep(0.005)
        process.stdin.close()
        actual = process.stdout.read()

    assert expected == actual


@pytest.mark.parametrize(
    "choice", ["temperature", "temperature,id", "pressure,temperature", "*,!note", ":number"]
)
def test_other_chosen_columns_do_not_change_a_columns_noise(tmp_path: Path, choice: str) -> None:
    source = tmp_path / "data.csv"
    write_csv(source)

    temperature, _ = read_csv(noisy_file(source, "-s", 0.5, "-c", choice))

    expected = TEMPERATURE + 0.5 * normal_noise("temperature", COUNT)
    assert expected.tobytes() == temperature.tobytes()


def test_another_columns_values_do_not_change_a_columns_noise() -> None:
    one = b"x,y\n0.5,1.5\n0.5,2.5\n"
    other = b"x,y\n0.5,\n0.5,7e300\n"

    x = [line.split(b",")[0] for line in noisy("-s", 1, "-q", given=one).splitlines()]

    assert x == [line.split(b",")[0] for line in noisy("-s", 1, "-q", given=other).splitlines()]


def test_appending_rows_does_not_change_the_first_rows() -> None:
    short = b"x\n0.5\n1.5\n"

    longer = noisy("-s", 1, given=short + b"2.5\n")

    assert longer.startswith(noisy("-s", 1, given=short))


def test_another_seed_gives_other_noise() -> None:
    table = b"x\n0.5\n"

    one, other = (noisy("-s", 1, "--seed", seed, given=table) for seed in (1, 2))

    assert one != other


def test_twice_the_scale_gives_twice_the_noise(tmp_path: Path) -> None:
    source = tmp_path / "zeros.npy"
    np.save(source, np.zeros(100))

    once = np.load(noisy_file(source, "-s", 1))
    twice = np.load(noisy_file(source, "-s", 2))

    assert (2 * once).tolist() == twice.tolist()


@pytest.mark.parametrize("dtype", ["<f4", ">f4", ">f8", "<f2"])
def test_narrow_and_swapped_floats_get_the_noise_of_float64(tmp_path: Path, dtype: str) -> None:
    values = np.arange(100).astype(dtype)
    source = tmp_path / "data.npy"
    np.save(source, values)

    actual = np.load(noisy_file(source, "-s", 0.5))

    expected = (values.astype(np.float64) + 0.5 * normal_noise("data", 100)).astype(dtype)
    assert expected.tobytes() == actual.tobytes()


# Arbitrary tables, cut at arbitrary places.

NUMBERS = st.one_of(
    st.floats(-1e6, 1e6).map(repr),
    st.integers(-99, 99).map(str),
    st.sampled_from(["", "NA", "1.50", "007", "+5", ".5", "5.", " 3.0 ", "1e3", "oops", "nan"]),
)
TEXTS = st.text(st.sampled_from('ab",\n\r é;1'), max_size=6)
ENDINGS = st.sampled_from(["\n", "\r\n"])


@st.composite
def hostile_tables(draw: st.DrawFn) -> bytes:
    """Two columns of numbers and one of text, as untidy as CSV allows."""
    ending = draw(ENDINGS)
    lines = ["x,text,y"]
    for x, text, y in draw(st.lists(st.tuples(NUMBERS, TEXTS, NUMBERS), max_size=12)):
        cells = [quoted(cell) if draw(st.booleans()) else cell for cell in (x, y)]
        lines.append(f"{cells[0]},{quoted(text)},{cells[1]}")
        if draw(st.integers(0, 5)) == 0:
            lines.append("")
    data = ending.join(lines)
    return (data + (ending if draw(st.booleans()) else "")).encode()


def outcome(*arguments: object, given: bytes | io.RawIOBase) -> tuple[int, bytes, str]:
    """Return what came of a run; the output only of one that did not fail."""
    done = run(*arguments, "--seed", 1, given=given)
    return done.status, b"" if done.status else done.output, done.messages


@given(table=hostile_tables(), size=st.integers(1, 300), jobs=st.integers(1, 3))
def test_any_cut_gives_the_same_table(table: bytes, size: int, jobs: int) -> None:
    arguments = ("-s", 0.5, "-c", "x,y", "-q")
    expected = outcome(*arguments, "--chunk-size", "1GiB", "--jobs", 1, given=table)

    assert expected == outcome(*arguments, "--chunk-size", size, "--jobs", jobs, given=table)


@given(
    table=hostile_tables(),
    size=st.integers(1, 300),
    pieces=st.lists(st.integers(1, 40), min_size=1, max_size=4),
)
def test_any_pipe_gives_the_same_table(table: bytes, size: int, pieces: list[int]) -> None:
    arguments = ("-s", "0.1sd", "-c", "x,y", "-q")
    expected = outcome(*arguments, given=table)

    pipe = Dribble(table, pieces)

    assert expected == outcome(*arguments, "--chunk-size", size, given=pipe)


@given(table=hostile_tables(), size=st.integers(1, 300))
def test_scale_zero_gives_any_table_back(table: bytes, size: int) -> None:
    assert table == noisy("-s", 0, "-c", "x,y", "-q", "--chunk-size", size, given=table)


@given(
    values=st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=60),
    size=st.integers(1, 500),
    jobs=st.integers(1, 3),
)
def test_any_cut_gives_the_same_array(values: list[float], size: int, jobs: int) -> None:
    file = io.BytesIO()
    np.save(file, np.array(values))
    expected = noisy("-s", "0.2iqr", "-q", given=file.getvalue())

    cut = ("--chunk-size", size, "--jobs", jobs)

    assert expected == noisy("-s", "0.2iqr", "-q", *cut, given=file.getvalue())
