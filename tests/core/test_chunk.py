"""Test positions, boxes and the arithmetic of every number type against naive models."""

import math
import warnings
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noisify.core.chunk import BLOCK, Chunk, Column, Field, Positions, boxes, merged_floats
from noisify.core.dtypes import NumberType

INTS = [np.dtype(f"{sign}{size}") for sign in "iu" for size in (1, 2, 4, 8)]
FLOATS = [np.dtype(name) for name in ("f2", "f4", "f8", "g")]
COMPLEXES = [np.dtype(name) for name in ("c8", "c16", "G")]


def number_type(dtype):
    return NumberType.of_dtype(np.dtype(dtype))


def add(number, values, noise):
    """Return the noisy values and which saturated, as lists."""
    values = np.array(values, number.dtype)
    untouched = values.copy()
    noise = np.array(noise, np.complex128 if number.kind == "complex" else np.float64)
    noisy, beyond = number.add(values, noise)
    assert repr(untouched) == repr(values), "the values are not to be changed in place"
    assert number.dtype == noisy.dtype
    beyond = np.zeros(len(values), bool) if beyond is None else beyond
    return noisy.tolist(), beyond.tolist()


@st.composite
def shape_and_box(draw):
    shape = tuple(draw(st.lists(st.integers(0, 7), max_size=4)))
    ends = [sorted(draw(st.tuples(st.integers(0, n), st.integers(0, n)))) for n in shape]
    return shape, tuple(slice(*end) for end in ends)


class TestPositions:
    def test_a_key_is_that_of_equal_positions(self):
        assert Positions.range(3, 9).key == Positions.range(3, 9).key
        assert Positions.range(3, 9).key != Positions.range(3, 8).key
        runs = Positions.box((4, 10), (slice(1, 3), slice(0, 5)))
        assert runs.key == runs.key
        assert runs.key != Positions.range(10, 20).key

    @given(st.integers(0, 4 * BLOCK), st.integers(0, 2 * BLOCK))
    def test_by_block_of_a_range(self, start, size):
        positions = Positions.range(start, start + size)
        assert size == positions.size
        seen = []
        for block, inside, here in positions.by_block():
            within = np.arange(BLOCK)[inside]
            assert within.size
            assert list(range(size))[here] == list(block * BLOCK + within - start)
            seen += (block * BLOCK + within).tolist()
        assert list(range(start, start + size)) == seen

    @given(shape_and_box())
    def test_box_is_the_flat_indices_in_order(self, shape_box):
        shape, box = shape_box
        expected = np.arange(math.prod(shape)).reshape(shape)[box].reshape(-1)
        positions = Positions.box(shape, box)
        runs = [range(int(start), int(start) + positions.length) for start in positions.starts]
        assert expected.tolist() == [index for run in runs for index in run]
        assert expected.size == positions.size

    @given(shape_and_box())
    def test_by_block_of_a_box(self, shape_box):
        shape, box = shape_box
        shape, box = (*shape, 3000), (*box, slice(100, 2900, None))
        expected = np.arange(math.prod(shape)).reshape(shape)[box].reshape(-1)
        positions = Positions.box(shape, box)
        found = np.full(expected.size, -1)
        blocks = []
        for block, inside, here in positions.by_block():
            blocks.append(block)
            found[here] = block * BLOCK + np.arange(BLOCK)[inside]
        assert expected.tolist() == found.tolist()
        assert sorted(set(blocks)) == blocks, "a block comes once, and blocks rise"

    def test_whole_trailing_axes_are_one_run(self):
        positions = Positions.box((4, 5, 6), (slice(1, 3), slice(0, 5), slice(0, 6)))
        assert ([30], 60) == ([int(start) for start in positions.starts], positions.length)

    def test_a_scalar_array_has_one_position(self):
        positions = Positions.box((), ())
        assert (1, [0]) == (positions.size, [int(start) for start in positions.starts])

    def test_follows(self):
        assert Positions.range(3, 5).follows(3)
        assert not Positions.range(3, 5).follows(2)
        assert not Positions.box((4, 4), (slice(0, 2), slice(0, 2))).follows(0)


