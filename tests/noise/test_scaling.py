"""Test noise of instruments: gain, offset, resolution and the wrong unit."""

import math
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from apply_model import FLOAT64, SIZE, context_for, number_types
from hypothesis import given
from hypothesis import strategies as st

from noisify.core.chunk import BLOCK, Positions
from noisify.core.dtypes import NumberType
from noisify.core.errors import UsageError
from noisify.noise import model as interface
from noisify.noise import registry
from noisify.noise.level import Absolute, Duration, FromField, OfField, Percent
from noisify.noise.model import NoiseContext
from noisify.statistics.survey import FieldStatistics
from noisify.streams.keys import indices_of_texts
from noisify.streams.streams import (
    SequentialVariates,
    numpy_generator,
)

NUMBERS = number_types("f2 f4 f8 i1 u1 i4 i8 u8 decimal(9,2) decimal(30,2)")
COMPLEX128 = NumberType.of_dtype(np.dtype("c16"))
DRAWS = 200_000
numbers = pytest.mark.parametrize("number", NUMBERS.values(), ids=NUMBERS)


def make(name, **parameters):
    return interface.make(registry.find(name).load(), parameters)


def drawn(model, number, size, start=0, seed=7, field="data", **others):
    positions = Positions.range(start, start + size)
    keys = {name: indices_of_texts(list(k)) for name, k in others.items() if name != "err"}
    floats = {name: values for name, values in others.items() if name == "err"}
    return context_for(
        model, number, positions, seed=seed, field=field, companions=floats, keys=keys
    )


def apply(model, values, number=FLOAT64, **others):
    values = np.asarray(values, number.dtype)
    return model.apply(values, drawn(model, number, len(values), **others))


class TestMultiplicative:
    @pytest.mark.parametrize(
        ("dist", "sd", "kurtosis"), [("normal", 1, 3), ("uniform", 3**-0.5, 1.8)]
    )
    def test_deviates_in_proportion_to_the_value(self, dist, sd, kurtosis):
        model = make("multiplicative", scale=0.1, dist=dist)
        change = (apply(model, np.full(DRAWS, 200.0)) - 200) / 20
        assert abs(change.mean()) < 4.5 * sd / math.sqrt(DRAWS)
        assert abs(change.std() - sd) < 4.5 * sd * math.sqrt((kurtosis - 1) / (4 * DRAWS))

    def test_uniform_stays_within_its_half_width(self):
        noisy = apply(make("multiplicative", scale=0.1, dist="uniform"), np.ones(DRAWS))
        assert 0.9 <= noisy.min() < 0.9001
        assert 1.0999 < noisy.max() < 1.1

    def test_is_the_same_for_a_number_and_a_percentage(self):
        values = np.arange(-50.0, 50.0)
        one, other = (apply(make("multiplicative", scale=s), values) for s in (0.05, "5%"))
        assert one.tolist() == other.tolist()

    def test_has_the_documented_snr(self):
        values = np.sin(np.arange(DRAWS))
        change = apply(make("multiplicative", scale=0.1), values) - values
        snr = 10 * math.log10(np.mean(values**2) / np.mean(change**2))
        assert abs(snr - 20) < 0.1

    def test_takes_another_fields_share(self):
        once = apply(make("multiplicative", scale=1.0), np.ones(4)) - 1
        model = make("multiplicative", scale="@err")
        noisy = apply(model, np.full(4, 2.0), err=np.array([0.0, 0.1, -0.1, 1.0]))
        assert pytest.approx(2 + 2 * once * [0.0, 0.1, 0.1, 1.0]) == noisy
        assert model.companions() == {"err"}

    def test_leaves_zero_alone_and_keeps_the_phase(self):
        model = make("multiplicative", scale=0.2)
        assert apply(model, [0.0, 0.0]).tolist() == [0, 0]
        noisy = apply(model, np.full(500, 3 + 4j), COMPLEX128)
        assert pytest.approx(noisy.real * 4) == noisy.imag * 3
        assert len(set(noisy.tolist())) == 500

    @numbers
    def test_of_scale_zero_changes_nothing(self, number):
        values = np.arange(100).astype(number.dtype)
        noisy = apply(make("multiplicative", scale=0.0), values, number)
        assert (noisy.dtype, noisy.tolist()) == (values.dtype, values.tolist())

    def test_an_enormous_scale_saturates(self):
        model = make("multiplicative", scale=1.7e308)
        assert np.all(np.isfinite(apply(model, np.array([0.0, 1.0, 1e300]))))
        assert apply(model, [0, 5], NUMBERS["i4"]).tolist()[0] == 0

    def test_at_twice_the_scale_deviates_twice_as_much(self):
        once, twice = (
            apply(make("multiplicative", scale=s), np.ones(500)) - 1 for s in (0.25, 0.5)
        )
        assert pytest.approx(2 * once, abs=1e-15) == twice

    @pytest.mark.parametrize("scale", [OfField(0.1, "sd"), Duration(3.0)], ids=str)
    def test_refuses_a_level_that_is_not_a_share(self, scale):
        with pytest.raises(UsageError, match=r"^scale .* is not a share of each value; type 0.05"):
            make("multiplicative", scale=scale)

    def test_refuses_a_distribution_it_does_not_have(self):
        with pytest.raises(UsageError, match=r"^dist 'cauchy' .* not normal or uniform"):
            make("multiplicative", dist="cauchy")

    def test_has_no_sd_of_its_own(self):
        assert make("multiplicative").moments() is None


