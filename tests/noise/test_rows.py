"""Test models of rows and dates: rows lost or repeated, fields or day and month swapped."""

import datetime as dt
from itertools import pairwise

import numpy as np
import pytest
from apply_model import SIZE, check_share, context_for
from hypothesis import given
from hypothesis import strategies as st

from noisify.core.chunk import Positions
from noisify.core.dtypes import NumberType
from noisify.core.errors import UsageError
from noisify.noise import model as interface
from noisify.noise.rows import DropRows, DuplicateRows, RowModel, SwapFields
from noisify.noise.times import DayMonthSwap, swap_day_and_month

DRAWS = 100_000
INT64 = NumberType.of_dtype(np.dtype("i8"))
SECOND = 10**9
DAY = 86_400 * SECOND


@pytest.mark.parametrize("model", [DropRows, DuplicateRows], ids=lambda model: model.name)
class TestEveryRowModel:
    def copies(self, model, start=0, stop=SIZE):
        return model.copies(context_for(model, INT64, Positions.range(start, stop)))

    @given(cuts=st.lists(st.integers(0, SIZE), max_size=3))
    def test_does_not_depend_on_the_chunks(self, model, cuts):
        ends = [0, *sorted(cuts), SIZE]
        pieces = [self.copies(model(rate=0.3), a, b) for a, b in pairwise(ends)]
        assert self.copies(model(rate=0.3)).tolist() == np.concatenate(pieces).tolist()

    def test_hits_its_rate(self, model):
        check_share(0.3, self.copies(model(rate=0.3), stop=DRAWS) != 1)

    def test_hits_at_a_lower_rate_some_of_the_same(self, model):
        low, high, none, every = (
            self.copies(model(rate=rate)) != 1 for rate in (0.1, 0.3, 0.0, 1.0)
        )
        assert low.any()
        assert not np.any(low & ~high)
        assert not none.any()
        assert every.all()

    def test_counts_in_whole_numbers(self, model):
        assert np.int64 == self.copies(model()).dtype
        assert (0,) == self.copies(model(), 5, 5).shape

    def test_leaves_the_values_alone(self, model):
        values = np.arange(10)
        context = context_for(model, INT64, Positions.range(0, 10))
        assert values.tolist() == model(rate=1.0).apply(values, context).tolist()

    def test_takes_no_field(self, model):
        assert issubclass(model, RowModel)
        assert (frozenset(), "rows", "rate") == (model.takes, model.family, model.level)


def test_drop_rows_leaves_none():
    context = context_for(DropRows, INT64, Positions.range(0, 5))
    assert [0] * 5 == DropRows(rate=1.0).copies(context).tolist()


def test_duplicate_rows_adds_the_given_number():
    context = context_for(DuplicateRows, INT64, Positions.range(0, 5))
    assert [4] * 5 == DuplicateRows(rate=1.0, times=3).copies(context).tolist()
    assert interface.make(DuplicateRows, {"fresh": "yes"}).fresh
    with pytest.raises(UsageError, match="times 0 of duplicate-rows must be at least 1"):
        DuplicateRows(times=0)


class TestSwapFields:
    def swap(self, a, b, rate=0.4, start=0, usable=(None, None)):
        """Return both fields after swapping, and the masks of erased elements."""
        model = SwapFields(rate=rate, fields=("a", "b"))
        positions = Positions.range(start, start + len(a))
        at_a = context_for(model, INT64, positions, field="a", columns={"b": (b, usable[1])})
        at_b = context_for(model, INT64, positions, field="b", columns={"a": (a, usable[0])})
        return model.apply(a, at_a), model.apply(b, at_b), at_a.erased, at_b.erased

    def test_swaps_both_in_the_same_rows(self):
        a = np.arange(DRAWS)
        noisy_a, noisy_b, *_ = self.swap(a, -1 - a)
        assert (noisy_a - noisy_b).tolist() == np.where(noisy_a < 0, -1 - 2 * a, 1 + 2 * a).tolist()
        check_share(0.4, noisy_a < 0)

    @pytest.mark.parametrize("dtype", ["O", "?", "f4", "i8", "c16"])
    def test_keeps_the_dtype_and_the_input(self, dtype):
        a, b = np.zeros(50, dtype), np.ones(50, dtype)
        noisy_a, noisy_b, *_ = self.swap(a, b)
        assert {np.dtype(dtype)} == {noisy_a.dtype, noisy_b.dtype}
        assert noisy_a.any()
        assert not a.any()
        assert b.all()

    def test_keeps_wide_integers_exact(self):
        a, b = np.full(10, 2**62 + 1), np.full(10, 2**62 + 3)
        assert [2**62 + 3] * 10 == self.swap(a, b, rate=1.0)[0].tolist()

    def test_leaves_a_value_whose_counterpart_is_missing(self):
        a, b = np.arange(1, 5), np.zeros(4, int)
        there = np.array([True, False, True, False])
        noisy_a, _, erased_a, erased_b = self.swap(a, b, rate=1.0, usable=(None, there))
        assert [0, 2, 0, 4] == noisy_a.tolist()
        assert erased_a is None
        assert erased_b is None

    @given(cuts=st.lists(st.integers(0, SIZE), max_size=3))
    def test_does_not_depend_on_the_chunks(self, cuts):
        a = np.arange(SIZE)
        ends = [0, *sorted(cuts), SIZE]
        pieces = [self.swap(a[i:j], -a[i:j], start=i)[0] for i, j in pairwise(ends)]
        assert self.swap(a, -a)[0].tolist() == np.concatenate(pieces).tolist()

    def test_swaps_at_a_lower_rate_some_of_the_same(self):
        a = np.arange(1, SIZE)
        low, high, none = (self.swap(a, -a, rate=rate)[0] < 0 for rate in (0.1, 0.3, 0.0))
        assert low.any()
        assert not np.any(low & ~high)
        assert not none.any()

    @pytest.mark.parametrize("fields", ["a", "a|a", "a|b|c"])
    def test_refuses_any_but_two_fields(self, fields):
        with pytest.raises(UsageError, match="swap-fields needs exactly two different fields"):
            interface.make(SwapFields, {"fields": fields})

    def test_refuses_to_work_on_one_field(self):
        with pytest.raises(UsageError, match="swap-fields needs exactly two fields"):
            SwapFields().apply(np.arange(3), context_for(SwapFields, INT64, Positions.range(0, 3)))

    def test_works_on_its_fields_together(self):
        assert SwapFields.multi_field
        assert frozenset() == SwapFields(fields=("a", "b")).companions()


