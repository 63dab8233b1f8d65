"""A plan on a chunk: what was not asked to change does not, and what was done is counted."""

import math

import numpy as np
import pytest

from noisify.core.chunk import BLOCK, Chunk, Column, Field, Positions
from noisify.core.dtypes import NumberType
from noisify.engine.measures import measured
from noisify.engine.noiser import Noiser
from noisify.noise.additive import Normal
from noisify.noise.level import Absolute, FromField, OfField, Percent
from noisify.plan.plan import NoiseSpec, Plan, Request
from noisify.plan.resolve import resolve
from noisify.statistics.survey import FieldStatistics

FLOAT64 = NumberType.of_dtype(np.dtype("f8"))


def column(values, number=FLOAT64, valid=None, name="x", start=0, decimals=None):
    values = np.array(values, number.dtype) if isinstance(values, list) else values
    return Column(
        Field(name, number.kind, str(number.dtype), number),
        number,
        Positions.range(start, start + len(values)),
        values,
        None if valid is None else np.array(valid),
        nulls=0 if valid is None else int(np.count_nonzero(~np.array(valid))),
        decimals=decimals,
    )


def apply(columns, *specs, decimals=None, seed=42, measure=False, sds=(), **sizes):
    """Return the noisy columns of one chunk, and the tallies by field."""
    columns = columns if isinstance(columns, list) else [columns]
    fields = list(dict.fromkeys(column.field for column in columns))
    request = Request(specs, seed=seed, decimals=decimals)

    def survey(needs):
        found = zip(needs, sds, strict=True)  # fails unless levels that need a first pass have sds
        return {field.name: FieldStatistics(len(sds), 0.0, sd) for field, sd in found}

    plan = resolve(request, fields, survey)
    results, tallies = Noiser(plan, {}, **sizes).apply(Chunk(tuple(columns)))
    for name, found in measured(results).tallies.items() if measure else ():
        tallies[name] += found
    return results, tallies


def noisy(columns, *specs, **settings):
    """Return the one noisy column and its tally."""
    (result,), tallies = apply(columns, *specs, **settings)
    return result, tallies[result.column.field.name]


def spec(scale=1.0, **settings):
    level = Absolute(scale) if isinstance(scale, float) else scale
    return NoiseSpec(columns=("x",), scale=level, **settings)


ONE = spec()


class TestWhatStays:
    ODD = np.array(
        [0x7FF8000000000123, 0xFFF0000000000001, 0x7FF0000000000000, 0xFFF0000000000000], np.uint64
    ).view(np.float64)  # two NaN with payloads (one of them signalling), inf and -inf

    def test_nan_and_infinities_to_the_bit(self):
        values = np.concatenate([self.ODD, [1.0, 2.0], self.ODD])
        result, tally = noisy(column(values), ONE)
        bits = result.values.view(np.uint64)
        assert [*self.ODD.view(np.uint64)] * 2 == [*bits[:4], *bits[6:]]
        assert [False] * 4 + [True] * 2 + [False] * 4 == result.changed.tolist()
        assert (10, 8, 2) == (tally.elements, tally.nulls, tally.changed)

    @pytest.mark.parametrize(("dtype", "bits"), [("f2", "u2"), ("f4", "u4")])
    def test_nan_payloads_of_narrow_floats(self, dtype, bits):
        quiet = np.array([np.nan], dtype).view(bits) | 5
        values = np.concatenate([quiet.view(dtype), np.array([1], dtype)])
        result, _ = noisy(column(values, NumberType.of_dtype(np.dtype(dtype))), ONE)
        assert quiet[0] == result.values.view(bits)[0]
        assert result.values[1] != 1

    def test_a_complex_number_that_is_not_finite_in_one_part(self):
        number = NumberType.of_dtype(np.dtype("c16"))
        values = np.array([complex(1, np.nan), complex(-np.inf, -0.0), 1 + 1j])
        result, tally = noisy(column(values, number), ONE)
        assert values[:2].tobytes() == result.values[:2].tobytes()
        assert (2, 1) == (tally.nulls, tally.changed)

    @pytest.mark.parametrize("scale", [Absolute(0.0), Percent(0.5)], ids=str)
    def test_negative_zero_that_gets_no_noise(self, scale):
        values = np.array([-0.0, 0.0])
        result, tally = noisy(column(values), spec(scale))
        assert values.tobytes() == result.values.tobytes()
        assert 0 == tally.changed

    def test_nulls_whatever_stands_there(self):
        values = np.array([1.0, 7.0, np.nan, 4.0])
        result, tally = noisy(column(values, valid=[True, False, False, True]), ONE)
        assert values[1:3].tobytes() == result.values[1:3].tobytes()
        assert [True, False, False, True] == result.changed.tolist()
        assert (4, 2, 2) == (tally.elements, tally.nulls, tally.changed)

    def test_nulls_among_wide_decimals(self):
        values = np.array([100, None, 300], object)
        number = NumberType.decimal(30, 2)
        result, tally = noisy(column(values, number, [True, False, True]), ONE)
        assert result.values[1] is None
        assert (1, 2) == (tally.nulls, tally.changed)
        assert all(isinstance(value, int) for value in result.values[[0, 2]])

    @pytest.mark.parametrize("number", [FLOAT64, NumberType.of_dtype(np.dtype("i8"))], ids=str)
    def test_everything_at_scale_zero(self, number):
        result, tally = noisy(column([3, -1, 0, 2**53], number), spec(0.0))
        assert [3, -1, 0, 2**53] == result.values.tolist()
        assert 0 == tally.changed == np.count_nonzero(result.changed)

    def test_the_input(self):
        values = np.array([1.0, np.nan, 3.0])
        untouched = values.tobytes()
        noisy(column(values), ONE, spec(2.0, clip=(0.0, 1.0)))
        assert untouched == values.tobytes()

    def test_a_null_does_not_move_its_neighbours_noise(self):
        full, _ = noisy(column([1.0, 2.0, 3.0]), ONE)
        gappy, _ = noisy(column([1.0, np.nan, 3.0], valid=[True, False, True]), ONE)
        assert full.values[[0, 2]].tolist() == gappy.values[[0, 2]].tolist()

    def test_integers_that_noise_rounds_to_nothing(self):
        number = NumberType.of_dtype(np.dtype("i4"))
        result, tally = noisy(column([5] * 100, number), spec(0.01))
        assert [5] * 100 == result.values.tolist()
        assert 0 == tally.changed