class TestRounding:
    def test_to_a_step(self):
        got = apply(make("rounding", step=0.5), [0.2, 0.25, 0.3, 0.75, -0.25, -0.3, 1e18])
        assert got.tolist() == [0, 0, 0.5, 1, 0, -0.5, 1e18]

    @given(
        st.lists(st.integers(-(10**9), 10**9), min_size=1, max_size=20),
        st.sampled_from(["0.1", "0.3", "0.01", "2.5", "1e-5", "7"]),
    )
    def test_to_a_decimal_step_is_the_float_nearest_to_a_multiple(self, whole, step):
        typed = [number / 1000 for number in whole]
        unit = Fraction(step)
        for value, got in zip(typed, apply(make("rounding", step=step), typed), strict=True):
            count = round(Fraction(float(got)) / unit)
            assert got == float(count * unit)
            assert abs(count * unit - Fraction(repr(value))) <= unit / 2

    def test_gives_decimals_without_a_tail(self):
        got = apply(make("rounding", step=0.1), [0.31, 0.69, 1.12]).tolist()
        assert got == [0.3, 0.7, 1.1]

    def test_a_float_with_no_digits_to_spare_stays(self):
        values = [1e17, -3e200, 1.7e308]
        assert apply(make("rounding", step=0.3), values).tolist() == values

    def test_to_bits_has_two_to_the_bits_levels_and_both_ends(self):
        values = np.linspace(-1, 1, 1001)
        got = apply(make("rounding", bits=3, low=-1, high=1), values)
        assert pytest.approx(np.linspace(-1, 1, 8)) == np.unique(got)
        assert (got[0], got[-1]) == (-1, 1)
        assert np.max(np.abs(got - values)) <= 1 / 7 + 1e-12

    def test_to_bits_limits_values_to_the_ends(self):
        got = apply(make("rounding", bits=1, low=0.1, high=0.7), [-5, 0.39, 0.41, 1e308])
        assert got.tolist() == [0.1, 0.1, 0.7, 0.7]

    def test_eight_bits_of_a_byte_are_itself(self):
        values = np.arange(256)
        model = make("rounding", bits=8, low=0, high=255)
        assert apply(model, values, NUMBERS["u1"]).tolist() == values.tolist()
        assert apply(model, values).tolist() == values.tolist()

    @pytest.mark.parametrize("step", [7, 2.5, 0.4, 1000, 10**15])
    @pytest.mark.parametrize("name", ["i1", "u1", "i8", "u8", "decimal(9,2)", "decimal(30,2)"])
    def test_of_whole_numbers_is_exact(self, name, step):
        number = NUMBERS[name]
        least, most = number.limits
        unscaled = {0, 1, 3, 100, 125, 2**53 + 1, 10**18 - 1, 3500, least, most, -3, -(2**60) - 1}
        values = [value for value in sorted(unscaled) if least <= value <= most]
        unit = Fraction(repr(float(step))) * 10**number.decimal_scale
        exact = [round(round(value / unit) * unit) for value in values]
        got = apply(make("rounding", step=step), np.array(values, number.dtype), number)
        assert got.tolist() == [min(max(value, least), most) for value in exact]

    def test_of_large_whole_numbers_to_bits_is_exact(self):
        low, high = -(2.0**62), 2.0**62
        values = [-(2**62) - 5, 3, 2**53 + 1, 2**61 + 1, 2**63 - 1]
        step = Fraction(2**63, 3)
        expected = [
            round(-(2**62) + min(max(round((v + 2**62) / step), 0), 3) * step) for v in values
        ]
        model = make("rounding", bits=2, low=low, high=high)
        got = apply(model, np.array(values, "i8"), NUMBERS["i8"]).tolist()
        large = [0, 2, 3, 4]  # 3 is computed in float64
        assert [expected[i] for i in large] == [got[i] for i in large]
        assert pytest.approx(expected[1], rel=1e-15) == got[1]

    def test_reports_saturation(self):
        model = make("rounding", step=1e6)
        for name, values in (("f2", [6e4, 1.0]), ("u1", [250, 1]), ("i8", [2**63 - 1, 1])):
            context = drawn(model, NUMBERS[name], 2)
            model.apply(np.array(values, name), context)
            assert context.saturated is None or not context.saturated[1]
        context = drawn(model, NUMBERS["i8"], 2)
        model.apply(np.array([2**63 - 1, 1]), context)
        assert context.saturated.tolist() == [True, False]

    def test_takes_the_range_of_the_field(self):
        model = make("rounding", bits=4)
        assert model.statistics("data") == {"data": {"range"}}
        settled = model.fit("data", {"data": FieldStatistics(count=9, low=-2.0, high=5.5)})
        assert settled == make("rounding", bits=4, low=-2.0, high=5.5)
        assert settled.statistics("data") == {}

    def test_takes_missing_parameters_from_the_field(self):
        statistics = {"data": FieldStatistics(count=9, low=-2.0, high=5.5)}
        assert make("rounding", bits=4, low=0).fit("data", statistics) == (
            make("rounding", bits=4, low=0.0, high=5.5)
        )

    def test_of_a_field_without_values_or_with_one_only(self):
        empty = make("rounding", bits=4).fit("data", {"data": FieldStatistics(count=0)})
        assert apply(empty, []).tolist() == []
        one = make("rounding", bits=4, low=3, high=3)
        assert apply(one, [3.0, 3.0]).tolist() == [3, 3]
        assert apply(one, [3, 3], NUMBERS["i8"]).tolist() == [3, 3]

    def test_with_a_step_needs_nothing(self):
        assert make("rounding", step=1).statistics("data") == {}

    def test_error_of_much_data_agrees_with_bennett(self):
        values = np.random.default_rng(7).normal(size=DRAWS)
        error = apply(make("rounding", step=0.01), values) - values
        sd = 0.01 / math.sqrt(12)
        assert abs(error.std() - sd) < 4.5 * sd * math.sqrt(0.8 / (4 * DRAWS))
        assert np.max(np.abs(error)) <= 0.005 + 1e-12

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ({}, "needs one of step and bits"),
            ({"step": 1, "bits": 8}, "needs one of step and bits"),
            ({"step": 0}, "step 0 of rounding must be above 0"),
            ({"bits": 0}, "bits 0 of rounding must be at least 1"),
            ({"bits": 33}, "bits 33 of rounding must be at most 32"),
            ({"step": 1, "low": 0}, "low and high of rounding go with bits"),
            ({"bits": 8, "low": 2, "high": 1}, "low 2 of rounding is above high 1"),
            ({"bits": 8, "low": -1.7e308, "high": 1.7e308}, "too far apart"),
        ],
    )
    def test_refuses_levels_that_make_no_sense(self, given, message):
        with pytest.raises(UsageError, match=message):
            make("rounding", **given)

    def test_refuses_to_guess_the_range(self):
        with pytest.raises(UsageError, match="needs the range of the whole field"):
            apply(make("rounding", bits=8), [1.0])


