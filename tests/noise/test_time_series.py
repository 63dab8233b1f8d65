"""Test noise with a memory: exact correlations, documented spectra, no trace of the chunks."""

import math
import warnings
from itertools import pairwise

import numpy as np
import pytest
from apply_model import CUTS, SIZE, apply, noise, number_types, same, some_values
from example_counts import examples
from hypothesis import given

from noisify.core.chunk import BLOCK, Positions
from noisify.core.errors import UsageError
from noisify.noise import gaussian_processes, power_law, registry
from noisify.noise import model as interface
from noisify.noise.gaussian_processes import Process, Stream, values_of_block
from noisify.noise.level import Absolute, FromField, Percent
from noisify.noise.model import NoiseContext
from noisify.statistics.survey import FieldStatistics
from noisify.streams.streams import SequentialVariates, StreamName, StreamVariates

NUMBERS = number_types("f4 f8 i1 u1 i8 c16 decimal(9,2)")
FLOAT64, COMPLEX128 = NUMBERS["f8"], NUMBERS["c16"]
MODELS = {
    "ar1": {},
    "random-walk": {},
    "colored": {"exponent": 0.5, "cutoff": 1 << 20},
    "pink": {"cutoff": 1 << 20},
    "brown": {"length": SIZE},
    "blue": {"cutoff": 1000},
    "violet": {},
    "drift": {"length": SIZE},
}
CLASSES = {entry.name: entry.load() for entry in registry.MODELS if entry.module == "time_series"}
STATIONARY = ["ar1", "colored", "pink", "brown", "blue", "violet"]

names = pytest.mark.parametrize("name", MODELS)
numbers = pytest.mark.parametrize("number", NUMBERS.values(), ids=NUMBERS)


def make(name, **parameters):
    given_ = {"scale": Absolute(1.0)} | MODELS[name] | parameters
    return interface.make(CLASSES[name], given_)