class TestClip:
    def test_bounds_what_noise_changed(self):
        result, tally = noisy(column([0.5] * 1000), spec(1.0, clip=(0.0, 1.0)))
        assert (0.0, 1.0) == (result.values.min(), result.values.max())
        free, _ = noisy(column([0.5] * 1000), ONE)
        outside = (free.values < 0) | (free.values > 1)
        assert np.count_nonzero(outside) == tally.clipped > 0
        assert free.values[~outside].tolist() == result.values[~outside].tolist()

    def test_leaves_alone_what_noise_did_not_change(self):
        values = [-5.0, np.nan, 9.0, np.inf]
        result, tally = noisy(column(values), spec(0.0, clip=(0.0, 1.0)))
        assert [-5.0, 9.0, np.inf] == result.values[[0, 2, 3]].tolist()
        assert (0, 0) == (tally.clipped, tally.changed)

    def test_leaves_nulls_alone_and_does_not_count_them(self):
        valid = [False] * 50 + [True] * 50
        result, tally = noisy(column([9.0] * 100, valid=valid), spec(0.5, clip=(0.0, 1.0)))
        assert [9.0] * 50 + [1.0] * 50 == result.values.tolist()
        assert (50, 50) == (tally.clipped, tally.changed)

    @pytest.mark.parametrize("number", [FLOAT64, NumberType.of_dtype(np.dtype("u1"))], ids=str)
    def test_brings_a_value_that_was_outside_to_its_bound(self, number):
        result, _ = noisy(column([200] * 10, number), spec(5.0, clip=(0.0, 100.0)))
        assert {100} >= set(result.values[result.changed].tolist())
        assert {200} >= set(result.values[~result.changed].tolist())

    def test_half_open(self):
        result, _ = noisy(column([0.0] * 1000), spec(1.0, clip=(-math.inf, 0.25)))
        assert result.values.min() < -2
        assert 0.25 == result.values.max()

    @pytest.mark.parametrize("precision", [9, 38])
    def test_decimals(self, precision):
        number = NumberType.decimal(precision, 2)
        result, _ = noisy(column([0] * 500, number), spec(1.0, clip=(-0.3, 0.3)))
        assert (-30, 30) == (min(result.values), max(result.values))

    def test_bounds_that_an_integer_type_cannot_hold(self):
        number = NumberType.of_dtype(np.dtype("u1"))
        result, _ = noisy(column([250] * 200, number), spec(9.0, clip=(-50.0, 1e30)))
        assert 255 == result.values.max()

    def test_of_one_step_does_not_bind_the_next(self):
        first, second = spec(1.0, clip=(0.0, 1.0)), spec(10.0)
        result, tally = noisy(column([0.5] * 500), first, second)
        assert result.values.max() > 1
        assert 0 < tally.clipped < 500


