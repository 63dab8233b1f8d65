"""Models that follow the order of the elements work along one axis: the series do not mix."""

import h5py
import numpy as np
import pytest
import soundfile
import tifffile
from run_command import run

import noisify
from noisify.core.chunk import Positions
from noisify.plan.series import Series

FRAMES, CHANNELS = 600, 3
SOUND = np.sin(np.arange(FRAMES * CHANNELS) / 9).reshape(FRAMES, CHANNELS).astype(np.float32)
MODELS = {
    "jitter": ("-s", "0.3"),
    "ar1": ("-s", "0.1"),
    "random-walk": ("-s", "0.01"),
    "pink": ("-s", "0.1"),
    "drift": ("-s", "0.5"),
    "shuffle": ("--rate", "30%", "-p", "window=8"),
    "stuck": ("--rate", "30%", "-p", "run=8"),
    "missing": ("--rate", "20%", "-p", "burst=5"),
}
WRITE = {
    "npy": np.save,
    "npz": lambda path, array: np.savez(path, data=array),
    "h5": lambda path, array: h5py.File(path, "w").create_dataset("data", data=array).file.close(),
    "tif": tifffile.imwrite,
    "wav": lambda path, array: soundfile.write(path, array, 8000, "FLOAT"),
}
READ = {
    "npy": np.load,
    "npz": lambda path: np.load(path)["data"],
    "h5": lambda path: h5py.File(path)["data"][:],
    "tif": tifffile.imread,
    "wav": lambda path: soundfile.read(path, dtype="float32")[0],
}


def noisy(folder, kind, array, *options):
    """Return what the command makes of an array in a file of some format."""
    given, made = folder / f"data.{kind}", folder / f"noisy.{kind}"
    WRITE[kind](given, array)
    done = run(given, "-o", made, "--seed", 1, "-q", *options)
    assert "" == done.messages
    return READ[kind](made)