@names
class TestEveryModel:
    @pytest.mark.parametrize("kind", ["f8", "i8", "c16"])
    @examples(15)
    @given(cuts=CUTS)
    def test_does_not_depend_on_the_chunks(self, name, kind, cuts):
        number, model = NUMBERS[kind], make(name, scale=Percent(0.5), loc=1.0)
        values = some_values(number, SIZE)
        ends = [0, *sorted(cuts), SIZE]
        pieces = [apply(model, values[a:b], number, start=a) for a, b in pairwise(ends)]
        assert same(apply(model, values, number), np.concatenate(pieces))

    def test_does_not_depend_on_the_box_an_array_is_read_by(self, name):
        shape = (50, 400)
        whole = noise(make(name), size=math.prod(shape)).reshape(shape)
        box = (slice(7, 45), slice(100, 333))
        positions = Positions.box(shape, box)
        variates = StreamVariates(StreamName(7, "data", name), positions)
        part = make(name).apply(np.zeros(positions.size), NoiseContext(variates, FLOAT64))
        assert same(np.ascontiguousarray(whole[box]).reshape(-1), part)

    def test_far_into_a_field_is_there_at_once_and_goes_on_over_borders(self, name):
        start = 3 * 10**12
        far = noise(make(name), start=start)
        assert same(far[1000:], noise(make(name), start=start + 1000, size=SIZE - 1000))

    @numbers
    def test_keeps_the_dtype_and_the_input(self, name, number):
        values = some_values(number, SIZE)
        untouched = values.copy()
        noisy = apply(make(name, scale=Absolute(3.0)), values, number, seed=10)
        assert (values.dtype, values.shape) == (noisy.dtype, noisy.shape)
        assert same(untouched, values)
        assert not same(values, noisy)

    @numbers
    def test_of_nothing_is_nothing(self, name, number):
        noisy = apply(make(name), np.empty(0, number.dtype), number)
        assert (number.dtype, (0,)) == (noisy.dtype, noisy.shape)

    @numbers
    @pytest.mark.parametrize("scale", [Absolute(3.0), Percent(0.5)], ids=str)
    def test_changing_one_value_changes_that_output_only(self, name, number, scale):
        model, values = make(name, scale=scale), some_values(number, 200)
        for i in (0, 77, 199):
            changed = values.copy()
            changed[i] = values[i] + 1
            before, after = apply(model, values, number), apply(model, changed, number)
            assert same(np.delete(before, i), np.delete(after, i))

    @numbers
    def test_of_scale_zero_changes_nothing(self, name, number):
        values = some_values(number, 200)
        assert same(values, apply(make(name, scale=Absolute(0.0)), values, number))

    @pytest.mark.parametrize("kind", ["f8", "c16"])
    def test_at_twice_the_scale_is_twice_as_large(self, name, kind):
        once, twice = (
            noise(make(name, scale=Absolute(scale)), NUMBERS[kind]) for scale in (0.7, 1.4)
        )
        assert same(2 * once, twice)

    def test_of_float32_is_that_of_float64(self, name):
        assert same(noise(make(name)).astype("f4"), noise(make(name), NUMBERS["f4"]))

    def test_of_integers_is_that_of_floats_rounded(self, name):
        model = make(name, scale=Absolute(0.3))
        assert same(np.rint(noise(model)).astype("i8"), noise(model, NUMBERS["i8"]))

    def test_adds_loc_to_every_value(self, name):
        plain, shifted = (noise(make(name, loc=loc)) for loc in (0.0, 100.0))
        assert same(plain + 100.0, shifted)

    def test_takes_another_fields_magnitude(self, name):
        errors = np.array([0.0, 1.0, -2.0, 0.5])
        once = noise(make(name), size=4)
        noisy = apply(make(name, scale=FromField("err", 2.0)), np.zeros(4), FLOAT64, err=errors)
        assert [0.0, 2 * once[1], 4 * once[2], once[3]] == noisy.tolist()

    def test_of_complex_values_has_two_parts_of_their_own(self, name):
        both = noise(make(name), COMPLEX128)
        assert same(noise(make(name)) * math.sqrt(0.5), both.real.copy())
        assert not np.any(both.real[1:] == both.imag[1:])

    def test_of_other_seeds_and_fields_is_other_noise(self, name):
        assert not np.any(noise(make(name))[1:] == noise(make(name), seed=8)[1:])

    @pytest.mark.parametrize("kind", ["f4", "f8", "u1", "i8"])
    def test_a_huge_scale_saturates_without_warning(self, name, kind):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            noisy = noise(make(name, scale=Absolute(1.7e308)), NUMBERS[kind])
        assert np.all(np.isfinite(noisy))

    def test_needs_noisifys_own_streams(self, name):
        variates = SequentialVariates(np.random.default_rng(1), Positions.range(0, 4))
        with pytest.raises(UsageError, match="drop --rng"):
            make(name).apply(np.zeros(4), NoiseContext(variates, FLOAT64))

    def test_has_moments_only_if_stationary(self, name):
        expected = (0.0, 1.0) if name in STATIONARY else None
        assert expected == make(name).moments()

    def test_is_listed_under_time_series(self, name):
        assert "time series" == CLASSES[name].family


@pytest.fixture
def tiny_blocks(monkeypatch):
    """Use blocks of 8 elements and skeletons of 4 points, to reach all rungs quickly."""
    caches = (
        gaussian_processes._ladder,
        gaussian_processes._skeleton_block,
        gaussian_processes._pull,
    )
    monkeypatch.setattr(gaussian_processes, "BLOCK", 8)
    monkeypatch.setattr(gaussian_processes, "SKELETON_POINTS", 4)
    for cache in caches:
        cache.cache_clear()
    yield
    for cache in caches:
        cache.cache_clear()


