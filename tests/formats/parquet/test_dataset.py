"""A folder of Parquet files is one table, whose tree is reproduced."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from run_command import normal_noise, run

from noisify.core.errors import UsageError
from noisify.files.folder_output import FolderOutput

if TYPE_CHECKING:
    from pathlib import Path

ROWS = 900
REQUIRED = pa.schema([pa.field("x", pa.float64(), nullable=False), ("l", pa.list_(pa.float64()))])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a hive-partitioned folder as Arrow's dataset writer makes it."""
    path = tmp_path / "in"
    table = pa.table(
        {
            "x": np.arange(ROWS) * 1.0,
            "l": pa.array([[float(i)] * (i % 3) for i in range(ROWS)]),
            "year": np.arange(ROWS) % 3 + 2020,
            "kind": ["ab"[i % 2] for i in range(ROWS)],
        }
    )
    parts = ds.partitioning(pa.schema([("year", pa.int64()), ("kind", pa.utf8())]), flavor="hive")
    options = {"max_rows_per_group": 70, "min_rows_per_group": 70}
    ds.write_dataset(table, path, format="parquet", partitioning=parts, **options)
    (path / "_SUCCESS").touch()
    (path / "notes").mkdir()
    (path / "notes" / "read.me").write_text("hello")
    return path


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def rows(folder: Path) -> pa.Table:
    """Return the rows of a folder's Parquet files in the order of their paths."""
    return pa.concat_tables([pq.ParquetFile(path).read() for path in data_files(folder)])


def data_files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.parquet"))


def noisy_folder(folder: Path, *options: object) -> Path:
    target = folder.with_name("out")
    done = run(folder, "-o", target, "--seed", 1, *options)
    assert (0, b"", "") == (done.status, done.output, done.messages)
    return target


def test_the_noise_is_that_of_all_the_rows_in_one_file(folder: Path) -> None:
    one = folder.with_name("one.parquet")
    pq.write_table(rows(folder), one)
    together = folder.with_name("together.parquet")
    assert run(one, "-o", together, "-s", "0.1sd", "--seed", 1).status == 0

    target = noisy_folder(folder, "-s", "0.1sd")

    assert pq.read_table(together).equals(rows(target))
    assert not rows(folder).equals(rows(target))


def test_the_tree_is_reproduced_and_read_as_partitions(folder: Path) -> None:
    target = noisy_folder(folder, "-s", 1, "-c", "x")

    assert files(folder) == files(target)
    assert "hello" == (target / "notes" / "read.me").read_text()
    query = "select year, kind, count(*) from read_parquet('{}/*/*/*.parquet') group by all order by all"  # noqa: E501
    before, after = (duckdb.sql(query.format(each)).fetchall() for each in (folder, target))
    assert before == after
    assert 6 == len(after)


def test_workers_do_not_show(folder: Path) -> None:
    first = noisy_folder(folder, "--jobs", 1)
    kept = first.rename(folder.with_name("kept"))
    second = noisy_folder(folder, "--jobs", 3, "--chunk-size", "1k")

    contents = [[path.read_bytes() for path in data_files(each)] for each in (kept, second)]
    assert contents[0] == contents[1]


def test_zero_noise_is_the_same_tree(folder: Path) -> None:
    target = noisy_folder(folder, "-s", 0)

    assert files(folder) == files(target)
    for name in files(folder):
        if (folder / name).is_file():
            assert (folder / name).read_bytes() == (target / name).read_bytes()


def test_in_place_replaces_the_folder(folder: Path) -> None:
    expected = [path.read_bytes() for path in data_files(noisy_folder(folder, "-s", 1))]
    before = files(folder)

    done = run(folder, "--in-place", "-s", 1, "--seed", 1)

    assert (0, "") == (done.status, done.messages)
    assert before == files(folder)
    assert expected == [path.read_bytes() for path in data_files(folder)]
    assert ["in", "out"] == files_beside(folder)


def files_beside(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.parent.iterdir())


def test_a_file_without_rows_is_there_again(folder: Path) -> None:
    empty = rows(folder).schema.empty_table()
    for name in ("year=2019", "year=2020/kind=b", "year=2030"):
        (folder / name).mkdir(exist_ok=True)
        pq.write_table(empty, folder / name / "empty.parquet")

    target = noisy_folder(folder, "-s", 1, "-c", "x")

    assert files(folder) == files(target)
    noised = rows(folder)["x"].to_numpy() + normal_noise("x", ROWS)
    assert noised.tolist() == rows(target)["x"].to_pylist()