class TestBoxes:
    @given(
        st.lists(st.tuples(st.integers(0, 9), st.integers(1, 5)), max_size=3),
        st.integers(1, 300),
        st.booleans(),
    )
    def test_cover_every_element_once_in_order(self, axes, limit, with_unit):
        shape = tuple(extent for extent, _ in axes)
        unit = tuple(part for _, part in axes) if with_unit else None
        touched = np.zeros(shape, int)
        corners = []
        for box in boxes(shape, limit, unit):
            touched[box] += 1
            corners.append(tuple(cut.start for cut in box))
            if unit:
                for cut, part, extent in zip(box, unit, shape, strict=True):
                    assert cut.start % part == 0, "a unit is never cut"
                    assert cut.stop % part == 0 or cut.stop == extent
            largest = max(limit, math.prod(unit or (1,) * len(shape)))
            assert math.prod(cut.stop - cut.start for cut in box) <= largest
        assert np.all(touched == 1)
        assert sorted(corners) == corners

    def test_takes_trailing_axes_whole(self):
        expected = [(slice(0, 2), slice(0, 3)), (slice(2, 4), slice(0, 3))]
        assert expected == list(boxes((4, 3), 6))

    def test_an_array_without_elements_has_no_boxes(self):
        assert [] == list(boxes((3, 0), 10))


class TestOfDtype:
    @pytest.mark.parametrize(
        ("dtype", "kind"),
        [
            *((dtype, "int") for dtype in INTS),
            *((dtype, "float") for dtype in FLOATS),
            *((dtype, "complex") for dtype in COMPLEXES),
        ],
        ids=str,
    )
    def test_numbers(self, dtype, kind):
        number = number_type(dtype)
        assert (kind, dtype) == (number.kind, number.dtype)

    def test_is_kept_in_native_order(self):
        assert number_type("<f8") == number_type(">f8")

    @pytest.mark.parametrize("dtype", ["S3", "U3", "O", "M8[s]", "m8[s]", "V4"])
    def test_dtypes_without_a_number_type(self, dtype):
        assert number_type(dtype) is None


@st.composite
def integers_and_noise(draw, dtype):
    low, high = int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)
    value = draw(
        st.one_of(
            st.integers(low, high),
            st.integers(low, low + 3),
            st.integers(high - 3, high),
            st.sampled_from(
                [v for v in (0, 2**53 - 1, 2**53 + 1, -(2**53) - 1) if low <= v <= high]
            ),
        )
    )
    halves = st.integers(-20, 20).map(lambda n: n / 2)
    wide = st.floats(-float(high), float(high))
    noise = draw(st.one_of(halves, wide, st.floats(allow_nan=False)))
    return value, noise


def exact_sum(value, noise, low, high):
    """Return value + noise, rounded half to even and saturated at low...high, in Python ints."""
    if math.isinf(noise):
        return (high if noise > 0 else low), True
    total = value + round(noise)
    return min(max(total, low), high), not low <= total <= high


class TestAddIntegers:
    @pytest.mark.parametrize("dtype", INTS, ids=str)
    @given(st.data())
    def test_is_exact_integer_arithmetic_that_saturates(self, dtype, data):
        pairs = data.draw(st.lists(integers_and_noise(dtype), max_size=5))
        limits = int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)
        expected = [exact_sum(value, noise, *limits) for value, noise in pairs]
        noisy, beyond = add(
            number_type(dtype), [value for value, _ in pairs], [noise for _, noise in pairs]
        )
        assert [total for total, _ in expected] == noisy
        assert [outside for _, outside in expected] == beyond

    def test_rounds_half_to_even(self):
        noisy, _ = add(number_type("i4"), [10] * 6, [0.5, 1.5, 2.5, -0.5, -1.5, 0.4999])
        assert [10, 12, 12, 10, 8, 10] == noisy

    def test_rounds_the_noise_and_not_the_sum(self):
        noisy, _ = add(number_type("i8"), [1, 2, 2**62 + 1], [0.5, 0.5, 0.5])
        assert [1, 2, 2**62 + 1] == noisy

    def test_saturates_and_says_where(self):
        noisy, beyond = add(number_type("u1"), [250, 250, 3, 3], [5, 6, -3, -4])
        assert [255, 255, 0, 0] == noisy
        assert [False, True, False, True] == beyond

    @pytest.mark.parametrize("dtype", INTS, ids=str)
    def test_huge_and_infinite_noise(self, dtype):
        low, high = int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)
        noise = [1e30, -1e30, np.inf, -np.inf, 1e308, -1e308]
        noisy, beyond = add(number_type(dtype), [1] * 6, noise)
        assert [high, low] * 3 == noisy
        assert [True] * 6 == beyond

    def test_beyond_two_to_the_53(self):
        value = 2**53 + 1
        noisy, _ = add(number_type("i8"), [value, -value, value], [1.0, -1.0, 0.0])
        assert [2**53 + 2, -(2**53) - 2, value] == noisy

    @pytest.mark.parametrize("dtype", INTS, ids=str)
    def test_nothing_in_nothing_out(self, dtype):
        assert ([], []) == add(number_type(dtype), [], [])