class TestDecimals:
    def test_round_what_noise_changed(self):
        values = [1.23456, np.nan, 7.0]
        result, _ = noisy(column(values), ONE, decimals=2)
        free, _ = noisy(column(values), ONE)
        assert np.round(free.values[[0, 2]], 2).tolist() == result.values[[0, 2]].tolist()
        assert 2 == result.decimals

    def test_leave_what_noise_did_not_change(self):
        result, tally = noisy(column([1.23456, -0.0]), spec(Percent(0.0)), decimals=2)
        assert [1.23456, -0.0] == result.values.tolist()
        assert 0 == tally.changed

    def test_that_round_noise_away_leave_no_change(self):
        result, tally = noisy(column([1.5] * 20), spec(1e-6), decimals=1)
        assert [1.5] * 20 == result.values.tolist()
        assert 0 == tally.changed

    def test_kept_as_each_cell_has_them(self):
        digits = np.array([0, 1, 3, -1])
        values = column([3.0, 1.5, 2.125, 0.1], decimals=digits)
        result, _ = noisy(values, ONE, decimals="keep")
        free, _ = noisy(values, ONE)
        expected = [round(free.values[i], int(digits[i])) for i in range(3)] + [free.values[3]]
        assert expected == result.values.tolist()

    def test_do_not_push_a_value_past_its_clip(self):
        result, _ = noisy(column([0.0] * 500), spec(1.0, clip=(-0.26, 0.26)), decimals=1)
        assert -0.26 <= result.values.min()
        assert result.values.max() <= 0.26

    def test_of_integers_mean_nothing(self):
        number = NumberType.of_dtype(np.dtype("i8"))
        plain, _ = noisy(column([2**53 + 1] * 10, number), spec(50.0))
        rounded, _ = noisy(column([2**53 + 1] * 10, number), spec(50.0), decimals=2)
        assert plain.values.tolist() == rounded.values.tolist()


class TestSaturation:
    def test_is_counted(self):
        number = NumberType.of_dtype(np.dtype("u1"))
        result, tally = noisy(column([250] * 1000, number), spec(50.0))
        free, _ = noisy(column([250] * 1000, NumberType.of_dtype(np.dtype("i4"))), spec(50.0))
        assert np.clip(free.values, 0, 255).tolist() == result.values.tolist()
        assert np.count_nonzero((free.values < 0) | (free.values > 255)) == tally.saturated > 0

    def test_is_not_counted_for_nulls(self):
        number = NumberType.of_dtype(np.dtype("u1"))
        _, tally = noisy(column([255] * 100, number, [False] * 100), spec(1e9))
        assert (0, 0, 100) == (tally.saturated, tally.changed, tally.nulls)

    def test_of_floats(self):
        number = NumberType.of_dtype(np.dtype("f4"))
        result, tally = noisy(column([0.0, 0.0, np.inf], number), spec(1e60))
        most = float(np.finfo("f4").max)
        assert [most, most, np.inf] == np.abs(result.values).tolist()
        assert 2 == tally.saturated


class TestCompanions:
    ERRORS = np.array([1.0, np.nan, np.inf, 0.5, -2.0, 0.0])

    def test_a_companion_that_is_no_number_leaves_the_element_alone(self):
        valid = [True, True, True, False, True, True]
        columns = [column([1.0] * 6), column(self.ERRORS, valid=valid, name="err")]
        result, tally = noisy(columns, spec(FromField("err")))
        assert [True, False, False, False, True, False] == result.changed.tolist()
        assert [1.0] * 4 == result.values[~result.changed].tolist()
        assert 2 == tally.changed

    def test_a_companions_sign_is_of_no_account(self):
        columns = [column([1.0] * 6), column(self.ERRORS, name="err")]
        negative = [columns[0], column(-self.ERRORS, name="err")]
        one, other = (noisy(pair, spec(FromField("err")))[0] for pair in (columns, negative))
        assert one.values.tolist() == other.values.tolist()

    @pytest.mark.parametrize(
        "number", [NumberType.decimal(9, 2), NumberType.decimal(30, 2)], ids=str
    )
    def test_a_companion_is_taken_in_its_own_unit(self, number):
        errors = column([150, 0], number, name="err")  # 1.50 and 0.00
        result, _ = noisy([column([0.0, 0.0]), errors], spec(FromField("err")))
        plain, _ = noisy(column([0.0, 0.0]), ONE)
        assert [1.5 * plain.values[0], 0.0] == result.values.tolist()

    def test_a_companion_that_gets_noise_itself_counts_as_it_was(self):
        columns = [column([0.0] * 3), column([2.0] * 3, name="err")]
        both = [NoiseSpec(columns=("err",), scale=Absolute(1.0)), spec(FromField("err"))]
        results, _ = apply(columns, *both)
        alone, _ = noisy(columns, spec(FromField("err")))
        by_name = {result.column.field.name: result.values.tolist() for result in results}
        assert alone.values.tolist() == by_name["x"]
        assert [2.0] * 3 != by_name["err"]