def test_summaries_of_the_old_files_are_left_out_with_a_note(folder: Path) -> None:
    collected: list[pq.FileMetaData] = []
    for path in data_files(folder):
        collected.append(pq.read_metadata(path))
        collected[-1].set_file_path(path.relative_to(folder).as_posix())
    pq.write_metadata(rows(folder).schema, folder / "_metadata", metadata_collector=collected)
    pq.write_metadata(rows(folder).schema, folder / "_common_metadata")
    target = folder.with_name("out")

    done = run(folder, "-o", target, "-s", 1, "--seed", 1)

    note = "noisify: note: _metadata is left out: it says what the old files held"
    assert (0, [note]) == (done.status, done.lines)
    assert set(files(folder)) - set(files(target)) == {"_metadata"}


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (pa.table({"x": [0.5]}), "has no column 'l'"),
        (pa.table({"x": ["a"], "l": [[0.5]]}), "has 'x' as string"),
        (pa.table({"x": [0.5], "l": [[0.5]]}, REQUIRED), "has 'x' as double not null where"),
        (pa.table({"l": [[0.5]], "x": [0.5]}), "has its columns in another order"),
    ],
)
def test_a_file_with_other_columns_is_named(folder: Path, other: pa.Table, expected: str) -> None:
    odd = folder / "year=2021" / "odd.parquet"
    pq.write_table(other, odd)

    done = run(folder, "-o", folder.with_name("out"), "-s", 1, "--seed", 1)

    assert (3, 1) == (done.status, len(done.lines))
    assert done.messages.startswith(f"noisify: {odd}: {expected}")
    assert ["in"] == files_beside(folder)


def test_a_damaged_file_leaves_nothing(folder: Path) -> None:
    broken = data_files(folder)[-1]
    data = bytearray(broken.read_bytes())
    data[4:400] = bytes(396)
    broken.write_bytes(data)

    done = run(folder, "-o", folder.with_name("out"), "-s", 1, "--seed", 1)

    assert (3, 1) == (done.status, len(done.lines))
    assert str(broken) in done.messages
    assert ["in"] == files_beside(folder)


def test_links_inside_are_kept_and_links_out_are_refused(folder: Path) -> None:
    (folder / "latest").symlink_to("year=2022")
    target = noisy_folder(folder, "-s", 1)
    assert "year=2022" == str((target / "latest").readlink())

    outside = folder.with_name("secret.parquet")
    pq.write_table(rows(folder), outside)
    for place in ("../secret.parquet", outside):
        link = folder / "more.parquet"
        link.symlink_to(place)
        done = run(folder, "-o", folder.with_name("other"), "-s", 1, "--seed", 1)
        link.unlink()
        assert (3, 1) == (done.status, len(done.lines))
        assert "is a link out of the folder" in done.messages
    assert ["in", "out", "secret.parquet"] == files_beside(folder)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), "name it with -o"),
        (("-o", "{folder}"), "is also the input"),
        (("-o", "{folder}/sub"), "would be inside the input"),
        (("-o", "{folder}/.."), "or hold it"),
        (("-o", "{folder}/../full"), "is a folder with files in it"),
        (("-o", "{folder}/../file"), "is a file"),
        (("-o", "{folder}/../empty", "--no-clobber"), "exists, and --no-clobber keeps it"),
        (("-o", "{folder}/../out.csv"), "is written as a folder of Parquet files"),
        (("-o", "{folder}/../new", "--append"), "is for one file"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    folder: Path, options: tuple[str, ...], expected: str
) -> None:
    folder.with_name("full").mkdir()
    (folder.with_name("full") / "file").touch()
    folder.with_name("empty").mkdir()
    folder.with_name("file").touch()
    before = files(folder.parent)

    done = run(folder, "-s", 1, "--seed", 1, *(each.format(folder=folder) for each in options))

    assert (2, 1) == (done.status, len(done.lines)), done.messages
    assert expected in done.messages
    assert before == files(folder.parent)


def test_an_empty_folder_may_be_the_output(folder: Path) -> None:
    folder.with_name("out").mkdir()

    assert files(folder) == files(noisy_folder(folder, "-s", 1))


def test_a_folder_that_another_run_makes_meanwhile_is_kept(folder: Path) -> None:
    out = folder.with_name("out")
    output = FolderOutput(folder, out, in_place=False, clobber=True)
    output.open()
    (output.folder / "mine").touch()
    out.mkdir()
    (out / "theirs").touch()

    with pytest.raises(UsageError, match="is a folder with files in it; give another name"):
        output.commit()
    output.discard()

    assert (["theirs"], ["in", "out"]) == (files(out), files_beside(folder))


def test_a_logged_table_is_refused(folder: Path) -> None:
    (folder / "_delta_log").mkdir()
    (folder / "_delta_log" / "0.json").write_text("{}")

    done = run(folder, "-o", folder.with_name("out"), "-s", 1)

    assert (3, 1) == (done.status, len(done.lines))
    assert "_delta_log: logs every file" in done.messages


def test_rows_are_dropped_in_each_file(folder: Path) -> None:
    target = noisy_folder(folder, "-d", "drop-rows", "--rate", "50%")

    kept = rows(target)
    assert 350 < kept.num_rows < 550
    assert files(folder) == files(target)
    before = {row["x"]: row for row in rows(folder).to_pylist()}
    assert kept.to_pylist() == [before[row["x"]] for row in kept.to_pylist()]


def test_several_outputs_come_from_one_folder(folder: Path) -> None:
    out = folder.with_name("sweep")

    done = run(folder, "--output-dir", out, "--sweep", "scale=0,1", "--seed", 1)

    assert done.status == 0, done.messages
    assert rows(folder).equals(rows(out / "in_scale-0"))
    assert not rows(folder).equals(rows(out / "in_scale-1"))
