"""What a file declares to be missing stays so and is never made; packed values are physical."""

import json

import h5py
import netCDF4
import numpy as np
import pytest
import xarray as xr
from run_command import run

DEFAULT_FILL = netCDF4.default_fillvals


def noisy(source, *options):
    target = source.with_name(f"out{source.suffix}")
    result = run(source, "--seed", 1, "-o", target, *options)
    assert result.status == 0, result.messages
    return target


def write(path, values, dtype, *, fill_value=None, size=None, **attributes):
    """Write a NetCDF file of one variable `v`, its values as stored."""
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("x", size or len(values))
        variable = file.createVariable("v", dtype, ("x",), fill_value=fill_value)
        variable.set_auto_maskandscale(False)
        variable.setncatts(attributes)
        variable[: len(values)] = values
    return path


def stored(path):
    with netCDF4.Dataset(path) as file:
        file.set_auto_maskandscale(False)
        return file["v"][:]


def masked(path):
    """Return which elements netCDF4 says are missing."""
    with netCDF4.Dataset(path) as file:
        return np.ma.getmaskarray(file["v"][:])


@pytest.fixture
def path(tmp_path):
    return tmp_path / "in.nc"


NAN = float("nan")
DECLARED = {
    "a fill value": ("f4", {"fill_value": -9999}, [-9999]),
    "a missing value": ("f4", {"missing_value": np.float32(-999)}, [-999]),
    "both": ("f4", {"fill_value": -9999, "missing_value": np.float32(-999)}, [-9999, -999]),
    "fill is NaN": ("f4", {"fill_value": NAN, "missing_value": np.float32(-999)}, [NAN, -999]),
    "several": ("f8", {"missing_value": np.array([-1.0, -2.0])}, [-1, -2]),
    "several, ints": ("i2", {"missing_value": np.array([-1, -2], "i2")}, [-1, -2]),
    "of another type": ("i2", {"missing_value": np.int64(-999)}, [-999]),
    "a float for ints": ("i4", {"missing_value": -999.0}, [-999]),
    "least": ("i2", {"valid_min": np.int16(0)}, [-1, -300]),
    "most": ("f8", {"valid_max": 30.0}, [30.5, 1e9]),
    "range": ("i2", {"valid_range": np.array([0, 30], "i2")}, [-1, 31]),
    "default, float": ("f4", {}, [DEFAULT_FILL["f4"]]),
    "default, double": ("f8", {}, [DEFAULT_FILL["f8"]]),
    "default, short": ("i2", {}, [DEFAULT_FILL["i2"]]),
    "default, unsigned": ("u4", {}, [DEFAULT_FILL["u4"]]),
    "default and another": ("i4", {"missing_value": np.int32(7)}, [DEFAULT_FILL["i4"], 7]),
    "default, bytes": ("i1", {}, [DEFAULT_FILL["i1"]]),
}


@pytest.mark.parametrize("name", DECLARED)
def test_what_is_declared_missing_stays_and_is_not_made(path, name):
    dtype, attributes, missing = DECLARED[name]
    valid = np.arange(1, 25)
    if 7 in missing:
        valid = valid[valid != 7]
    write(path, np.array([*valid, *missing] * 20).astype(dtype), dtype, **attributes)
    before = masked(path)
    assert before.sum() == 20 * len(missing)

    target = noisy(path, "-s", 4, "-c", "v")

    assert np.array_equal(before, masked(target))
    assert np.array_equal(stored(path)[before], stored(target)[before], equal_nan=True)
    assert (stored(path) != stored(target))[~before].mean() > 0.5


@pytest.mark.parametrize("name", DECLARED)
def test_what_is_missing_counts_in_no_statistic(path, name):
    dtype, attributes, missing = DECLARED[name]
    valid = np.tile([5, 6, 10, 11], 20)
    write(path, np.array([*valid, *missing]).astype(dtype), dtype, **attributes)

    change = stored(noisy(path, "-s", "2sd", "-c", "v")).astype(float) - stored(path)

    assert np.std(change[: len(valid)]) < 12