class TestSteps:
    def test_follow_each_other(self):
        once, _ = noisy(column([0.0] * 5), ONE)
        both, _ = noisy(column([0.0] * 5), ONE, spec(2.0, model="laplace"))
        laplace, _ = noisy(column([0.0] * 5), spec(2.0, model="laplace"))
        assert (once.values + laplace.values).tolist() == both.values.tolist()

    def test_of_one_model_draw_anew(self):
        once, _ = noisy(column([0.0] * 5), ONE)
        twice, _ = noisy(column([0.0] * 5), ONE, ONE)
        assert not np.any(2 * once.values == twice.values)

    def test_a_percentage_is_of_the_value_so_far(self):
        first, _ = noisy(column([0.0] * 5), spec(model="laplace"))
        both, _ = noisy(column([0.0] * 5), spec(model="laplace"), spec(Percent(0.5)))
        normal, _ = noisy(column([0.0] * 5), ONE)
        expected = first.values + 0.5 * np.abs(first.values) * normal.values
        assert expected.tolist() == pytest.approx(both.values.tolist(), rel=1e-14)


class TestMeasure:
    def test_counts_alone_unless_asked(self):
        _, tally = noisy(column([1.0]), ONE)
        assert (None, None) == (tally.signal, tally.change)

    def test_moments_of_signal_and_change(self):
        values = np.linspace(-1, 1, BLOCK)
        result, tally = noisy(column(values), spec(0.1), measure=True)
        ((block, signal),) = tally.signal.whole
        ((_, change),) = tally.change.whole
        assert 0 == block
        assert pytest.approx(np.mean(values**2), rel=1e-13) == signal.power
        assert pytest.approx(np.std(result.values - values), rel=1e-9) == change.sd

    def test_what_cannot_change_does_not_count(self):
        values = np.ones(BLOCK)
        values[::2] = np.nan
        _, tally = noisy(column(values), ONE, measure=True)
        assert BLOCK // 2 == tally.signal.whole[0][1].count == tally.change.whole[0][1].count

    def test_a_field_in_two_columns_counts_once(self):
        number = NumberType.of_dtype(np.dtype("i8"))
        field = Field("x", "float", "float64", FLOAT64)
        whole = column([7, 0, 0, 0], number, [True, False, False, False])
        others = column([0.0, 2.5, 3.5, 9.0], valid=[False, True, True, False])
        both = [Column(field, c.number, c.positions, c.values, c.valid, 1) for c in (whole, others)]
        results, tallies = apply(both, spec(3.0))
        assert 2 == len(results)
        assert (4, 1, 3) == (tallies["x"].elements, tallies["x"].nulls, tallies["x"].changed)


def test_every_cut_of_a_chunk_gives_the_same():
    values = np.linspace(-3, 3, BLOCK + 1000)
    values[::7] = np.nan
    specs = spec(Percent(0.3)), spec(0.2, model="student-t", clip=(-1.0, 1.0))
    whole, _ = noisy(column(values), *specs)
    for cut in (1, 1000, BLOCK, BLOCK + 1):
        first, _ = noisy(column(values[:cut]), *specs)
        second, _ = noisy(column(values[cut:], start=cut), *specs)
        assert whole.values.tobytes() == np.concatenate([first.values, second.values]).tobytes()


def test_a_plan_without_steps_does_nothing():
    assert ([], {}) == Noiser(Plan((), 42), {}).apply(Chunk((column([1.0]),)))