class TestExactness:
    """Values are linear in the normals drawn, so unit impulses in each give the covariance."""

    BLOCKS = 20

    def covariance(self, process, monkeypatch):
        drawn, hot = {}, -1

        def normals(_, rung, start, stop):
            numbers = [drawn.setdefault((rung, i), len(drawn)) for i in range(start, stop)]
            return np.array([float(number == hot) for number in numbers])

        monkeypatch.setattr(Stream, "normals", normals)
        stream = Stream(StreamName(1, "data", "test"), "noise")

        def response(number):
            nonlocal hot
            hot = number
            gaussian_processes._skeleton_block.cache_clear()
            blocks = [values_of_block(stream, process, b) for b in range(self.BLOCKS)]
            for one, following in pairwise(blocks):
                assert one[-1] == following[0]
            return np.concatenate([values[:-1] for values in blocks])

        response(-1)  # finds which normals are drawn
        responses = [response(number) for number in range(len(drawn))]
        return np.transpose(responses) @ responses

    @pytest.mark.parametrize("rho", [-0.9, 0.0, 0.5, 0.99, 0.9999, 1 - 2.0**-20])
    def test_of_a_stationary_process(self, rho, tiny_blocks, monkeypatch):  # noqa: ARG002
        lags = np.arange(8 * self.BLOCKS)
        expected = float(rho) ** np.abs(lags[:, None] - lags)
        covariance = self.covariance(Process.stationary(rho), monkeypatch)
        assert pytest.approx(expected, abs=1e-10) == covariance

    def test_of_a_walk(self, tiny_blocks, monkeypatch):  # noqa: ARG002
        times = np.arange(8.0 * self.BLOCKS)
        covariance = self.covariance(Process.walk(), monkeypatch)
        assert pytest.approx(np.minimum(times[:, None], times), abs=1e-10) == covariance

    @pytest.mark.parametrize(
        ("process", "rungs"),
        [
            (Process.stationary(0.0), 1),
            (Process.stationary(0.9), 2),
            (Process.stationary(1 - 2.0**-20), 4),
            (Process.walk(), 5),
        ],
        ids=str,
    )
    def test_a_ladder_ends_where_points_are_independent(self, process, rungs):
        assert rungs == len(gaussian_processes._ladder(process))

    def test_one_block_of_the_highest_rung_holds_every_field(self):
        assert BLOCK * gaussian_processes.SKELETON_POINTS ** (gaussian_processes.RUNGS - 1) >= 2**53


class TestAR1:
    DRAWS = 1 << 20

    @pytest.mark.parametrize("rho", [-0.9, 0.0, 0.5, 0.99, 0.9999])
    def test_is_correlated_by_powers_of_rho(self, rho):
        drawn = noise(make("ar1", rho=rho), size=self.DRAWS)
        worst = math.sqrt(2 * (1 + rho * rho) / (1 - rho * rho) / self.DRAWS)  # Bartlett's
        for lag in (0, 1, 2, 10, 1000, BLOCK):
            found = np.mean(drawn[lag:] * drawn[: self.DRAWS - lag])
            assert abs(found - rho**lag) < 4.5 * worst

    @pytest.mark.parametrize("rho", [-0.9, 0.0, 0.5, 0.99])
    def test_is_correlated_alike_over_the_borders_of_blocks(self, rho):
        drawn = noise(make("ar1", rho=rho), size=256 * BLOCK).reshape(256, BLOCK)
        before, after = drawn[:-1, -1], drawn[1:, 0]
        error = math.sqrt((1 + rho * rho) / len(before))
        assert abs(np.mean(before * after) - rho) < 4.5 * error
        assert abs(np.mean(after * after) - 1) < 4.5 * math.sqrt(2 / len(after))

    def test_is_normal(self):
        drawn = noise(make("ar1", rho=0.5), size=self.DRAWS)
        error = math.sqrt(0.25 * 0.75 / self.DRAWS * 3) / 0.31777657  # rho = 0.5 costs a factor 3
        assert abs(np.quantile(drawn, 0.75) - 0.6744897501960817) < 4.5 * error

    def test_innovations_are_independent(self):
        drawn = noise(make("ar1", rho=0.9), size=self.DRAWS)
        innovations = drawn[1:] - 0.9 * drawn[:-1]
        error = 4.5 / math.sqrt(self.DRAWS)
        assert abs(np.var(innovations) / 0.19 - 1) < math.sqrt(2) * error
        for lag in (1, 2, BLOCK - 1, BLOCK, BLOCK + 1):
            product = np.mean(innovations[lag:] * innovations[:-lag])
            assert abs(product / 0.19) < error

    @pytest.mark.parametrize("rho", [1.0, -1.0, 1.5])
    def test_refuses_a_rho_that_is_not_stationary(self, rho):
        with pytest.raises(UsageError, match=r"^rho .* of ar1 must be above -1 and below 1"):
            make("ar1", rho=rho)


