"""What others publish of their noise, reached by the command on files."""

import io
import json

import numpy as np
import pandas as pd
import pytest
from run_command import noisy, noisy_file, normal_noise, run

ROWS = 40_000


def csv(path, **columns):
    pd.DataFrame(columns).to_csv(path, index=False)
    return path


@pytest.fixture
def normal(tmp_path):
    """A column of ROWS standard normal values, standardised exactly."""
    drawn = np.random.default_rng(0).standard_normal(ROWS)
    return csv(tmp_path / "normal.csv", x=(drawn - drawn.mean()) / drawn.std())


def x_of(data):
    return pd.read_csv(io.BytesIO(data) if isinstance(data, bytes) else data)["x"]


def test_matlabs_awgn_measured_takes_the_mean_square_mean_not_removed(tmp_path):
    # awgn(sawtooth(t), 10, "measured"), t = 0:.1:10: the wave's mean square is about 1/3
    t = np.arange(101) / 10
    wave = 2 * ((t / (2 * np.pi)) % 1) - 1
    source = csv(tmp_path / "saw.csv", x=wave)
    report = tmp_path / "report.json"
    noisy(source, "--snr", 10, "--report", report)
    (step,) = json.loads(report.read_text())["plan"]["noise"]
    assert pytest.approx(np.sqrt(np.mean(wave**2) / 10), rel=1e-12) == step["scale"]
    assert pytest.approx(0.178, abs=5e-3) == step["scale"]


def test_sdcmicros_additive_noise_of_150_percent(normal):
    # sd ratio sqrt(1 + 1.5**2) = 1.8028; correlation 1 / 1.8028 = .5547
    before, after = x_of(normal), x_of(noisy(normal, "-s", "1.5sd"))
    error = 1.8028 / np.sqrt(2 * ROWS)
    assert abs(after.std() / before.std() - 1.8028) < 4.5 * error
    assert abs(np.corrcoef(before, after)[0, 1] - 0.5547) < 4.5 * (1 - 0.5547**2) / np.sqrt(ROWS)


def test_sdcmicros_correlated_noise_of_150_percent(normal):
    # variance ratio 1 + 1.5; sd ratio 1.5811, correlation .6325
    before, after = x_of(normal), x_of(noisy(normal, "-d", "correlated", "-p", "share=1.5"))
    assert abs(after.std() / before.std() - 1.5811) < 4.5 * 1.5811 / np.sqrt(2 * ROWS)
    assert abs(np.corrcoef(before, after)[0, 1] - 0.6325) < 4.5 * (1 - 0.6325**2) / np.sqrt(ROWS)


def test_imnoises_salt_and_pepper_is_half_low_and_half_high(tmp_path):
    source = tmp_path / "grey.npy"
    np.save(source, np.full((200, 200), 128, np.uint8))
    after = np.load(noisy_file(source, "-d", "salt-and-pepper", "--rate", "5%"))
    low, high, same = ((after == value).mean() for value in (0, 255, 128))
    assert pytest.approx(1) == low + high + same
    for share in (low, high):
        assert abs(share - 0.025) < 4.5 * np.sqrt(0.025 * 0.975 / after.size)


def test_mices_right_tailed_missingness_at_a_rate_of_30_percent(normal):
    options = ("-d", "missing", "--rate", "0.3", "-p", "mechanism=mnar", "-p", "shape=right")
    before, after = x_of(normal), x_of(noisy(normal, *options))
    gone = before[after.isna()]
    assert abs(len(gone) / ROWS - 0.3) < 4.5 * np.sqrt(0.21 / ROWS)
    assert abs(gone.mean() - 0.5899) < 4.5 * gone.std() / np.sqrt(len(gone))


def test_the_gaussian_mechanism_at_epsilon_1_and_delta_1e_5(normal, tmp_path):
    report = tmp_path / "report.json"
    options = (
        "-d",
        "gaussian-mechanism",
        "-p",
        "epsilon=1",
        "-p",
        "delta=1e-5",
        "-p",
        "sensitivity=1",
    )
    after = x_of(noisy(normal, *options, "--report", report))
    (step,) = json.loads(report.read_text())["plan"]["noise"]
    assert pytest.approx(4.8448, abs=5e-5) == step["scale"]
    noise = after - x_of(normal)
    assert abs(noise.std() - 4.8448) < 4.5 * 4.8448 / np.sqrt(2 * ROWS)


IMAGENET_C = {
    "gaussian": (0.08, 0.12, 0.18, 0.26, 0.38),
    "shot": (60, 25, 12, 5, 3),
    "impulse": (0.03, 0.06, 0.09, 0.17, 0.27),
    "speckle": (0.15, 0.2, 0.35, 0.45, 0.6),
}