class TestTogether:
    """Fields that get the same noise are worked on end to end; nothing must tell."""

    FLOATS = np.array([1.0, np.nan, -np.inf, 0.0, 3e38, -2.5])

    def columns(self, number):
        values = self.FLOATS.astype(np.float64)
        if number.kind == "int":
            values = np.clip(np.nan_to_num(values), -9, 9)
        values = values.astype(number.dtype)
        there = [None, [True] * 5 + [False], None, [False] * 6]
        positions = Positions.range(BLOCK - 3, BLOCK + 3)
        found = [
            column(np.roll(values, at), number, valid, f"x{at}") for at, valid in enumerate(there)
        ]
        return [Column(c.field, c.number, positions, c.values, c.valid, c.nulls) for c in found]

    def applied(self, columns, specs, together, **settings):
        results, tallies = apply(columns, *specs, batch_elements=together, **settings)
        return (
            {
                r.column.field.name: (r.values.tobytes(), r.changed.tolist(), r.erased)
                for r in results
            },
            {
                name: {**vars(tally), "signal": None, "change": None}
                for name, tally in tallies.items()
            },
        )

    @pytest.mark.parametrize("dtype", ["f8", "f4", "i2"])
    @pytest.mark.parametrize("model", ["normal", "uniform", "exponential"])
    @pytest.mark.parametrize("sds", [(1.0, 2.0, 2.0, 3.0), (0.0, 0.5, 1e39, 1e300)])
    def test_makes_no_difference_if_each_has_a_scale_of_its_own(self, dtype, model, sds):
        columns = self.columns(NumberType.of_dtype(np.dtype(dtype)))
        specs = [NoiseSpec(model, columns=("x*",), scale=OfField(0.5, "sd"))]
        alone = self.applied(columns, specs, 1, sds=sds)
        assert alone == self.applied(columns, specs, 1 << 16, sds=sds)
        assert alone == self.applied(columns, specs, 13, sds=sds)

    @pytest.mark.parametrize("dtype", ["f8", "f4", "i2", "i8"])
    @pytest.mark.parametrize(
        "specs",
        [
            pytest.param([NoiseSpec(columns=("x*",), scale=Absolute(2.0))], id="one"),
            pytest.param([NoiseSpec(columns=("x*",), scale=Absolute(0.0))], id="nothing"),
            pytest.param([NoiseSpec(columns=("x*",), scale=Absolute(1e39))], id="too-much"),
            pytest.param([NoiseSpec(columns=("x*",), scale=Percent(0.1))], id="per-cent"),
            pytest.param(
                [
                    NoiseSpec(columns=("x*",), scale=Absolute(2.0), clip=(-1.0, 1.0)),
                    NoiseSpec("laplace", columns=("x1", "x2"), scale=Absolute(1.0)),
                    NoiseSpec("truncated-normal", columns=("x*",), scale=Absolute(1.0)),
                ],
                id="several",
            ),
            pytest.param([NoiseSpec("ar1", columns=("x*",), scale=Absolute(2.0))], id="a-process"),
        ],
    )
    def test_makes_no_difference(self, dtype, specs):
        columns = self.columns(NumberType.of_dtype(np.dtype(dtype)))
        alone = self.applied(columns, specs, 1)
        assert alone == self.applied(columns, specs, 1 << 16)
        assert alone == self.applied(columns, specs, 13)
        assert alone == self.applied(columns, specs, 1 << 16, measure=True)

    def test_columns_stay_in_order(self):
        names = ("x0", "x3"), ("x1",), ("x2",)
        models = "normal", "spike", "laplace"
        specs = [
            NoiseSpec(model, columns=chosen, scale=Absolute(1.0))
            for model, chosen in zip(models, names, strict=True)
        ]
        results, _ = apply(self.columns(FLOAT64), *specs)
        assert ["x0", "x1", "x2", "x3"] == [result.column.field.name for result in results]

    def test_is_what_happens(self, monkeypatch):
        sizes = []
        normal = Normal.apply
        monkeypatch.setattr(
            Normal,
            "apply",
            lambda self, v, context: sizes.append(len(v)) or normal(self, v, context),
        )
        self.applied(self.columns(FLOAT64), [NoiseSpec(columns=("x*",), scale=Absolute(1.0))],
                     1 << 16)  # fmt: skip
        assert [24] == sizes

    def test_is_what_happens_if_each_has_a_scale_of_its_own(self, monkeypatch):
        scales = []
        add = Normal.scaled
        monkeypatch.setattr(
            Normal, "scaled", lambda *given: scales.append(given[-1].tolist()) or add(*given)
        )
        specs = [NoiseSpec(columns=("x*",), scale=OfField(2.0, "sd"))]
        self.applied(self.columns(FLOAT64), specs, 1 << 16, sds=(1.0, 2.0, 3.0, 3.0))
        assert [[2.0] * 6 + [4.0] * 6 + [6.0] * 12] == scales

    def test_fields_of_other_noise_or_type_are_worked_on_apart(self):
        columns = self.columns(FLOAT64)[:2] + self.columns(NumberType.of_dtype(np.dtype("i8")))[2:]
        specs = [
            NoiseSpec(columns=("x*",), scale=Absolute(1.0)),
            NoiseSpec(columns=("x0",), scale=Absolute(3.0)),
        ]
        alone = self.applied(columns, specs, 1)
        assert alone == self.applied(columns, specs, 1 << 16)
