"""Many outputs from one input: sweeps, replicates, appended copies."""

import io

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from run_command import noisy, noisy_file, run

ROWS = 300


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "data.csv"
    values = np.round(np.sin(np.arange(ROWS)), 3)
    pd.DataFrame({"id": np.arange(ROWS), "x": values, "y": values * 2}).to_csv(path, index=False)
    return path


def files(folder):
    """Return the names of the outputs in a folder."""
    return sorted(path.name for path in folder.iterdir() if path.name != "index.csv")


class TestSweep:
    def test_makes_an_output_for_each_value_as_a_run_of_its_own_would(self, source, tmp_path):
        folder = tmp_path / "out"
        done = run(source, "--sweep", "scale=0.1,5%,0.2sd", "--output-dir", folder, "--seed", 1)
        assert (0, "") == (done.status, done.messages)
        names = [f"data_scale-{value}.csv" for value in ("0.1", "0.2sd", "5%")]
        assert names == files(folder)
        for value in ("0.1", "5%", "0.2sd"):
            made = (folder / f"data_scale-{value}.csv").read_bytes()
            assert noisy(source, "-s", value) == made

    def test_several_multiply(self, source, tmp_path):
        folder = tmp_path / "out"
        options = ("--sweep", "df=2,9", "--sweep", "scale=1,2", "-d", "t", "--replicates", 2)
        assert 0 == run(source, *options, "--output-dir", folder, "--seed", 1).status
        assert 8 == len(files(folder))
        made = (folder / "data_df-9_scale-2_1.csv").read_bytes()
        assert noisy(source, "-d", "t", "--df", 9, "-s", 2) == made

    @pytest.mark.parametrize("key", ["sd", "snr", "rate"])
    def test_takes_every_way_to_say_how_much(self, source, tmp_path, key):
        model = ("-d", "missing") if key == "rate" else ()
        folder = tmp_path / "out"
        values = "0.1,0.2"
        done = run(
            source, *model, "--sweep", f"{key}={values}", "--output-dir", folder, "--seed", 1
        )
        assert 0 == done.status
        option = f"--{key}"
        assert noisy(source, *model, option, 0.2) == (folder / f"data_{key}-0.2.csv").read_bytes()

    def test_reads_more_outputs_than_fit_one_reading(self, source, tmp_path):
        folder = tmp_path / "out"
        values = ",".join(str(i / 10) for i in range(1, 21))
        assert 0 == run(source, "--sweep", f"scale={values}", "--output-dir", folder).status
        assert 20 == len(files(folder))

    @pytest.mark.parametrize(
        ("text", "values"),
        [
            ("0.1:0.5:0.1", ["0.1", "0.2", "0.3", "0.4", "0.5"]),
            ("0.1:1:0.4", ["0.1", "0.5", "0.9"]),
            ("1:3:1", ["1", "2", "3"]),
            ("1%:3%:1%", ["1%", "2%", "3%"]),
            ("0.1:0.3:0.1sd", ["0.1sd", "0.2sd", "0.3sd"]),
            ("2:1:-0.5,7", ["2.0", "1.5", "1.0", "7"]),
            (" 1 : 2 : 1 ", ["1", "2"]),
            ("3:3:1", ["3"]),
        ],
    )
    def test_counts_from_to_by(self, source, tmp_path, text, values):
        folder = tmp_path / "out"
        done = run(source, "--sweep", f"scale={text}", "--output-dir", folder, "--seed", 1)
        assert (0, "") == (done.status, done.messages)
        assert sorted(f"data_scale-{value}.csv" for value in values) == files(folder)

    def test_takes_models(self, source, tmp_path):
        folder = tmp_path / "out"
        options = ("--sweep", "scale=1,2", "--sweep", "model=normal,t", "-p", "loc=1")
        assert 0 == run(source, *options, "--output-dir", folder, "--seed", 1).status
        made = (folder / "data_scale-2_model-t.csv").read_bytes()
        assert noisy(source, "-d", "student-t", "-s", 2, "-p", "loc=1") == made
        assert 4 == len(files(folder))

    def test_takes_models_whose_parameters_are_not_normal_noises(self, source, tmp_path):
        folder = tmp_path / "out"
        options = ("--sweep", "model=missing,outlier", "--rate", "5%")
        assert 0 == run(source, *options, "--output-dir", folder, "--seed", 1).status
        made = (folder / "data_model-missing.csv").read_bytes()
        assert noisy(source, "-d", "missing", "--rate", "5%") == made

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (("--sweep", "scale=1:3:0", "--output-dir", "out"), "no step of 0 leads from 1 to 3"),
            (("--sweep", "scale=1:3:-1", "--output-dir", "out"), "no step of -1 leads from 1"),
            (("--sweep", "scale=1%:3sd:1", "--output-dir", "out"), "has several units, % and sd"),
            (("--sweep", "scale=0:1:1e-9", "--output-dir", "out"), "at most 10,000"),
            (("--sweep", "scale=1:3", "--output-dir", "out"), "is not a level"),
            (("--sweep", "model=normal,x", "--output-dir", "out"), "no model is called 'x'"),
            (("--sweep", "scale=1,2"), "2 outputs need --output-dir"),
            (("--sweep", "scale=1,2", "-o", "x.csv"), "2 outputs need --output-dir"),
            (("--sweep", "rate=1,2", "--output-dir", "out"), "normal noise has no rate"),
            (("--sweep", "scale=1,1", "--output-dir", "out"), "a repeated value"),
            (("--sweep", "scale=1,2", "--output-dir", "out", "--name", "a.csv"), "both become"),
            (("--sweep", "scale=1,x", "--output-dir", "out"), "'x' is not a level"),
            (("--sweep", "scale=1,2", "-n", "-v"), "prints the recipe of one run"),
            (("--sweep", "scale", "--output-dir", "out"), "not KEY=A,B,C"),
        ],
    )
    def test_what_cannot_be_is_refused_before_anything_is_written(
        self, source, tmp_path, monkeypatch, options, message
    ):
        monkeypatch.chdir(tmp_path)
        done = run(source, *options)
        assert 2 == done.status
        assert message in done.messages.replace("would both", "both")
        assert ["data.csv"] == [path.name for path in tmp_path.rglob("*") if path.is_file()]