class TestSeries:
    @pytest.mark.parametrize("model", ["jitter", "shuffle", "stuck"])
    def test_a_silent_channel_stays_silent(self, tmp_path, model):
        stereo = np.zeros((FRAMES, 2), np.int16)
        stereo[:, 0] = np.round(20_000 * SOUND[:, 0])
        given, made = tmp_path / "a.wav", tmp_path / "b.wav"
        soundfile.write(given, stereo, 8000, "PCM_16")
        assert not run(given, "-o", made, "-d", model, *MODELS[model], "--seed", 1, "-q").status
        left, right = soundfile.read(made, dtype="int16")[0].T
        assert (left != stereo[:, 0]).any()
        assert not right.any()

    @pytest.mark.parametrize("kind", WRITE)
    @pytest.mark.parametrize("model", MODELS)
    def test_have_noise_of_their_own_the_same_in_every_format(self, tmp_path, kind, model):
        options = ("-d", model, *MODELS[model])
        found = noisy(tmp_path, kind, SOUND, *options)
        expected = noisy(tmp_path, "npy", SOUND, *options)
        if kind != "tif":
            assert found.tobytes() == expected.tobytes()
        first = noisy(tmp_path, kind, SOUND[:, 0].copy(), *options) if kind == "npy" else None
        if first is not None:
            assert expected[:, 0].tobytes() == first.tobytes()
        changes = np.nan_to_num(found) - SOUND
        assert (changes[:, 0] != changes[:, 1]).any()

    @pytest.mark.one_in(2)
    @pytest.mark.parametrize("axis", [0, 1, 2, -1])
    @pytest.mark.parametrize("model", MODELS)
    @pytest.mark.parametrize("kind", ["npy", "h5"])
    def test_do_not_depend_on_the_chunks(self, tmp_path, kind, model, axis):
        options = ("-d", model, *MODELS[model], "-p", f"axis={axis}")
        cube = SOUND[:60].reshape(20, 3, 3)
        expected = noisy(tmp_path, kind, cube, *options)
        for size in (40, 1000):
            chunked = noisy(tmp_path, kind, cube, *options, "--chunk-size", size, "-j", 2)
            assert expected.tobytes() == chunked.tobytes()

    @pytest.mark.parametrize("model", ["ar1", "drift", "missing"])
    def test_do_not_depend_on_the_order_in_the_file(self, tmp_path, model):
        options = ("-d", model, *MODELS[model])
        expected = noisy(tmp_path, "npy", SOUND, *options)
        fortran = noisy(tmp_path, "npy", np.asfortranarray(SOUND), *options)
        assert np.array_equal(expected, fortran, equal_nan=True)
        with h5py.File(tmp_path / "c.h5", "w") as file:
            file.create_dataset("data", data=SOUND, chunks=(7, 2), compression="gzip")
        run(tmp_path / "c.h5", "-o", tmp_path / "d.h5", "--seed", 1, *options)
        assert expected.tobytes() == READ["h5"](tmp_path / "d.h5").tobytes()

    def test_many_short_series_get_the_noise_of_each_alone(self):
        rows = np.random.default_rng(3).normal(size=(5000, 20))  # more than are taken at once
        rows[7, 5] = np.nan
        options = {"scale": 0.3, "seed": 1, "params": {"axis": 1}}
        changed = noisify.add_noise(rows, "jitter", **options)
        alone = rows.copy()
        for number in (0, 7, 3276, 3277, 4999):
            alone[:] = 0
            alone[number] = rows[number]
            assert np.array_equal(
                noisify.add_noise(alone, "jitter", **options)[number], changed[number], True
            )

    def test_are_the_same_along_any_axis(self):
        for axis in range(3):
            cube = np.moveaxis(np.zeros((50, 2, 3)), 0, axis)
            changed = noisify.add_noise(cube, "ar1", scale=1, seed=1, params={"axis": axis})
            line = noisify.add_noise(np.zeros(50), "ar1", scale=1, seed=1)
            assert line.tobytes() == np.moveaxis(changed, axis, 0)[:, 0, 0].tobytes()

    def test_of_records_are_their_members_elements(self):
        records = np.zeros(40, [("xyz", "f8", 3)])
        records["xyz"][:, 0] = np.arange(40)
        changed = noisify.add_noise(records, "jitter", scale=0.3, seed=1)
        assert (changed["xyz"][:, 0] != records["xyz"][:, 0]).any()
        assert not changed["xyz"][:, 1:].any()

    def test_drift_ends_at_the_end_of_each(self):
        drift = {"fixed": True}
        changed = noisify.add_noise(np.zeros((11, 2)), "drift", scale=1, seed=1, params=drift)
        assert np.allclose(np.linspace(0, 1, 11), changed[:, 0])
        assert np.allclose(np.linspace(0, 1, 11), changed[:, 1])

    def test_of_a_part_are_those_of_the_whole(self):
        options = {"scale": 1.0, "seed": 1}
        whole = noisify.add_noise(SOUND, "ar1", **options)
        part = noisify.add_noise(SOUND[100:200], "ar1", start=100, **options)
        assert whole[100:200].tobytes() == part.tobytes()

    @pytest.mark.parametrize("shape", [(7, 5), (2, 7, 5)])
    def test_parts_cover_positions_once(self, shape):
        series = Series(7, 5)
        count = np.prod(shape)
        for start, stop in ((0, count), (3, count - 4), (11, 12), (4, 4)):
            seen = []
            for number, positions, here in series.parts(Positions.range(start, stop)):
                outer, lane = divmod(number, 5)
                first = (outer * 7 + int(positions.starts[0])) * 5 + lane
                elements = first + 5 * np.arange(positions.length)
                assert (np.arange(start, stop)[here] == elements).all()
                seen += elements.tolist()
            assert list(range(start, stop)) == sorted(seen)


class TestRefusals:
    @pytest.mark.parametrize(
        ("shape", "options", "said"),
        [
            (
                (3, 4),
                ("-d", "ar1", "-p", "axis=2"),
                "axis 2 of ar1 is not there: it has axes 0 to 1",
            ),
            (
                (300, 300, 300),
                ("-d", "shuffle", "--rate", "5%"),
                "shuffle needs 256 elements along axis 0 of (300, 300, 300) at once, which are 23,",
            ),
            ((3, 4), ("-d", "normal", "-p", "axis=1"), "normal has no parameter 'axis'"),
        ],
    )
    def test_say_what_to_do(self, tmp_path, shape, options, said):
        np.lib.format.open_memmap(tmp_path / "a.npy", "w+", "u1", shape)
        done = run(tmp_path / "a.npy", "-o", tmp_path / "b.npy", *options)
        assert 2 == done.status
        assert said in done.messages
        assert 1 == len(done.lines)

    def test_a_column_has_one_axis(self):
        done = run("-d", "ar1", "-p", "axis=1", given=b"x\n1.5\n2.5\n")
        assert 2 == done.status
        assert "axis 1 of ar1 is not there: it has one axis, 0" in done.messages
        options = ("-d", "ar1", "-s", 1, "--seed", 1)
        done = run(*options, "-p", "axis=-1", given=b"x\n1.5\n2.5\n")
        assert run(*options, given=b"x\n1.5\n2.5\n").output == done.output