class TestRandomWalk:
    def test_starts_at_zero_with_independent_steps_of_the_scale(self):
        walk = noise(make("random-walk", scale=Absolute(2.0)), size=1 << 20)
        steps = np.diff(walk)
        error = 4.5 / math.sqrt(len(steps))
        assert 0.0 == walk[0]
        assert abs(np.mean(steps * steps) / 4 - 1) < math.sqrt(2) * error
        for lag in (1, 2, BLOCK - 1, BLOCK, BLOCK + 1):
            assert abs(np.mean(steps[lag:] * steps[:-lag]) / 4) < error

    def test_spreads_with_the_root_of_time(self):
        runs, size = 400, 3 * BLOCK
        walks = np.array([noise(make("random-walk"), size=size, seed=s) for s in range(runs)])
        for time in (1, 100, BLOCK, size - 1):
            assert abs(np.var(walks[:, time]) / time - 1) < 4.5 * math.sqrt(2 / runs)


def decibels(ratio):
    return 10 * np.log10(ratio)


EXPONENTS = [-2.0, -1.999, -1.0, -0.5, -0.001, 0.0, 0.1, 0.5, 1.0, 1.3, 1.5, 1.9, 1.999, 2.0]
SHORT_TO_LONG = [100, 101, 365, 1000, 12_345, 10**6, 10**9, 10**12]
exponents = pytest.mark.parametrize("exponent", EXPONENTS)


def spectrum(blend, frequencies):
    """Return the spectral density of a blend at frequencies in cycles per element."""
    x = (2 * np.sin(np.pi * frequencies)) ** 2
    total = np.zeros(frequencies.shape)
    for part in blend.parts:
        rho, step = part.process.rho, part.process.step
        total += (part.amplitude * step) ** 2 / ((1 - rho) ** 2 + rho * x)
    own, following = blend.own, blend.following
    return total * ((own + following) ** 2 - own * following * x)


def covariances(blend, count):
    """Return the covariances of elements 0, 1, 2, ... apart."""
    lags = np.arange(count + 1)
    sums = sum(part.amplitude**2 * part.process.rho**lags for part in blend.parts)
    own, following = blend.own, blend.following
    beside = np.concatenate([[sums[1]], sums[: count - 1]]) + sums[1:]
    return (own**2 + following**2) * sums[:count] + own * following * beside