class TestBias:
    def test_is_one_offset_for_the_field(self):
        model = make("bias", scale=2.0)
        noisy = apply(model, np.zeros(SIZE))
        assert len(set(noisy.tolist())) == 1
        assert noisy[0] != 0
        later = model.apply(np.zeros(5), drawn(model, FLOAT64, 5, start=5 * BLOCK + 77))
        assert later.tolist() == [noisy[0]] * 5

    def test_is_another_one_for_another_field_and_seed(self):
        model = make("bias", scale=2.0)
        found = {
            model.apply(np.zeros(1), drawn(model, FLOAT64, 1, seed=seed, field=field))[0]
            for seed in (1, 2)
            for field in ("a", "b")
        }
        assert len(found) == 4

    def test_over_many_seeds_is_standard_normal(self):
        model, count = make("bias", scale=1.0), 4000
        offsets = np.array(
            [model.apply(np.zeros(1), drawn(model, FLOAT64, 1, seed=s))[0] for s in range(count)]
        )
        assert abs(offsets.mean()) < 4.5 / math.sqrt(count)
        assert abs(offsets.std() - 1) < 4.5 / math.sqrt(2 * count)

    def test_by_key_is_one_offset_a_key(self):
        keys = ["a", "b", "", "a", "b", "a", ""]
        noisy = apply(make("bias", scale=2.0, by="device"), np.zeros(7), device=keys)
        assert len(set(noisy.tolist())) == 3
        assert [noisy[0]] * 3 == noisy[[0, 3, 5]].tolist()
        assert [noisy[1]] * 2 == noisy[[1, 4]].tolist()

    def test_by_key_depends_on_nothing_but_the_key(self):
        model = make("bias", scale=2.0, by="device")
        keys = np.array([f"k{i * 37 % 81}" for i in range(300)], object)
        whole = apply(model, np.zeros(300), device=keys)
        for a, b in pairwise([0, 1, 77, 200, 300]):
            context = drawn(model, FLOAT64, b - a, start=a, device=keys[a:b])
            assert whole[a:b].tolist() == model.apply(np.zeros(b - a), context).tolist()

    def test_over_many_keys_is_standard_normal(self):
        keys = [str(i) for i in range(DRAWS)]
        noisy = apply(make("bias", scale=1.0, by="k"), np.zeros(DRAWS), k=keys)
        assert abs(noisy.mean()) < 4.5 / math.sqrt(DRAWS)
        assert abs(noisy.std() - 1) < 4.5 / math.sqrt(2 * DRAWS)
        assert abs(np.mean(noisy[1:] * noisy[:-1])) < 4.5 / math.sqrt(DRAWS)

    def test_takes_keys_that_are_no_proper_text(self):
        noisy = apply(make("bias", scale=1.0, by="k"), np.zeros(3), k=["\udce9", "é", "\udce9"])
        assert noisy[0] == noisy[2] != noisy[1]

    def test_of_complex_values_is_another_in_each_part(self):
        for by in (None, "k"):
            noisy = apply(
                make("bias", scale=2.0, by=by, loc=1.0), np.zeros(2), COMPLEX128, k=["", ""]
            )
            assert noisy[0] == noisy[1]
            assert noisy[0].real - 1 != noisy[0].imag != 0

    def test_adds_loc_and_is_a_gain_at_a_level_in_percent(self):
        (offset,) = apply(make("bias", scale=1.0), [0.0])
        assert apply(make("bias", scale=0.0, loc=3.0), [1.0, 2.0]).tolist() == [4, 5]
        got = apply(make("bias", scale=Percent(0.5)), [2.0, -4.0])
        assert pytest.approx([2 + offset, -4 + 2 * offset]) == got

    @numbers
    def test_of_scale_zero_changes_nothing(self, number):
        values = np.arange(100).astype(number.dtype)
        noisy = apply(make("bias", scale=0.0), values, number)
        assert (noisy.dtype, noisy.tolist()) == (values.dtype, values.tolist())

    def test_looks_at_the_fields_it_names(self):
        assert make("bias", scale=FromField("err"), by="k").companions() == {"err", "k"}
        assert make("bias").companions() == set()

    def test_refuses_a_field_that_is_both_level_and_key(self):
        with pytest.raises(UsageError, match="by 'err' of bias is the field that the scale comes"):
            make("bias", scale=FromField("err"), by="err")

    @pytest.mark.parametrize("by", [None, "k"])
    def test_refuses_a_sequential_stream(self, by):
        variates = SequentialVariates(numpy_generator("numpy", 1), Positions.range(0, 2))
        context = NoiseContext(variates, FLOAT64, keys={"k": np.zeros(2, np.uint64)})
        with pytest.raises(UsageError, match="needs noisify's own streams; drop --rng"):
            make("bias", scale=Absolute(1.0), by=by).apply(np.zeros(2), context)

    def test_has_no_sd_within_a_field(self):
        assert make("bias").moments() is None