@pytest.mark.parametrize("severity", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("dtype", ["f8", "f4", "u1"])
class TestImagenetC:
    """On mid-grey of .3 the noise's sd is the formula's; what is beyond [0, 1] is clipped."""

    def noised(self, tmp_path, dtype, name, severity):
        full = 255 if dtype == "u1" else 1
        source = tmp_path / "grey.npy"
        np.save(source, np.full((4, 128, 128), round(0.4 * full, 2), dtype))
        after = np.load(noisy_file(source, "--preset", f"imagenet-c-{name}:{severity}"))
        assert np.dtype(dtype) == after.dtype
        assert 0 <= after.min() <= after.max() <= full
        return after.astype(float).reshape(-1) / full

    def check(self, after, grey, sd):
        """Hold the share on either side of one sd to a normal distribution's, clipped or not."""
        inside = np.mean(np.abs(after - grey) < sd)
        assert abs(inside - 0.6827) < 4.5 * np.sqrt(0.22 / after.size) + 0.02

    def test_gaussian(self, tmp_path, dtype, severity):
        sd = IMAGENET_C["gaussian"][severity - 1]
        self.check(self.noised(tmp_path, dtype, "gaussian", severity), 0.4, sd)

    def test_speckle(self, tmp_path, dtype, severity):
        sd = 0.4 * IMAGENET_C["speckle"][severity - 1]
        self.check(self.noised(tmp_path, dtype, "speckle", severity), 0.4, sd)

    def test_shot(self, tmp_path, dtype, severity):
        count = IMAGENET_C["shot"][severity - 1]
        after = self.noised(tmp_path, dtype, "shot", severity)
        share = np.mean(after < 0.5 / count)  # no photon at all
        expected = np.exp(-0.4 * count)
        assert abs(share - expected) < 4.5 * np.sqrt(expected / after.size) + 1e-9

    def test_impulse(self, tmp_path, dtype, severity):
        rate = IMAGENET_C["impulse"][severity - 1]
        after = self.noised(tmp_path, dtype, "impulse", severity)
        assert abs(np.mean((after == 0) | (after == 1)) - rate) < 4.5 * np.sqrt(rate / after.size)


def test_a_preset_takes_the_fields_that_are_chosen(tmp_path):
    source = csv(tmp_path / "two.csv", a=[0.5] * 50, b=[0.5] * 50)
    done = run(source, "--preset", "imagenet-c-gaussian:1", "-c", "a", "--seed", 1)
    after = pd.read_csv(io.BytesIO(done.output))
    assert (0.5 != after["a"]).all()
    assert (0.5 == after["b"]).all()


IMAGE = np.arange(256, dtype=np.uint8).repeat(200).reshape(256, 200)


def as_published(noisy_shares):
    """Return what make_imagenet_c.py and make_cifar_c.py save of images from 0 to 1."""
    return np.uint8(np.clip(noisy_shares, 0, 1) * 255)


class TestImageNetC:
    @pytest.fixture
    def source(self, tmp_path):
        np.save(tmp_path / "grey.npy", IMAGE)
        return tmp_path / "grey.npy"

    @pytest.mark.parametrize(
        ("preset", "scale"),
        [("imagenet-c-gaussian:1", 0.08), ("imagenet-c-gaussian:5", 0.38),
         ("cifar-10-c-gaussian:3", 0.08)],
    )  # fmt: skip
    def test_gaussian_noise_is_truncated(self, preset, scale, source):
        z = normal_noise("data", IMAGE.size).reshape(IMAGE.shape)
        expected = as_published(IMAGE / 255.0 + scale * z)
        assert np.array_equal(expected, np.load(noisy_file(source, "--preset", preset)))

    @pytest.mark.parametrize(
        ("preset", "share"), [("imagenet-c-speckle:2", 0.2), ("cifar-10-c-speckle:5", 0.2)]
    )
    def test_speckle_is_truncated(self, preset, share, source):
        found = np.load(noisy_file(source, "--preset", preset))
        random = np.random.default_rng(1)
        x = IMAGE / 255.0
        expected = as_published(x + x * random.normal(size=x.shape, scale=share))
        error = expected.astype(float).std(axis=1) / np.sqrt(200 / 2)
        assert np.all(np.abs(found.mean(axis=1) - expected.mean(axis=1)) <= 4.5 * error)
        assert abs(found.mean() - expected.mean()) < 0.3

    @pytest.mark.parametrize(
        ("preset", "count"),
        [("imagenet-c-shot:1", 60), ("imagenet-c-shot:5", 3), ("cifar-10-c-shot:1", 500)],
    )
    def test_shot_noise_is_truncated(self, preset, count, source):
        found = np.load(noisy_file(source, "--preset", preset))
        assert np.isin(found, as_published(np.arange(2 * count) / count)).all()

    def test_a_report_makes_it_again(self, source, tmp_path):
        report, recipe = tmp_path / "r.json", tmp_path / "again.json"
        preset = ("--preset", "imagenet-c-gaussian:3")
        expected = np.load(noisy_file(source, *preset, "--report", report))
        (step,) = json.loads(report.read_text())["plan"]["noise"]
        assert step["truncate"]
        recipe = tmp_path / "again.toml"
        said = ("model", "scale", "clip", "truncate")
        lines = (f"{word} = {json.dumps(step[word])}" for word in said)
        recipe.write_text('[[noise]]\nfields = "data"\n' + "\n".join(lines) + "\n")
        assert np.array_equal(expected, np.load(noisy_file(source, "--recipe", recipe)))

    @pytest.mark.parametrize("preset", ["imagenet-c-shot", "cifar-10-c-gaussian"])
    @pytest.mark.parametrize("wrong", [-0.001, 1.001, 255.0])
    def test_floats_beyond_0_to_1_are_refused(self, preset, wrong, tmp_path):
        source, target = tmp_path / "x.npy", tmp_path / "y.npy"
        np.save(source, np.array([0.0, 0.5, wrong], np.float32))
        done = run(source, "-o", target, "--preset", preset, "--seed", 1)
        assert (3, False) == (done.status, target.exists())
        (line,) = done.lines
        assert "and an image of floats has values from 0 to 1" in line

    def test_floats_are_not_truncated(self, tmp_path):
        source = tmp_path / "x.npy"
        np.save(source, IMAGE / 255.0)
        z = normal_noise("data", IMAGE.size).reshape(IMAGE.shape)
        found = np.load(noisy_file(source, "--preset", "imagenet-c-gaussian:1"))
        assert np.array_equal(np.clip(IMAGE / 255.0 + 0.08 * z, 0, 1), found)
