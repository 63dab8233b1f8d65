"""Test noise on times: their notations in text, midnight, and the library's types."""

import datetime as dt
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import feather
from run_command import normal_noise, run

import noisify
from noisify.core.dtypes import NumberType

SECOND = 10**9
DAY = 86_400
Z = normal_noise("t", 8)


def table(path, *cells):
    path.write_text("t;x\n" + "".join(f"{cell};1\n" for cell in cells))
    return path


class TestForms:
    @pytest.mark.parametrize("digits", range(10))
    @pytest.mark.parametrize("mark", [".", ","])
    @pytest.mark.parametrize(
        ("separator", "zone"),
        [("T", "Z"), (" ", "+00"), ("T", "+0530"), (" ", "+05:30"), (" ", " UTC"), (" ", "UTC"),
         ("t", "z"), (" ", ""), (" ", " -0800")],
    )  # fmt: skip
    def test_a_time_keeps_its_form(self, digits, mark, separator, zone, tmp_path):
        if digits and mark == "," and zone == "Z":
            pytest.skip("covered by the other zones")
        fraction = mark + "1234567890"[:digits] if digits else ""
        source = table(tmp_path / "t.csv", *[f"2024-03-01{separator}06:00:00{fraction}{zone}"] * 3)
        done = run(source, "-c", "t", "-s", "90s", "--seed", 1)
        assert (0, "") == (done.status, done.messages)
        tick = SECOND // 10**digits
        first = pd.Timestamp(f"2024-03-01T06:00:00.{'123456789'[:digits]:0<9}").value // tick
        expected = []
        for z in Z[:3]:
            moment = pd.Timestamp((first + int(np.rint(z * 90 * SECOND / tick))) * tick)
            text = moment.strftime(f"%Y-%m-%d{separator}%H:%M:%S.%f")[:-6]
            rest = f"{moment.value % SECOND:09}"[:digits]
            expected.append(text[:-1] + (mark + rest if digits else "") + zone)
        lines = done.output.decode().split("\n")[1:4]
        assert [f"{cell};1" for cell in expected] == lines

    @pytest.mark.parametrize("cell", ["2024-02-30", "2023-02-29", "2024-13-01", "2024-00-10"])
    def test_strict_refuses_an_invalid_day(self, cell, tmp_path):
        source = table(tmp_path / "t.csv", "2024-03-01", cell, "2024-03-02")
        done = run(source, "-c", "t", "-s", "2d", "--strict", "--seed", 1)
        assert 3 == done.status
        (line,) = done.lines
        assert f"line 3, field 't': '{cell}' is not a time" in line
        lenient = run(source, "-c", "t", "-s", "2d", "--seed", 1)
        assert (0, cell) == (lenient.status, lenient.output.decode().split("\n")[2][:10])

    @pytest.mark.parametrize(
        "cell", ["2024-03-01T06:00:00+25:00", "2024-03-01T06:00:00+05:61", "2024-03-01T24:61:00Z"]
    )
    def test_leaves_invalid_times_of_a_zone(self, cell, tmp_path):
        source = table(tmp_path / "t.csv", "2024-03-01T06:00:00+02:00", cell)
        done = run(source, "-c", "t", "-s", "90s", "--seed", 1)
        assert (0, cell) == (done.status, done.output.decode().split("\n")[2].split(";")[0])
        assert "1 cell not a time" in done.messages

    def test_nanoseconds_that_int64_does_not_hold_are_left(self, tmp_path):
        cells = ("2024-03-01T00:00:00.123456789", "9999-12-31T00:00:00.000000000", "2262-04-11")
        done = run(table(tmp_path / "t.csv", *cells), "-c", "t", "-s", "90s", "--seed", 1)
        lines = done.output.decode().split("\n")
        assert (0, cells[1], cells[2]) == (done.status, lines[2][:29], lines[3][:10])
        assert lines[1][:29] != cells[0]

    def test_noise_is_that_of_parquet(self, tmp_path):
        moments = np.array([1709272800123456789, 1709272860000000000, 5])
        texts = [f"{text}Z" for text in np.datetime_as_string(moments.view("M8[ns]")).tolist()]
        source, same = table(tmp_path / "t.csv", *texts), tmp_path / "t.parquet"
        pq.write_table(pa.table({"t": pa.array(moments, pa.timestamp("ns", "UTC"))}), same)
        noisy = run(source, "-c", "t", "-s", "90s", "--seed", 1).output.decode()
        run(same, "-c", "t", "-s", "90s", "--seed", 1, "-o", tmp_path / "n.parquet")
        found = pq.read_table(tmp_path / "n.parquet")["t"].cast(pa.int64()).to_numpy()
        written = np.array([line.split("Z")[0] for line in noisy.split("\n")[1:4]], "M8[ns]")
        assert np.array_equal(found, written.view(np.int64))

    @pytest.mark.parametrize(
        ("cell", "kind"),
        [("2024-03-01T06:00:00.1234567Z", pa.timestamp("ns", "UTC")),
         ("2024-03-01T06:00:00.1+00", pa.timestamp("ms", "UTC")),
         ("2024-03-01 06:00 UTC", pa.timestamp("ms", "UTC")),
         ("2024-03-01 06:00:00,12", pa.timestamp("ms")),
         ("2024-03-01 06:00:00+05:30", pa.string())],
    )  # fmt: skip
    def test_become_timestamps_of_parquet(self, cell, kind, tmp_path):
        source = table(tmp_path / "t.csv", cell, cell)
        done = run(source, "-c", "x", "-s", 1, "--seed", 1, "-o", tmp_path / "t.parquet")
        assert 0 == done.status
        found = pq.read_table(tmp_path / "t.parquet")["t"]
        assert kind == found.type
        if kind != pa.string():
            text = cell.replace(",", ".").replace(" UTC", "")
            there = found.cast(pa.timestamp("ns", kind.tz)).cast(pa.int64())[0].as_py()
            assert pd.Timestamp(text).value == there


