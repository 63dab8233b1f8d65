"""Parquet: however a row group's columns are shared out among pieces, the same file comes out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from run_command import run

from noisify.formats.parquet import chunk_records, thrift
from noisify.formats.parquet import footer as parts
from noisify.formats.parquet.footer import Footer
from noisify.formats.parquet.source import ParquetSource

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from noisify.core.chunk import Field

ROWS = 3000
FLOATS = [f"x{number}" for number in range(6)]


@pytest.fixture
def wide(tmp_path: Path) -> Path:
    """Return a file whose columns with noise and without take turns, in two row groups."""
    path = tmp_path / "wide.parquet"
    columns: dict[str, object] = {}
    for number, name in enumerate(FLOATS):
        columns[name] = pa.array(
            [None if i % 97 == number else i / (3 + number) for i in range(ROWS)]
        )
        columns[f"word{number}"] = [f"{name} {i % 50}" for i in range(ROWS)]
    columns["n"] = np.arange(ROWS)
    columns["label"] = pa.array([f"label {i // 300}" for i in range(ROWS)]).dictionary_encode()
    columns["point"] = [{"x": i / 7, "y": i / 9} for i in range(ROWS)]
    pq.write_table(pa.table(columns), path, row_group_size=2000, write_page_index=True)
    return path


def pieces(
    path: Path, groups: Sequence[Sequence[str]], chunk_bytes: int
) -> list[tuple[int, tuple[int, ...], bool]]:
    """Return the row group, the leaves and the end of each piece."""
    source = ParquetSource(path, str(path))
    fields: dict[str, Field] = {field.name: field for field in source.fields}
    wanted = [[fields[name] for name in group] for group in groups]
    found = source.read(wanted, chunk_bytes).pieces
    return [(piece.group, piece.leaves, piece.closes) for piece in found]


OPTIONS = [
    [],
    ["-c", "x1,x4"],
    ["-c", "x5"],
    ["-c", ":number"],
    ["-c", "point.y,x0"],
    ["-s", "0.1sd"],
    ["-s", "0.1@x5", "-c", "x0,x3"],
    ["-d", "missing", "--rate", "0.2", "--where", "n > 2100"],
    ["--where", "x3 > 400"],
    ["-d", "shuffle", "--rate", "0.9", "-c", "x0,x4"],
    ["-d", "drop-rows", "--rate", "0.5"],
    ["-d", "duplicate-rows", "--rate", "0.5"],
    ["--noise", "normal:1", "--noise", "drop-rows:0.5"],
    ["--noise", "x0=normal:1", "--noise", "x1,x4=swap-fields:0.3"],
    ["-d", "correlated", "-c", "x1,x3"],
    ["--rng", "numpy"],
    ["--noise", "label=flip:0.2", "--noise", "word3=typo:0.2"],
]
EACH_COLUMN = 2000
"""A chunk size at which each column of the file is a slice of its own, with all rows."""
SIZES = [1, EACH_COLUMN, 10_000, 1 << 20]
"""Chunk sizes, from slices of some rows of each column to one slice a row group."""


@pytest.mark.parametrize("options", OPTIONS, ids=" ".join)
def test_the_same_file_comes_out(wide: Path, options: list[str]) -> None:
    outputs = []
    for size, jobs in zip(SIZES, (3, 1, 3, 1), strict=True):
        report = wide.with_name("report.json")
        words = ["-j", jobs, "--chunk-size", size, "--seed", 7, "--report", report]
        done = run(wide, "-o", "-", *words, *options)
        assert done.status == 0, done.messages
        outputs.append(done.output)

    assert all(output == outputs[0] for output in outputs)
    assert outputs[0] != wide.read_bytes()


def test_each_group_of_columns_is_a_piece_of_its_own_if_it_is_large(wide: Path) -> None:
    assert pieces(wide, [["x0"], ["x1"], ["x5"]], EACH_COLUMN) == [
        (group, leaves, leaves == (10,)) for group in (0, 1) for leaves in [(0,), (2,), (10,)]
    ]


def test_small_columns_share_a_piece(wide: Path) -> None:
    every = tuple(range(0, 12, 2))

    found = pieces(wide, [[name] for name in FLOATS], 1 << 20)

    assert found == [(0, every, True), (1, every, True)]


def test_rows_of_columns_that_are_larger_yet_are_sliced(wide: Path) -> None:
    found = pieces(wide, [["x0"], ["x1"]], 1)

    assert found == [(0, (0,), False)] * 2 + [(0, (2,), True)] * 2 + [
        (1, (0,), False),
        (1, (2,), True),
    ]


def test_columns_between_those_that_go_together_go_with_them(wide: Path) -> None:
    found = pieces(wide, [["x0"], ["x1", "x3"], ["x2"], ["x4"]], 4 * EACH_COLUMN)

    assert [leaves for group, leaves, _ in found if group == 0] == [(0,), (2, 4, 6), (8,)]


def test_where_nothing_is_wanted_row_groups_still_come(wide: Path) -> None:
    assert pieces(wide, [], 1) == [(0, (), True), (1, (), True)]


@pytest.mark.parametrize("first", [0, 3, 5])
def test_a_change_in_a_later_column_alone_keeps_the_bytes_of_the_others(
    wide: Path, first: int
) -> None:
    # The file is begun only when something has changed: in whichever piece and row group that is.
    quiet = ",".join(FLOATS[:first]) or "n"
    recipe = wide.with_name("recipe.toml")
    recipe.write_text(
        f'[[noise]]\nfields = "{quiet}"\nmodel = "normal"\nscale = 0\n'
        f'[[noise]]\nfields = "{FLOATS[first]}"\nmodel = "normal"\nscale = 1\nwhere = "n >= 2000"\n'
    )

    size = ("--chunk-size", EACH_COLUMN)
    done = run(wide, "-o", wide.with_name("out.parquet"), "--recipe", recipe, "--seed", 1, *size)

    assert done.status == 0, done.messages
    old, new = pq.ParquetFile(wide), pq.ParquetFile(wide.with_name("out.parquet"))
    assert old.read_row_group(0) == new.read_row_group(0)
    before, after = old.read_row_group(1), new.read_row_group(1)
    assert [name for name in before.column_names if before[name] != after[name]] == [FLOATS[first]]


def test_a_sweep_writes_from_one_reading_what_single_runs_write(
    wide: Path,
) -> None:
    folder = wide.with_name("sweep")
    swept = run(wide, "--output-dir", folder, "--sweep", "scale=0,0.5,2", "--seed", 1,
                "--chunk-size", EACH_COLUMN)  # fmt: skip
    assert swept.status == 0, swept.messages

    for scale in ("0", "0.5", "2"):
        single = run(wide, "-o", "-", "-s", scale, "--seed", 1)
        found = folder / f"wide_scale-{scale}.parquet"
        assert found.read_bytes() == single.output


def test_a_mask_has_a_row_for_each_row_and_gives_the_file_back(
    wide: Path,
) -> None:
    noisy, mask = wide.with_name("noisy.parquet"), wide.with_name("mask.parquet")
    made = run(wide, "-o", noisy, "--mask", mask, "--mask-values", "-s", "1", "--seed", 3,
               "--chunk-size", EACH_COLUMN)  # fmt: skip
    assert made.status == 0, made.messages
    assert pq.read_metadata(mask).num_rows == ROWS

    back = run("--restore", mask, noisy, "-o", wide.with_name("back.parquet"))

    assert back.status == 0, back.messages
    assert pq.read_table(wide.with_name("back.parquet")) == pq.read_table(wide)


@pytest.fixture
def gaps(tmp_path: Path) -> Path:
    """Return a file with row groups that have no rows."""
    path = tmp_path / "gaps.parquet"
    table = pa.table(
        {
            "x": np.arange(50) / 8,
            "l": pa.array([[i / 3] * (i % 3) for i in range(50)]),
            "y": np.arange(50) / 9,
        }
    )
    with pq.ParquetWriter(path, table.schema) as writer:
        for part in (table[:0], table[:30], table[:0], table[30:], table[:0]):
            writer.write_table(part)
    return path


def group_rows(path: Path) -> list[int]:
    about = pq.read_metadata(path)
    return [about.row_group(number).num_rows for number in range(about.num_row_groups)]


@pytest.mark.parametrize("columns", ["x", "x,y", "l[]", "l[],y"])
@pytest.mark.parametrize("size", [1, 100, 1 << 20])
def test_row_groups_without_rows_stay(gaps: Path, columns: str, size: int) -> None:
    noisy = gaps.with_name("noisy.parquet")

    common = (gaps, "-c", columns, "--seed", 1, "--chunk-size", size)

    assert run(*common, "-o", noisy, "-s", "1").status == 0
    still = run(*common, "-o", "-", "-s", "0")

    assert group_rows(noisy) == group_rows(gaps) == [0, 30, 0, 20, 0]
    assert pq.read_table(noisy).num_rows == 50
    assert still.output == gaps.read_bytes()


def test_an_empty_row_group_that_says_it_is_large_is_written_too(gaps: Path) -> None:
    with gaps.open("rb") as file:
        footer = Footer(file, "gaps", "parquet-cpp")
    groups = [footer.group(number) for number in range(len(footer))]
    groups[2].rows[2][chunk_records.UNCOMPRESSED] = 1 << 25
    written = footer.written([group.written() for group in groups], 50)
    gaps.write_bytes(gaps.read_bytes()[: footer.start] + written)
    noisy = gaps.with_name("noisy.parquet")

    assert run(gaps, "-o", noisy, "-c", "x,y", "-s", "1", "--seed", 1).status == 0

    assert group_rows(noisy) == [0, 30, 0, 20, 0]
    assert pq.read_table(noisy)["l"] == pq.read_table(gaps)["l"]


def test_a_column_that_gets_noise_and_is_not_described_is_refused(gaps: Path) -> None:
    with gaps.open("rb") as file:
        footer = Footer(file, "gaps", "parquet-cpp")
    groups = [footer.group(number) for number in range(len(footer))]
    encoded = [group.written() for group in groups]
    group, _ = thrift.read(encoded[3])
    group[parts.CHUNKS].values[0].put(chunk_records.METADATA, thrift.STRUCT, None)
    written = footer.written([*encoded[:3], thrift.written(group), *encoded[4:]], 50)
    gaps.write_bytes(gaps.read_bytes()[: footer.start] + written)

    done = run(gaps, "-o", gaps.with_name("noisy.parquet"), "-c", "x,y", "-s", "1", "--seed", 1)

    assert done.status == 3
    assert len(done.lines) == 1
    assert not gaps.with_name("noisy.parquet").exists()