class TestSpectrum:
    @exponents
    @pytest.mark.parametrize("length", SHORT_TO_LONG)
    def test_is_the_power_law_from_one_cycle_in_the_field_to_the_limit(self, exponent, length):
        limit = 0.3 if exponent >= 0 else 0.25
        frequencies = np.geomspace(1 / length, limit, 501)
        blend = power_law.blend_for_length(exponent, length)
        law = frequencies**-exponent
        middle = math.sqrt(limit / length)
        at_middle = spectrum(blend, np.array([middle]))[0] * middle**exponent
        off = decibels(spectrum(blend, frequencies) / law / at_middle)
        assert np.abs(off).max() < 1

    @pytest.mark.parametrize("exponent", [e for e in EXPONENTS if e < 0])
    def test_is_that_of_fractional_differences_below_zero(self, exponent):
        frequencies = np.geomspace(1e-6, 0.5, 2001)
        law = (2 * np.sin(np.pi * frequencies)) ** -exponent
        off = decibels(spectrum(power_law.blend_for_period(exponent, 1 << 21), frequencies) / law)
        assert np.ptp(off) / 2 < 0.3

    @exponents
    def test_has_variance_one_with_a_slowest_period(self, exponent):
        logs = np.linspace(math.log(1e-14), math.log(0.5), 200_001)
        frequencies = np.exp(logs)
        blend = power_law.blend_for_period(exponent, 1 << 20)
        heights = spectrum(blend, frequencies) * frequencies
        variance = 2 * np.sum((heights[1:] + heights[:-1]) / 2 * np.diff(logs))
        assert pytest.approx(1, rel=1e-5) == variance
        assert 1 == blend.mean_square

    @exponents
    @pytest.mark.parametrize("length", [16, 100, 1000, 30_000])
    def test_has_the_sd_in_the_field_that_was_asked_for(self, exponent, length):
        blend = power_law.blend_for_length(exponent, length)
        found = covariances(blend, length)
        weights = length - np.arange(length)
        of_mean = (2 * np.sum(weights * found) - length * found[0]) / length**2
        assert pytest.approx(1, rel=1e-11) == found[0] - of_mean
        assert pytest.approx(found[0], rel=1e-11) == blend.mean_square

    @pytest.mark.parametrize(
        ("name", "parameters", "exponent"),
        [
            ("pink", {}, 1),
            ("brown", {}, 2),
            ("blue", {}, -1),
            ("violet", {}, -2),
            ("colored", {"exponent": 0.5}, 0.5),
            ("colored", {"exponent": 0.0}, 0),
        ],
    )
    def test_of_the_noise_itself_is_as_said_over_three_decades(self, name, parameters, exponent):
        length, count = 1 << 15, 64
        model = make(name, **parameters, length=None, cutoff=1 << 20)
        blend = power_law.blend_for_period(exponent, 1 << 20)
        drawn = noise(model, size=length * count).reshape(count, length)
        window = np.sin(np.pi * (np.arange(length) + 0.5) / length) ** 2
        drawn = (drawn - drawn.mean(axis=1, keepdims=True)) * window
        power = np.mean(np.abs(np.fft.rfft(drawn)) ** 2, axis=0) / np.sum(window**2)
        frequencies = np.arange(len(power)) / length
        for low, high in pairwise(np.geomspace(2e-4, 0.2, 10)):
            band = (frequencies >= low) & (frequencies < high)
            law = frequencies[band] ** -exponent
            exact = spectrum(blend, frequencies[band])
            error = 4.5 * math.sqrt(2 / (count * np.count_nonzero(band)))  # Hann's bins overlap
            assert abs(np.mean(power[band] / exact) - 1) < error
            middle = spectrum(blend, np.array([0.01]))[0]
            assert abs(decibels(np.mean(power[band] / law) / middle * 0.01**-exponent)) < 1

    @pytest.mark.parametrize("name", ["blue", "violet"])
    def test_the_quick_colours_have_the_sd_they_say(self, name):
        drawn = noise(make(name), size=1 << 20)
        assert abs(drawn.std() - 1) < 4.5 * math.sqrt(3 / (2 << 20))

    @pytest.mark.parametrize(
        ("name", "exponent"), [("pink", 1), ("brown", 2), ("blue", -1), ("violet", -2)]
    )
    def test_named_colours_are_coloured_noise(self, name, exponent):
        context = NoiseContext(
            StreamVariates(StreamName(7, "data", "any"), Positions.range(0, SIZE)), FLOAT64
        )
        about = {"cutoff": None, "length": 1000}
        colored = make("colored", exponent=exponent, **about)
        named = make(name, **about).standard(context, "noise")
        assert same(named, colored.standard(context, "noise"))

    def test_differences_go_on_over_the_borders_of_blocks(self):
        context = NoiseContext(
            StreamVariates(StreamName(7, "data", "any"), Positions.range(0, SIZE + 1)), FLOAT64
        )
        white = make("colored", exponent=0).standard(context, "noise")
        violet = make("violet").standard(context, "noise")
        assert pytest.approx(np.diff(white) / math.sqrt(2), abs=1e-11) == violet[:-1]

    @pytest.mark.parametrize("exponent", [2.1, -2.5])
    def test_refuses_an_exponent_out_of_reach(self, exponent):
        with pytest.raises(UsageError, match=r"^exponent .* of colored must be from -2 to 2"):
            make("colored", exponent=exponent)