class TestTimesOfDay:
    @given(st.integers(0, DAY * 1000 - 1), st.floats(-1e9, 1e9))
    def test_go_round_the_clock(self, milliseconds, seconds):
        number = NumberType.time(10**6, bits=32, span=DAY * 1000)
        values = np.array([milliseconds], np.int32)
        noisy, beyond = number.add(values, np.array([seconds]))
        steps = round(np.rint(seconds * 1000))
        assert ((milliseconds + steps) % (DAY * 1000), None) == (noisy[0], beyond)
        assert np.int32 == noisy.dtype
        change = number.difference(noisy, values)[0] * 1000
        assert round((change - steps) % (DAY * 1000)) in {0, DAY * 1000}
        assert abs(change) <= DAY * 500

    @pytest.mark.parametrize(
        "kind", [pa.time32("s"), pa.time32("ms"), pa.time64("us"), pa.time64("ns")]
    )
    def test_do_not_pile_up_at_midnight(self, kind, tmp_path):
        source, report = tmp_path / "t.parquet", tmp_path / "r.json"
        noon = [dt.time(23, 59, 50), dt.time(0, 0, 5)] * 500
        pq.write_table(pa.table({"t": pa.array(noon, kind)}), source)
        done = run(
            source, "-s", "1h", "-o", tmp_path / "n.parquet", "--seed", 1, "--report", report
        )
        assert (0, "") == (done.status, done.messages)
        noisy = pq.read_table(tmp_path / "n.parquet")["t"].to_pylist()
        hours = np.array([t.hour + t.minute / 60 for t in noisy])
        assert 300 < np.count_nonzero(hours < 12) < 700
        assert max(noisy.count(dt.time(0)), noisy.count(dt.time(23, 59, 59))) < 5
        (field,) = json.loads(report.read_text())["fields"].values()
        assert pytest.approx(3600, rel=0.1) == field["change_sd"]
        assert 0 == field["saturated"]

    @pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
    @pytest.mark.parametrize("fraction", ["", ".250", ".000250", ".000000250"])
    def test_converted_from_text_they_get_the_same_noise(self, suffix, fraction, tmp_path):
        source, target = tmp_path / "t.csv", tmp_path / f"n{suffix}"
        source.write_text(f"t,x\n23:59:59{fraction},1\n,2\n00:00:01{fraction},3\n")
        options = ("-c", "t", "-s", "90s", "--seed", 1)
        assert 0 == run(source, "-o", target, *options).status
        read = pq.read_table if suffix == ".parquet" else feather.read_table
        there = read(target)["t"].cast(pa.time64("ns")).cast(pa.int64()).to_pylist()
        cells = [line.split(",")[0] for line in run(source, *options).output.decode().split()[1:]]
        digit = 10 ** (9 - max(0, len(fraction) - 1))
        for cell, found in zip(cells, there, strict=True):
            seconds = pd.Timedelta(cell).value if cell else None
            assert seconds == (None if found is None else round(found / digit) * digit)

    def test_in_text_too(self, tmp_path):
        source = tmp_path / "t.csv"
        source.write_text("t\n23:59:59\n00:00:01\n12:00:00\n24:00:00\n")
        done = run(source, "-s", "90s", "--seed", 1)
        seconds = [DAY - 1, 1, DAY // 2]
        expected = [
            str(dt.timedelta(seconds=(s + round(np.rint(z * 90))) % DAY)).zfill(8)
            for s, z in zip(seconds, Z, strict=False)
        ]
        assert ["t", *expected, "24:00:00", ""] == done.output.decode().split("\n")
        assert "1 cell not a time" in done.messages


def moments(unit, zone=None):
    index = pd.date_range("2024-03-31", periods=4, freq="h").as_unit(unit)
    return index if zone is None else index.tz_localize("UTC").tz_convert(zone)


FRAMES = {
    **{f"{unit} {zone}": moments(unit, zone) for unit in ("s", "ms", "us", "ns")
       for zone in (None, "UTC", "Europe/Berlin")},
    **{f"duration {unit}": moments(unit) - moments(unit)[0] for unit in ("s", "ms", "us", "ns")},
    **{str(kind): pd.array(pa.array([0, 10**9, 2 * 10**9, 3]).cast(kind), pd.ArrowDtype(kind))
       for kind in (pa.timestamp("us", "UTC"), pa.timestamp("ns"), pa.duration("us"))},
}  # fmt: skip


class TestLibrary:
    @pytest.mark.parametrize("values", FRAMES.values(), ids=FRAMES)
    def test_times_of_pandas(self, values):
        frame = pd.DataFrame({"t": values, "x": 1.0})
        noisy = noisify.add_noise(frame, "normal", scale="90s", columns="t", seed=1)
        assert frame.dtypes.tolist() == noisy.dtypes.tolist()
        change = (noisy["t"] - frame["t"]).dt.total_seconds().astype(float)
        assert pytest.approx(90 * Z[:4], abs=0.51) == change.tolist()
        series = noisify.add_noise(frame["t"], "normal", scale="90s", seed=1)
        pd.testing.assert_series_equal(series, noisy["t"])

    @pytest.mark.parametrize("values", FRAMES.values(), ids=FRAMES)
    def test_missing_times_of_pandas(self, values):
        frame = pd.DataFrame({"t": values})
        frame.loc[1, "t"] = pd.NA if hasattr(frame["t"].dtype, "pyarrow_dtype") else pd.NaT
        noisy = noisify.add_noise(frame, "normal", scale="90s", columns="t", seed=1)
        assert [False, True, False, False] == noisy["t"].isna().tolist()
        gone = noisify.add_noise(frame, "missing", rate=1, columns="t", seed=1)
        assert gone["t"].isna().all()
        assert frame.dtypes.tolist() == gone.dtypes.tolist()

    @pytest.mark.parametrize("unit", ["D", "h", "s", "ms", "us", "ns"])
    @pytest.mark.parametrize("kind", ["M8", "m8"])
    def test_times_of_numpy(self, kind, unit):
        values = np.array([1, 2, "NaT"], f"{kind}[{unit}]")
        noisy = noisify.add_noise(values, "normal", scale="3d", seed=1)
        assert values.dtype == noisy.dtype
        step = np.timedelta64(1, unit) / np.timedelta64(1, "s")
        change = (noisy[:2] - values[:2]) / np.timedelta64(1, "s")
        z = normal_noise("data", 2)
        assert pytest.approx(z * 3 * DAY, abs=0.51 * step) == change
        assert np.isnat(noisy[2])

    @pytest.mark.parametrize(
        "kind",
        [pa.timestamp("ns", "Europe/Berlin"), pa.duration("ms"), pa.time64("us"), pa.date32()],
    )
    def test_times_of_arrow(self, kind):
        base = pa.int32() if kind == pa.date32() else pa.int64()
        values = pa.table({"t": pa.array([5, None, 7], base).cast(kind)})
        noisy = noisify.add_noise(values, "normal", scale="3d", columns="t", seed=1)
        assert values.schema == noisy.schema
        assert 1 == noisy["t"].null_count
        assert values["t"][0] != noisy["t"][0]


class TestUnits:
    @pytest.mark.parametrize(
        ("arguments", "level"),
        [(("-c", "t", "-s", "0.1"), "0.1"), (("-c", "x", "-s", "90s"), "90s"),
         (("-c", "t,x", "-s", "5%"), "5%"), (("-c", "x", "--sd", "5s"), "5s"),
         (("-c", "t", "--sd", "5"), "5"), (("-c", "x", "-d", "spike", "-s", "5s"), "5s"),
         (("-c", "t", "-d", "bias", "-s", "@x"), "@x"), (("--exclude", "t", "-s", "2h"), "7200s"),
         (("-c", "u", "-s", "2h"), "7200s")],
    )  # fmt: skip
    @pytest.mark.parametrize("suffix", [".csv", ".parquet"])
    def test_one_message_where_a_unit_does_not_fit(self, arguments, level, suffix, tmp_path):
        source = tmp_path / f"t{suffix}"
        frame = pd.DataFrame({"t": moments("s"), "x": 1.5, "u": [1, 2, 3, 4]})
        frame.to_csv(source, index=False) if suffix == ".csv" else frame.to_parquet(source)
        done = run(source, *arguments, "--seed", 1, "-o", tmp_path / "n")
        assert 2 == done.status
        (line,) = done.lines
        assert f"level {level} does not fit " in line
        assert line.endswith(": times take 90s, 2h or 3d, and numbers 0.5, 5% or 0.1sd")