@pytest.mark.parametrize("fill", [NAN, 0.5, 1e10, -1, 300])
def test_a_fill_value_that_the_type_cannot_hold_is_none(tmp_path, fill):
    path = tmp_path / "in.h5"
    with h5py.File(path, "w") as file:
        file["v"] = np.arange(200, dtype="u1")
        file["v"].attrs["_FillValue"] = fill
    result = run(path, "--seed", 1, "-s", 3, "-o", tmp_path / "out.h5")

    assert (0, "") == (result.status, result.messages)
    with h5py.File(tmp_path / "out.h5") as file:
        assert np.mean(file["v"][()] != np.arange(200)) > 0.8


def test_the_nearest_code_that_is_not_missing_is_taken(path):
    values = np.tile(np.array([4, 6], "i2"), 300)
    write(path, values, "i2", fill_value=5)

    found = stored(noisy(path, "-s", 0.6))

    assert 5 not in found
    assert {4, 6} == set(found[np.abs(found - values) <= 1].tolist()) - {3, 7}


def test_any_byte_is_a_value_where_bytes_are_not_filled(path):
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("x", 4)
        variable = file.createVariable("v", "u1", ("x",), fill_value=False)
        variable[:] = np.array([255, 255, 255, 255])

    assert not masked(path).any()
    assert (stored(noisy(path, "-s", 100, "-c", "v")) != 255).any()


PACKED = {
    "short": ("i2", {"scale_factor": 0.01, "add_offset": 20.0}),
    "float32 scale": ("i2", {"scale_factor": np.float32(0.01), "add_offset": np.float32(2)}),
    "negative scale": ("i2", {"scale_factor": -0.01}),
    "offset only": ("i4", {"add_offset": 273.15}),
    "unsigned": ("i2", {"_Unsigned": "true", "scale_factor": 0.01}),
    "bytes": ("u1", {"scale_factor": 0.5, "add_offset": -10.0}),
    "float": ("f4", {"scale_factor": 1000.0, "add_offset": 5.0}),
    "int64": ("i8", {"scale_factor": 1e-6}),
}


def decoded(path):
    with xr.open_dataset(path) as file:
        return file["v"].to_numpy().astype(float)


def packed_file(path, name):
    dtype, attributes = PACKED[name]
    codes = (np.arange(5000) * 37 % 200 + 20).astype(dtype)
    if name == "unsigned":
        codes += 32500
    codes[::100] = 7
    return write(path, codes, dtype, fill_value=7, **attributes)


@pytest.mark.parametrize("name", PACKED)
def test_snr_is_what_xarray_reads(path, name):
    packed_file(path, name)

    target = noisy(path, "--snr", 20)

    before, after = decoded(path), decoded(target)
    there = np.isfinite(before)
    assert there.sum() == 4950
    assert np.array_equal(there, np.isfinite(after))
    assert np.array_equal(stored(path)[~there], stored(target)[~there])
    noise = after[there] - before[there]
    snr = 10 * np.log10(np.mean(before[there] ** 2) / np.mean(noise**2))
    assert snr == pytest.approx(20, abs=0.35)


@pytest.mark.parametrize("name", PACKED)
def test_no_noise_changes_no_code(path, name):
    packed_file(path, name)
    assert np.array_equal(stored(path), stored(noisy(path, "-s", 0)))


def test_codes_are_rounded_half_to_even_and_saturate(path):
    write(path, np.array([0, 1, 2, 3] * 50, "i1"), "i1", scale_factor=2.0, add_offset=1.0)
    target = noisy(path, "-d", "uniform", "-s", 1000)
    assert {-128, 127} < set(stored(target).tolist())
    assert 128 > np.abs(stored(target).astype(int)).mean() > 90

    steps = decoded(noisy(path, "-s", 0.7)) - decoded(path)
    assert {0, 2, -2} >= set(steps.tolist())


def test_clip_and_levels_are_physical(path):
    write(path, np.arange(1000, dtype="i2"), "i2", scale_factor=0.01, add_offset=100.0)

    found = decoded(noisy(path, "-s", 5, "--clip", "101.005,108"))

    changed = np.arange(1000) * 0.01 + 100 != pytest.approx(found, abs=1e-9)
    assert changed
    assert found.min() == pytest.approx(101.01, abs=1e-9)
    assert found.max() == pytest.approx(108, abs=1e-9)