class TestScaleBy:
    def test_multiplies_a_share_of_the_values(self):
        noisy = apply(make("scale-by", rate=0.1, factor=1000), np.ones(DRAWS))
        assert set(noisy.tolist()) == {1, 1000}
        share = np.mean(noisy == 1000)
        assert abs(share - 0.1) < 4.5 * math.sqrt(0.1 * 0.9 / DRAWS)

    def test_takes_each_of_several_factors_equally_often(self):
        noisy = apply(make("scale-by", rate=1.0, factor="10|100|0.001"), np.ones(DRAWS))
        assert set(noisy.tolist()) == {10, 100, 0.001}
        for factor in (10, 100, 0.001):
            share = np.mean(noisy == factor)
            assert abs(share - 1 / 3) < 4.5 * math.sqrt(2 / 9 / DRAWS)

    def test_has_three_powers_of_ten_by_default(self):
        noisy = apply(make("scale-by", rate=1.0), np.ones(1000))
        assert set(noisy.tolist()) == {10, 100, 1000}

    def test_elements_hit_are_hit_alike_at_a_higher_rate(self):
        few, many = (apply(make("scale-by", rate=r), np.ones(SIZE)) for r in (0.05, 0.1))
        assert np.all(many[few != 1] == few[few != 1])
        assert 0 < np.sum(few != 1) < np.sum(many != 1)

    @numbers
    def test_of_rate_zero_changes_nothing(self, number):
        values = np.arange(100).astype(number.dtype)
        noisy = apply(make("scale-by", rate=0.0), values, number)
        assert (noisy.dtype, noisy.tolist()) == (values.dtype, values.tolist())

    def test_gives_decimals_without_a_tail(self):
        got = apply(make("scale-by", rate=1.0, factor=0.001), [1.1, 3.0, 1.7]).tolist()
        assert got == [0.0011, 0.003, 0.0017]

    def test_rounds_whole_numbers_half_to_even_and_saturates(self):
        half = make("scale-by", rate=1.0, factor=0.5)
        assert apply(half, [1, 2, 3, 5, -3], NUMBERS["i4"]).tolist() == [0, 1, 2, 2, -2]
        assert apply(half, [1, 3, -5], NUMBERS["decimal(9,2)"]).tolist() == [0, 2, -2]
        ten = make("scale-by", rate=1.0, factor=10)
        assert apply(ten, [3, -3, 100], NUMBERS["i1"]).tolist() == [30, -30, 127]
        assert apply(ten, [123, -9_999_999], NUMBERS["decimal(9,2)"]).tolist() == [1230, -99999990]

    def test_leaves_large_whole_numbers_alone_where_it_does_not_hit(self):
        values = np.full(1000, 2**60 + 1)
        noisy = apply(make("scale-by", rate=0.5, factor=2), values, NUMBERS["i8"])
        assert set(noisy.tolist()) == {2**60 + 1, 2**61 + 1}

    def test_a_float_saturates_and_reports_it(self):
        model = make("scale-by", rate=1.0, factor=1000)
        context = drawn(model, NUMBERS["f2"], 2)
        noisy = model.apply(np.array([1000, 1], "f2"), context)
        assert noisy.tolist() == [65504, 1000]
        assert context.saturated.tolist() == [True, False]

    @pytest.mark.parametrize("factor", [(), (math.inf,), (10.0, math.nan)])
    def test_refuses_factors_that_make_no_sense(self, factor):
        with pytest.raises(UsageError, match=r"^factor "):
            make("scale-by", factor=factor)