class TestReplicates:
    def test_the_first_is_the_plain_run_and_the_others_are_independent(self, source, tmp_path):
        folder = tmp_path / "out"
        run(source, "-s", 1, "--replicates", 3, "--output-dir", folder, "--seed", 1)
        assert ["data_1.csv", "data_2.csv", "data_3.csv"] == files(folder)
        assert noisy(source, "-s", 1) == (folder / "data_1.csv").read_bytes()
        before = pd.read_csv(source)["x"]
        noise = [pd.read_csv(folder / name)["x"] - before for name in files(folder)]
        for one, other in ((0, 1), (0, 2), (1, 2)):
            assert abs(np.corrcoef(noise[one], noise[other])[0, 1]) < 4.5 / np.sqrt(ROWS)


class TestAppend:
    def test_writes_the_original_then_the_copies(self, source, tmp_path):
        out = noisy(source, "-s", 1, "--append", "--replicates", 2)
        folder = tmp_path / "out"
        run(source, "-s", 1, "--replicates", 2, "--output-dir", folder, "--seed", 1)
        copies = [(folder / f"data_{n}.csv").read_bytes().split(b"\n", 1)[1] for n in (1, 2)]
        assert source.read_bytes() + b"".join(copies) == out

    def test_ends_the_last_line_of_the_original_where_it_has_no_end(self, tmp_path):
        path = tmp_path / "open.csv"
        path.write_bytes(b"x\r\n1.5\r\n2.5")
        out = noisy(path, "-s", 0, "--append")
        assert b"x\r\n1.5\r\n2.5\r\n1.5\r\n2.5" == out

    def test_from_a_pipe(self, source):
        done = run("-s", "1", "--append", "--seed", 1, given=source.read_bytes())
        assert "is kept in a temporary file, since it is read more than once" in done.messages
        assert noisy(source, "-s", 1, "--append") == done.output

    def test_of_an_array_grows_along_its_first_axis(self, tmp_path):
        path = tmp_path / "images.npy"
        images = np.arange(24, dtype="f4").reshape(2, 3, 4)
        np.save(path, images)
        out = np.load(noisy_file(path, "-s", 1, "--append", "--replicates", 2))
        assert (6, 3, 4) == out.shape
        assert np.array_equal(images, out[:2])
        np.save(path, images)
        assert np.array_equal(np.load(noisy_file(path, "-s", 1)), out[2:4])

    def test_of_parquet(self, source, tmp_path):
        path = tmp_path / "data.parquet"
        frame = pd.read_csv(source)
        frame.to_parquet(path, row_group_size=100)
        out = noisy_file(path, "-s", 1, "--append")
        assert 6 == pq.ParquetFile(out).num_row_groups
        both = pd.read_parquet(out)
        pd.testing.assert_frame_equal(frame, both[:ROWS])
        made = io.StringIO(noisy(source, "-s", 1).decode())
        expected = np.loadtxt(made, delimiter=",", skiprows=1)[:, 1]
        np.testing.assert_array_equal(expected, both["x"][ROWS:])