class TestAddFloats:
    @given(
        st.lists(
            st.tuples(st.floats(-1e300, 1e300), st.floats(-1e300, 1e300)), min_size=1, max_size=5
        )
    )
    def test_float64_is_plain_addition(self, pairs):
        noisy, beyond = add(number_type("f8"), *zip(*pairs, strict=True))
        assert [value + noise for value, noise in pairs] == noisy
        assert not any(beyond)

    def test_float32_adds_in_float64_and_rounds_once(self):
        value, noise = np.float32(16777216), 1.0000001  # the noise alone would round to 1
        noisy, _ = add(number_type("f4"), [value], [noise])
        assert [16777218.0] == noisy

    @pytest.mark.parametrize("dtype", FLOATS, ids=str)
    def test_saturates_at_the_largest_finite_number(self, dtype):
        most = np.finfo(dtype).max
        lifted = float(most) if dtype.itemsize <= 8 else 1e308
        noisy, beyond = number_type(dtype).add(
            np.array([most, -most, 1, 1], dtype), np.array([lifted, -lifted, np.inf, -np.inf])
        )
        wide = dtype.itemsize > 8  # float64 noise is nothing beside the largest longdouble
        assert np.array([most, -most, most, -most], dtype).tolist() == noisy.tolist()
        assert [not wide, not wide, True, True] == beyond.tolist()

    def test_infinite_values_do_not_count_as_saturated(self):
        noisy, beyond = add(number_type("f4"), [np.inf, -np.inf, 1], [1.0, 1.0, 1e39])
        assert [np.inf, -np.inf, float(np.finfo("f4").max)] == noisy
        assert [False, False, True] == beyond

    def test_longdouble_keeps_its_own_bits(self):
        if np.finfo("g").nmant <= 52:
            pytest.skip("longdouble is float64 on this machine")
        fine = np.longdouble(1) + np.longdouble(2) ** -60
        noisy, _ = number_type("g").add(np.array([fine]), np.array([1.0]))
        assert noisy[0] == fine + 1
        assert noisy[0] != 2

    @pytest.mark.parametrize("dtype", FLOATS, ids=str)
    def test_never_warns(self, dtype):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            noisy, _ = add(number_type(dtype), [np.inf, 1, np.nan], [-np.inf, 1e308, 1.0])
        assert np.isfinite(noisy[1])


class TestAddComplex:
    @pytest.mark.parametrize("dtype", COMPLEXES, ids=str)
    def test_adds_each_part(self, dtype):
        noisy, beyond = add(number_type(dtype), [1 + 2j, 0], [0.5 - 1j, 2j])
        assert [1.5 + 1j, 2j] == noisy
        assert not any(beyond)

    def test_saturates_each_part_for_itself(self):
        most = float(np.finfo("f4").max)
        noisy, beyond = add(
            number_type("c8"), [1 + 1j] * 4, [1e39, complex(0, -1e39), complex(1e39, 1e39), 1]
        )
        assert [complex(most, 1), complex(1, -most), complex(most, most), 2 + 1j] == noisy
        assert [True, True, True, False] == beyond


class TestAddDecimals:
    @pytest.mark.parametrize(("precision", "dtype"), [(9, "i8"), (18, "i8"), (19, "O"), (38, "O")])
    def test_dtype_holds_the_digits(self, precision, dtype):
        assert np.dtype(dtype) == NumberType.decimal(precision, 2).dtype

    @pytest.mark.parametrize("precision", [9, 38])
    def test_keeps_the_scale_and_rounds_half_to_even(self, precision):
        cents = NumberType.decimal(precision, 2)
        noisy, _ = add(cents, [100, 100, 100, 100], [0.25, 0.125, 0.375, -0.014])
        assert [125, 112, 138, 99] == noisy  # 1.25 1.12 1.38 0.99

    @pytest.mark.parametrize("precision", [9, 38])
    def test_saturates_at_its_digits(self, precision):
        number = NumberType.decimal(precision, 2)
        most = 10**precision - 1
        noise = [0.01, -0.01, 1e300, -np.inf, np.inf]
        noisy, beyond = add(number, [most, -most, 0, 0, most], noise)
        assert [most, -most, most, -most, most] == noisy
        assert [True] * 5 == beyond

    @pytest.mark.parametrize("precision", [9, 18, 19, 38])
    @given(st.data())
    def test_is_exact_integer_arithmetic(self, precision, data):
        most = 10**precision - 1
        value = data.draw(st.integers(-most, most))
        noise = data.draw(st.floats(-1e20, 1e20))
        number = NumberType.decimal(precision, 0)
        low, high = next(bounds for bounds in number.ranges if bounds[0] <= value <= bounds[1])
        expected, outside = exact_sum(value, noise, low, high)
        assert ([expected], [outside]) == add(number, [value], [noise])

    def test_digits_beyond_float64_stay(self):
        value = 12345678901234567890123456789012345678
        noisy, _ = add(NumberType.decimal(38, 10), [value], [1.0])
        assert [value + 10**10] == noisy