def times(texts, unit):
    return np.array(texts, f"M8[{unit}]").astype("i8")


class TestTimeSwap:
    def apply(self, model, values, tick=DAY, start=0, usable=None):
        positions = Positions.range(start, start + len(values))
        number = NumberType.time(tick, bits=values.itemsize * 8)
        context = context_for(model, number, positions, field="t", usable=usable)
        return model.apply(values, context)

    @pytest.mark.parametrize(
        ("unit", "tick"), [("D", DAY), ("s", SECOND), ("ms", 10**6), ("us", 1000), ("ns", 1)]
    )
    @pytest.mark.parametrize(
        ("date", "swapped"),
        [
            ("2021-04-03", "2021-03-04"),
            ("1969-12-01", "1969-01-12"),
            ("1900-01-12", "1900-12-01"),
            ("2021-04-13", "2021-04-13"),
            ("2021-04-04", "2021-04-04"),
            ("2020-02-29", "2020-02-29"),
        ],
    )
    def test_swaps_day_and_month(self, unit, tick, date, swapped):
        clock = "" if unit == "D" else "T23:59:58"
        values = times([date + clock], unit)
        noisy = self.apply(DayMonthSwap(rate=1.0), values, tick)
        assert times([swapped + clock], unit).tolist() == noisy.tolist()

    def test_agrees_with_datetime(self):
        """Every day of four centuries, a leap one among them."""
        days = np.arange(-150_000, 100_000, dtype="i8")
        expected = []
        for day in days.tolist():
            date = dt.date(1970, 1, 1) + dt.timedelta(day)
            if date.day <= 12:
                date = date.replace(month=date.day, day=date.month)
            expected.append((date - dt.date(1970, 1, 1)).days)
        assert expected == swap_day_and_month(days, 1).tolist()
        assert days.tolist() == swap_day_and_month(np.array(expected), 1).tolist()

    def test_leaves_dates_that_would_overflow_the_type(self):
        """Nanoseconds end on 11 April 2262, so 12 January cannot become 1 December."""
        values = times(["2262-01-12", "2262-02-01"], "ns")
        expected = times(["2262-01-12", "2262-01-02"], "ns")
        assert expected.tolist() == self.apply(DayMonthSwap(rate=1.0), values, 1).tolist()

    def test_keeps_32_bit_dates(self):
        values = times(["2021-04-03"] * 5, "D").astype("i4")
        noisy = self.apply(DayMonthSwap(rate=1.0), values)
        assert np.dtype("i4") == noisy.dtype
        assert times(["2021-03-04"] * 5, "D").tolist() == noisy.tolist()

    @given(cuts=st.lists(st.integers(0, SIZE), max_size=3))
    def test_does_not_depend_on_the_chunks(self, cuts):
        values, model, ends = np.arange(SIZE), DayMonthSwap(rate=0.3), [0, *sorted(cuts), SIZE]
        pieces = [self.apply(model, values[a:b], start=a) for a, b in pairwise(ends)]
        assert self.apply(model, values).tolist() == np.concatenate(pieces).tolist()

    def test_hits_its_rate(self):
        values = times(["2021-04-03"] * DRAWS, "D")
        check_share(0.2, self.apply(DayMonthSwap(rate=0.2), values) != values)

    def test_swaps_at_a_lower_rate_some_of_the_same(self):
        values = np.arange(SIZE)
        low, high, none = (
            self.apply(DayMonthSwap(rate=rate), values) != values for rate in (0.1, 0.3, 0.0)
        )
        assert low.any()
        assert not np.any(low & ~high)
        assert not none.any()

    def test_leaves_placeholders_and_nothing_alone(self):
        values = times(["2021-04-03"] * 10, "D")
        unusable = np.zeros(10, bool)
        noisy = self.apply(DayMonthSwap(rate=1.0), values, usable=unusable)
        assert values.tolist() == noisy.tolist()
        assert [] == self.apply(DayMonthSwap(), values[:0]).tolist()

    def test_about_36_percent_of_days_can_be_swapped(self):
        days = np.arange(146_097)  # 400 years
        changed = (swap_day_and_month(days, 1) != days).sum()
        assert 400 * (12 * 12 - 12) == changed