class TestRows:
    def test_dropped_rows_leave_the_noise_of_the_others_as_it_is(self, source):
        kept = noisy(source, "--noise", "x=normal:1", "--noise", "=drop-rows:40%")
        whole = noisy(source, "--noise", "x=normal:1").splitlines()
        lines = kept.splitlines()
        assert set(lines) < set(whole)
        assert abs((len(lines) - 1) / ROWS - 0.6) < 4.5 * np.sqrt(0.24 / ROWS)

    def test_fresh_duplicates_have_noise_of_their_own(self, source):
        specs = ("--noise", "x=normal:1", "--noise", "=duplicate-rows:30%,times=2,fresh=true")
        frame = pd.read_csv(io.BytesIO(noisy(source, *specs)))
        counts = frame["id"].value_counts()
        assert {1, 3} == set(counts)
        assert len(frame) == frame["x"].nunique()
        once = pd.read_csv(io.BytesIO(noisy(source, "--noise", "x=normal:1")))
        firsts = frame.drop_duplicates("id")
        np.testing.assert_array_equal(once["x"], firsts["x"])

    def test_a_condition_limits_which_rows_are_dropped(self, source):
        kept = noisy(source, "-d", "drop-rows", "--rate", 1, "--where", "id >= 100")
        assert list(range(100)) == pd.read_csv(io.BytesIO(kept))["id"].tolist()

    def test_quoted_records_stay_whole_and_empty_lines_stay_once(self, tmp_path):
        path = tmp_path / "quoted.csv"
        path.write_bytes(b'"a",b\n"one\ntwo",1.5\n\n"x ""y""",2.5\n"last",3.5')
        out = noisy(path, "-d", "duplicate-rows", "--rate", 1)
        assert (
            b'"a",b\n"one\ntwo",1.5\n"one\ntwo",1.5\n\n"x ""y""",2.5\n"x ""y""",2.5\n'
            b'"last",3.5\n"last",3.5\n'
        ) == out


class TestMissing:
    def test_cells_become_empty_or_what_na_says(self):
        table = b'a,b\n" 1.5 ",x\n2.5,y\n'
        assert b'a,b\n"",x\n,y\n' == noisy("-d", "missing", "--rate", 1, given=table)
        out = noisy("-d", "missing", "--rate", 1, "--na", "NA", given=table)
        assert b'a,b\n"NA",x\nNA,y\n' == out

    def test_a_table_of_one_column_keeps_its_records(self):
        out = noisy("-d", "missing", "--rate", 1, given=b'a\n1.5\n"2.5"\n')
        assert b'a\n""\n""\n' == out
        assert [True, True] == pd.read_csv(io.BytesIO(out))["a"].isna().tolist()