class TestToFloat:
    @pytest.mark.parametrize("precision", [9, 18, 38, 76])
    @given(st.data())
    def test_decimals_are_correctly_rounded(self, precision, data):
        scale = data.draw(st.integers(0, precision))
        most = 10**precision - 1
        values = data.draw(st.lists(st.integers(-most, most), min_size=1, max_size=3))
        number = NumberType.decimal(precision, scale)
        expected = [float(Fraction(value, 10**scale)) for value in values]
        assert expected == number.to_float(np.array(values, number.dtype)).tolist()

    def test_a_decimal_just_above_a_tie_rounds_up(self):
        tie = 2**53 + 1  # halfway between two floats
        number = NumberType.decimal(38, 20)
        actual = number.to_float(np.array([tie * 10**20, tie * 10**20 + 1], object))
        assert [2.0**53, 2.0**53 + 2] == actual.tolist()

    @given(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=4))
    def test_int64_is_correctly_rounded(self, values):
        actual = number_type("i8").to_float(np.array(values, "i8"))
        assert [float(value) for value in values] == actual.tolist()

    @pytest.mark.parametrize(
        ("dtype", "wide"),
        [
            ("f2", "f8"),
            ("f4", "f8"),
            ("f8", "f8"),
            ("g", "g"),
            ("i1", "f8"),
            ("u8", "f8"),
            ("c8", "c16"),
            ("c16", "c16"),
            ("G", "G"),
        ],
    )
    def test_width(self, dtype, wide):
        assert np.dtype(wide) == number_type(dtype).to_float(np.ones(2, dtype)).dtype


class TestFinite:
    def test_masks_finite_floats(self):
        finite = number_type("f4").finite(np.array([1, np.nan, np.inf, -np.inf, 0], "f4"))
        assert [True, False, False, False, True] == finite.tolist()

    def test_a_complex_number_is_finite_in_both_parts(self):
        finite = number_type("c16").finite(np.array([1j, complex(1, np.inf), complex(np.nan, 0)]))
        assert [True, False, False] == finite.tolist()

    def test_none_when_all_are(self):
        assert number_type("f8").finite(np.zeros(3)) is None
        assert number_type("i8").finite(np.zeros(3, "i8")) is None


class TestDifference:
    @pytest.mark.parametrize("dtype", INTS, ids=str)
    @given(st.data())
    def test_integers_are_subtracted_exactly_then_rounded(self, dtype, data):
        integers = st.integers(int(np.iinfo(dtype).min), int(np.iinfo(dtype).max))
        after, before = data.draw(integers), data.draw(integers)
        actual = number_type(dtype).difference(np.array([after], dtype), np.array([before], dtype))
        assert [float(after - before)] == actual.tolist()

    @pytest.mark.parametrize("precision", [9, 38])
    def test_decimals_are_in_their_own_unit(self, precision):
        number = NumberType.decimal(precision, 2)
        after, before = (np.array([value], number.dtype) for value in (150, 275))
        assert [pytest.approx(-1.25, rel=1e-15)] == number.difference(after, before).tolist()

    def test_floats_are_subtracted_in_float64(self):
        after, before = np.array([1e38, 3], "f4"), np.array([-3e38, 1], "f4")
        expected = [float(after[0]) - float(before[0]), 2.0]
        assert expected == number_type("f4").difference(after, before).tolist()

    def test_complex(self):
        actual = number_type("c8").difference(np.array([1 + 2j], "c8"), np.array([3j], "c8"))
        assert [1 - 1j] == actual.tolist()


