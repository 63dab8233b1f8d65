"""How far a command is: passes and files counted, per cent, and the time that is left."""

import re
import threading

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import feather
from run_command import run

from noisify.cli import messages
from noisify.cli.messages import Progress


def progress_of(size, count=1):
    return Progress(size, count, lambda: None, shown=False)


class TestText:
    def test_counts_passes_as_shares_of_the_input(self):
        progress = progress_of(100_000_000)
        progress.begin(100_000_000)
        progress.passes(2, 0)
        progress.advance(50_000_000)
        assert "25%, 50 MB, 5 MB/s, 0:30 left" == progress.text(10)
        progress.advance(50_000_000)
        progress.passes(1, 0)
        assert "50%, 100 MB, 5 MB/s, 0:20 left" == progress.text(20)
        progress.advance(100_000_000)
        assert "100%, 200 MB, 5 MB/s, 0:00 left" == progress.text(40)

    def test_more_passes_than_were_known_only_make_it_slower(self):
        progress = progress_of(100)
        progress.begin(100)
        shares = []
        for left in (2, 2, 2, 1):
            progress.passes(left, 0)
            for _ in range(4):
                progress.advance(25)
                shares.append(int(progress.text(1).split("%")[0]))
        assert sorted(shares) == shares
        assert 100 == shares[-1]

    def test_is_never_more_than_all(self):
        progress = progress_of(100)
        progress.begin(100)
        progress.passes(1, 0)
        progress.advance(461)
        assert "100%" in progress.text(1)

    def test_counts_over_all_files(self):
        progress = progress_of(4_000_000, 3)
        progress.end(1_000_000)
        progress.begin(2_000_000)
        progress.passes(1, 0)
        progress.advance(1_000_000)
        assert "50%, 1 of 3 files, 2 MB, 1 MB/s, 0:02 left" == progress.text(2)
        progress.end(2_000_000)
        assert "75%, 2 of 3 files, 2 MB, 1 MB/s, 0:01 left" == progress.text(2)

    def test_shows_hours(self):
        progress = progress_of(100)
        progress.end(10)
        assert progress.text(1000).endswith("2:30:00 left")

    def test_of_unknown_size_has_neither_per_cent_nor_time(self):
        progress = progress_of(0)
        progress.begin(0)
        progress.passes(1, 0)
        progress.advance(3_000_000)
        assert "3 MB, 1 MB/s" == progress.text(3)

    def test_is_told_from_several_threads(self):
        progress = progress_of(4000, 4000)
        threads = [
            threading.Thread(target=lambda: [progress.end(1) for _ in range(1000)])
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert "100%, 4,000 of 4,000 files" in progress.text(1)


def write_hdf5(path, values):
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=values, chunks=(500,), compression="gzip")


def write_feather(path, values):
    feather.write_feather(pa.table({"x": values}), path, compression="zstd", chunksize=500)


def shares(text):
    return [int(share) for share in re.findall(r"(\d+)%", text)]


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(messages, "_FIRST_SHOWN", 0)
    monkeypatch.setattr(messages, "_SHOWN_EVERY", 0)


@pytest.mark.usefixtures("impatient")
class TestRuns:
    @pytest.mark.one_in(2)
    @pytest.mark.parametrize(
        "options",
        [
            ("-s", 1),
            ("-s", "0.1sd"),
            ("-s", "0.1iqr"),
            ("--sweep", "scale=0.1sd,0.1iqr,3"),
            ("--replicates", 20),
        ],
    )
    @pytest.mark.parametrize("suffix", ["csv", "npy", "parquet", "h5", "feather"])
    def test_grow_to_the_end(self, tmp_path, options, suffix):
        path = tmp_path / f"data.{suffix}"
        values = np.random.default_rng(1).normal(size=20_000)
        frame = pd.DataFrame({"x": values})
        write = {
            "csv": lambda: frame.to_csv(path, index=False),
            "npy": lambda: np.save(path, values),
            "parquet": lambda: frame.to_parquet(path, row_group_size=1000),
            "h5": lambda: write_hdf5(path, np.round(values)),
            "feather": lambda: write_feather(path, np.round(values)),
        }
        write[suffix]()
        where = ("--output-dir", tmp_path / "out", "--chunk-size", 4096, "-j", 1)
        done = run(path, *where, *options, "--seed", 1, "--progress")
        assert 0 == done.status
        found = shares(done.messages)
        assert sorted(found) == found
        assert len(set(found)) > 5
        assert found[0] < 30
        assert found[-1] > 90

    def test_of_many_files_go_over_all(self, tmp_path):
        paths = [tmp_path / f"{number}.csv" for number in range(30)]
        for path in paths:
            path.write_text("x\n1.5\n2.5\n")
        done = run(*paths, "--output-dir", tmp_path / "out", "-s", 1, "--seed", 1, "--progress")
        found = shares(done.messages)
        assert sorted(found) == found
        assert 100 == found[-1]
        assert "30 of 30 files" in done.messages

    def test_notes_stand_on_lines_of_their_own(self, tmp_path):
        paths = [tmp_path / f"table{number}.csv" for number in range(3)]
        for path in paths:
            path.write_text("x\n")
        done = run(*paths, "--output-dir", tmp_path / "out", "-s", 1, "--seed", 1, "--progress")
        lines = [line.rpartition("\x1b[K")[2] for line in done.messages.split("\n")]
        assert 3 == sum(line.startswith("noisify: note: ") for line in lines)


def test_a_note_that_is_told_at_once_erases_the_line(capsys):
    progress = Progress(10, 1, lambda: None, shown=True)
    progress._next = 0
    progress.advance(1)
    progress.tell("waits")
    assert capsys.readouterr().err.endswith("\r\x1b[Knoisify: note: waits\n")