def test_a_packed_variable_is_a_default_field_and_unpacked_whole_numbers_are_not(path):
    write(path, np.arange(100, dtype="i2"), "i2", scale_factor=0.01)
    with netCDF4.Dataset(path, "a") as file:
        file.createVariable("ids", "i4", ("x",))[:] = np.arange(100)
        file.createVariable("bytes", "i1", ("x",)).setncatts({"_Unsigned": "true"})

    plan = run(path, "-n", "--seed", 1).output.decode()

    assert "v: normal" in plan
    assert "ids: left alone" in plan


def test_unsigned_bytes_are_read_without_a_sign(path):
    write(path, np.array([-1, -2, 100, 127] * 10, "i1"), "i1", _Unsigned="true")

    target = noisy(path, "-s", 3, "--clip", "0,255")

    with netCDF4.Dataset(path) as old, netCDF4.Dataset(target) as new:
        change = new["v"][:].astype(int) - old["v"][:].astype(int)
    assert np.abs(change).max() < 12


def test_a_range_of_floats_bounds_what_is_unpacked(path):
    write(path, np.arange(300, dtype="i2"), "i2", scale_factor=0.1, valid_range=np.array([5.0, 20]))

    codes = stored(noisy(path, "-s", 3))

    assert np.array_equal(codes[:50], np.arange(50))
    assert np.array_equal(codes[201:], np.arange(201, 300))
    assert codes[50:201].min() >= 50
    assert codes[50:201].max() <= 200


def test_the_report_speaks_of_physical_values(path):
    packed_file(path, "short")
    report = path.with_name("report.json")
    target = noisy(path, "-s", 0.5, "--report", report)

    found = json.loads(report.read_text())["fields"]["v"]
    noise = decoded(target) - decoded(path)
    assert found["change_sd"] == pytest.approx(np.nanstd(noise), rel=1e-4)
    assert found["nulls"] == 50
    assert found["changed"] == np.count_nonzero(stored(path) != stored(target))


def test_a_mask_of_packed_values_gives_them_back(path):
    packed_file(path, "unsigned")
    mask, back = path.with_name("mask.h5"), path.with_name("back.nc")
    target = noisy(path, "-s", 0.5, "--mask", mask, "--mask-values")

    assert run(target, "--restore", mask, "-o", back).status == 0
    assert path.read_bytes() == back.read_bytes()


@pytest.mark.parametrize("name", PACKED)
def test_packed_elements_get_lost_as_the_file_says(path, name):
    packed_file(path, name)
    target = noisy(path, "-d", "missing", "--rate", "50%", "-c", "v")
    lost = stored(target) != stored(path)
    assert 0.4 < lost.mean() < 0.6
    assert {7} == set(stored(target)[lost].tolist())


def test_a_scale_below_the_steps_of_the_codes_is_told(path):
    write(path, np.arange(40, dtype="i2"), "i2", scale_factor=0.5)

    done = run(path, "-s", 0.01, "--seed", 1, "-o", path.with_name("out.nc"))

    assert "its values are packed in steps of 0.5" in done.messages


@pytest.mark.parametrize(
    ("cells", "nulls", "options"),
    [
        (range(-9, 10), ["0"], []),
        (range(-9, 10), ["0", "1", "2"], []),
        ([at / 4 for at in range(-9, 10)], ["0.5", "0.6"], ["--decimals", 1]),
        ([at / 4 for at in range(1, 10)], ["0"], ["--decimals", 0]),
        ([at / 4 for at in range(-9, 10)], ["-1.25"], ["--decimals", "keep"]),
    ],
)
def test_no_cell_becomes_what_na_says_is_null(tmp_path, cells, nulls, options):
    path = tmp_path / "in.csv"
    kept = [str(cell) for cell in cells if str(cell) not in nulls] * 50
    path.write_text("\n".join(["v", *kept, *nulls, ""]))

    flags = [word for null in nulls for word in ("--na", null)]
    target = noisy(path, "-s", 0.7, "-c", "v", *options, *flags)

    found = [float(text) for text in target.read_text().split()[1:]]
    assert not {float(null) for null in nulls} & set(found[: len(kept)])
    assert [float(null) for null in nulls] == found[len(kept) :]


def test_no_text_becomes_null(tmp_path):
    path = tmp_path / "in.csv"
    path.write_text("w\n" + "NB\nXA\n" * 300)

    found = noisy(path, "-d", "typo", "--rate", "100%").read_text().split()

    assert "NA" not in found
    assert len(set(found)) > 20