class TestRound:
    def test_floats_half_to_even(self):
        actual = number_type("f8").round(np.array([0.125, 0.375, -2.5]), 2)
        assert [0.12, 0.38, -2.5] == actual.tolist()

    def test_each_its_own_digits_and_minus_one_leaves_it(self):
        values = np.array([1.26, 1.26, 1.26, 1.5])
        actual = number_type("f8").round(values, np.array([1, -1, 2, 0]))
        assert [1.3, 1.26, 1.26, 2.0] == actual.tolist()
        assert [1.26, 1.26, 1.26, 1.5] == values.tolist()

    @pytest.mark.parametrize("number", [number_type("i4"), NumberType.decimal(9, 2)], ids=str)
    def test_other_types_are_left_alone(self, number):
        assert [126] == number.round(np.array([126], number.dtype), 1).tolist()


class TestBounds:
    @pytest.mark.parametrize(
        ("low", "high", "expected"),
        [
            (0, 255, (0, 255)),
            (2.5, 9.5, (3, 9)),
            (-9.5, -2.5, (-9, -3)),
            (-0.5, 0.5, (0, 0)),
            (-math.inf, 7, (-(2**31), 7)),
            (7, math.inf, (7, 2**31 - 1)),
            (-1e300, 1e300, (-(2**31), 2**31 - 1)),
        ],
    )
    def test_integers_are_rounded_inwards(self, low, high, expected):
        assert expected == number_type("i4").bounds(low, high)

    @pytest.mark.parametrize(("precision", "least"), [(5, -99999), (38, -(10**38) + 1)])
    def test_decimals_are_taken_as_typed(self, precision, least):
        number = NumberType.decimal(precision, 1)
        assert (1, 3) == number.bounds(0.1, 0.3)
        assert (least, -3) == number.bounds(-math.inf, -0.25)

    @pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
    def test_floats_are_rounded_inwards(self, dtype):
        for bound in (0.1, 0.7):  # the nearest narrow float is below one and above the other
            low, high = number_type(dtype).bounds(bound, bound)
            assert np.dtype(dtype) == low.dtype == high.dtype
            assert bound <= float(low) <= bound * 1.001
            assert bound * 0.999 <= float(high) <= bound

    @pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
    def test_float_bounds_beyond_the_type_are_its_ends(self, dtype):
        most = np.finfo(dtype).max
        assert (-most, most) == number_type(dtype).bounds(-math.inf, math.inf)

    @pytest.mark.parametrize("dtype", ["u1", "i8", "f2", "f4"])
    def test_both_stay_within_the_type(self, dtype):
        number = number_type(dtype)
        least, most = number.limits
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert (most, most) == number.bounds(1e300, 1e301)
            assert (least, least) == number.bounds(-1e301, -1e300)


class TestMergedFloats:
    """A text field that mixes whole numbers and others comes as two columns."""

    FIELD = Field("x", "float", "double")

    def column(self, values, dtype, valid=None):
        values = np.array(values, dtype)
        valid = None if valid is None else np.array(valid)
        positions = Positions.range(0, len(values))
        return Column(self.FIELD, number_type(dtype), positions, values, valid)

    def test_one_column(self):
        _, values, valid = merged_floats([self.column([1, 2], "i4")])
        assert ([1.0, 2.0], None) == (values.tolist(), valid)

    def test_non_finite_values_are_invalid(self):
        _, _, valid = merged_floats([self.column([1, np.nan, np.inf, 2], "f8")])
        assert [True, False, False, True] == valid.tolist()

    def test_two_columns_become_one(self):
        whole = self.column([7, 0, 0], "i8", [True, False, False])
        others = self.column([0.5, 2.5, 9.0], "f8", [False, True, False])
        _, values, valid = merged_floats([whole, others])
        assert [True, True, False] == valid.tolist()
        assert [7.0, 2.5] == values[valid].tolist()

    def test_a_chunk_gathers_the_columns_of_a_field(self):
        columns = (self.column([1], "i8"), self.column([0.5], "f8"))
        assert {"x": list(columns)} == Chunk(columns).by_field()


def test_decimal_rounding_agrees_with_the_decimal_module():
    cents = NumberType.decimal(9, 2)
    for noise in (0.005, 0.015, 0.025, 0.035, -0.005, -0.015):
        scaled = Decimal(noise * 100)  # the product is a float64: ties are ties of that
        expected = int(scaled.quantize(Decimal(1), ROUND_HALF_EVEN))
        assert ([expected], [False]) == add(cents, [0], [noise])