@pytest.mark.parametrize("name", ["pink", "brown", "blue", "colored"])
class TestSlowestPeriod:
    def test_is_by_default_the_length_of_the_field(self, name):
        model = make(name, length=None, cutoff=None)
        assert {"x": frozenset({"length"})} == model.statistics("x")
        settled = model.fit("x", {"x": FieldStatistics(3, length=500)})
        assert (500, None) == (settled.length, settled.cutoff)
        assert {} == settled.statistics("x")
        assert settled is settled.fit("x", {})

    def test_can_be_given_so_that_the_length_need_not_be_known(self, name):
        model = make(name, length=None, cutoff=1000)
        assert {} == model.statistics("x")
        assert model is model.fit("x", {})

    def test_is_not_guessed(self, name):
        with pytest.raises(UsageError, match=rf"^{name} needs the length .* cutoff=ELEMENTS"):
            noise(make(name, length=None, cutoff=None), size=4)

    def test_noise_has_the_level_that_was_asked_for(self, name):
        length, fields = 100, 200
        model = make(name, length=length, cutoff=None, scale=Absolute(3.0))
        drawn = np.array([noise(model, size=length, seed=seed) for seed in range(fields)])
        variances = drawn.var(axis=1) / 9
        squares = np.mean(drawn * drawn, axis=1) / 9
        for found, expected in ((variances, 1), (squares, model.mean_square())):
            assert abs(found.mean() - expected) < 4.5 * found.std() / math.sqrt(fields)

    @pytest.mark.parametrize("length", [0, 1, 2, 15])
    def test_of_few_elements_is_that_of_sixteen(self, name, length):
        few, sixteen = (make(name, length=n, cutoff=None) for n in (length, 16))
        assert same(noise(sixteen, size=15), noise(few, size=15))


@pytest.mark.parametrize(("name", "exponent"), [("violet", -2), ("colored", 0)])
def test_noise_without_a_slow_part_needs_no_length(name, exponent):
    about = {"exponent": exponent} if name == "colored" else {}
    model = make(name, length=None, cutoff=None, **about)
    assert {} == model.statistics("x")
    assert same(noise(make(name, length=None, cutoff=77, **about)), noise(model))


class TestDrift:
    def test_is_a_straight_line_from_the_first_element_to_the_last(self):
        drift = noise(make("drift", length=101), size=101)
        assert pytest.approx(drift[-1] * np.linspace(0, 1, 101), rel=1e-14) == drift

    def test_end_is_standard_normal(self):
        ends = np.array(
            [noise(make("drift", length=2), size=2, seed=seed)[-1] for seed in range(2000)]
        )
        assert abs(ends.mean()) < 4.5 / math.sqrt(2000)
        assert abs(ends.var() - 1) < 4.5 * math.sqrt(2 / 2000)

    def test_can_be_fixed_and_then_needs_no_random_numbers(self):
        model = make("drift", length=5, fixed="true", scale=Absolute(2.0))
        variates = SequentialVariates(np.random.default_rng(1), Positions.range(0, 5))
        noisy = model.apply(np.zeros(5), NoiseContext(variates, FLOAT64))
        assert [0.0, 0.5, 1.0, 1.5, 2.0] == noisy.tolist()

    def test_one_element_does_not_drift(self):
        assert [0.0] == noise(make("drift", length=1), size=1).tolist()

    def test_takes_its_length_from_its_field(self):
        model = make("drift", length=None)
        assert {"x": frozenset({"length"})} == model.statistics("x")
        settled = model.fit("x", {"x": FieldStatistics(3, length=5)})
        assert 5 == settled.length
        assert {} == settled.statistics("x")
        assert settled is settled.fit("x", {})

    def test_refuses_to_guess_its_length(self):
        with pytest.raises(UsageError, match="drift needs the length"):
            noise(make("drift", length=None), size=4)

    def test_refuses_a_negative_length(self):
        with pytest.raises(UsageError, match=r"^length -1 of drift must be at least 0"):
            make("drift", length=-1)
