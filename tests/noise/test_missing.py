"""Test `missing`: its rate, its mechanisms, and that other values stay untouched."""

import dataclasses
import math
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from apply_model import SIZE, TEXT, check_share
from hypothesis import given
from hypothesis import strategies as st

from noisify.core.chunk import BLOCK, Positions
from noisify.core.dtypes import NumberType
from noisify.core.errors import UsageError
from noisify.noise import model as interface
from noisify.noise.missing import Missing, logistic, solve_intercept
from noisify.noise.model import NoiseContext
from noisify.streams.streams import StreamName, StreamVariates

FLOAT64 = NumberType.of_dtype(np.dtype("f8"))
DRAWS = 40_000
SHAPES = Missing.SHAPES
SLOW = pytest.mark.slow
NORMAL = np.random.default_rng(5).standard_normal(DRAWS)


def lost(model, values, positions=None, number=FLOAT64, seed=7, **companions):
    """Return the mask of values lost."""
    positions = positions or Positions.range(0, len(values))
    variates = StreamVariates(StreamName(seed, "data", model.name), positions)
    context = NoiseContext(variates, number, companions)
    after = model.apply(values, context)
    assert after.tobytes() == values.tobytes()
    return context.erased


def statistics(values):
    """Return the statistics of a field, with a histogram of one bin per value."""
    mean, sd = float(values.mean()), float(values.std())
    scores = ((values - mean) / (sd or 1.0), np.ones(len(values), np.int64))
    return SimpleNamespace(count=len(values), mean=mean, sd=sd, scores=scores)


def settled(values, **parameters):
    model = Missing(**parameters)
    return model.fit("x", {model.by or "x": statistics(values)})


MODELS = {
    "mcar": Missing(rate=0.3),
    "burst": Missing(rate=0.3, burst=20),
    "long burst": Missing(rate=0.5, burst=BLOCK),
    "mar": Missing(rate=0.3, mechanism="mar", by="y", intercept=-1.0, mean=0.0, sd=1.0),
    "mnar": Missing(rate=0.3, mechanism="mnar", intercept=-1.0, mean=0.0, sd=1.0),
}
every_model = pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)


@every_model
class TestEveryMechanism:
    @given(cuts=st.lists(st.integers(0, SIZE), max_size=3))
    def test_does_not_depend_on_the_chunks(self, model, cuts):
        x, y = NORMAL[:SIZE], NORMAL[SIZE : 2 * SIZE]
        ends = [0, *sorted(cuts), SIZE]
        pieces = [lost(model, x[a:b], Positions.range(a, b), y=y[a:b]) for a, b in pairwise(ends)]
        assert lost(model, x, y=y).tolist() == np.concatenate(pieces).tolist()

    def test_does_not_depend_on_boxes(self, model):
        x, y = NORMAL[:SIZE], NORMAL[SIZE : 2 * SIZE]
        box = Positions((100, 5000, BLOCK - 50, BLOCK + 4000), 100)
        where = np.concatenate([np.arange(start, start + 100) for start in box.starts])
        whole = lost(model, x, y=y)
        assert whole[where].tolist() == lost(model, x[where], box, y=y[where]).tolist()

    def test_depends_on_no_other_value(self, model):
        x, y = NORMAL[:500].copy(), NORMAL[500:1000].copy()
        before = lost(model, x.copy(), y=y.copy())
        x[77], y[77] = 50.0, 50.0
        assert np.delete(before, 77).tolist() == np.delete(lost(model, x, y=y), 77).tolist()

    def test_of_nothing_is_nothing(self, model):
        assert (0,) == lost(model, np.empty(0), y=np.empty(0)).shape

    @pytest.mark.parametrize("rate", [0, 1])
    def test_of_rate_0_and_1_is_exact(self, model, rate):
        x = NORMAL[:SIZE]
        exact = dataclasses.replace(model, rate=float(rate))
        assert {bool(rate)} == set(lost(exact, x, y=x).tolist())


class TestCompletelyAtRandom:
    @pytest.mark.parametrize("rate", [0.01, 0.3, 0.999])
    def test_loses_its_rate(self, rate):
        check_share(rate, lost(Missing(rate=rate), NORMAL))

    def test_loses_at_a_lower_rate_some_of_the_same(self):
        low, high = (lost(Missing(rate=rate), NORMAL) for rate in (0.1, 0.3))
        assert not np.any(low & ~high)

    def test_takes_any_kind_of_field(self):
        words = np.array(["a", "b"] * 50, object)
        assert 100 == lost(Missing(rate=1.0), words, number=TEXT).sum()


class TestBursts:
    @pytest.mark.parametrize(("rate", "burst"), [(0.01, 5), (0.3, 5), (0.3, 100), (0.9, 100)])
    def test_lose_the_rate_in_runs(self, rate, burst):
        """A run starts where one of `burst` uniforms comes below p after none of them was."""
        p = 1 - (1 - rate) ** (1 / burst)
        missing = lost(Missing(rate=rate, burst=burst), np.zeros(10 * DRAWS))
        starts = missing[1:] & ~missing[:-1]
        effective = len(missing) / (2 * burst)  # neighbours are dependent up to `burst` away
        assert abs(missing.mean() - rate) < 4.5 * (rate * (1 - rate) / effective) ** 0.5
        expected = (1 - rate) * p
        assert abs(starts.mean() - expected) < 4.5 * (expected / len(missing)) ** 0.5

    def test_have_the_given_length_at_a_low_rate(self):
        missing = lost(Missing(rate=0.002, burst=10), np.zeros(DRAWS))
        ends = np.flatnonzero(np.diff(np.concatenate([[False], missing, [False]]).astype(int)))
        lengths = ends[1::2] - ends[::2]
        assert np.all(lengths[1:] >= 10)
        assert 10 == np.median(lengths)

    def test_lose_at_a_lower_rate_some_of_the_same(self):
        low, high = (lost(Missing(rate=rate, burst=30), np.zeros(SIZE)) for rate in (0.1, 0.3))
        assert low.any()
        assert not np.any(low & ~high)

    def test_of_length_one_are_single_values(self):
        one, plain = Missing(rate=0.3, burst=1), Missing(rate=0.3)
        assert lost(plain, NORMAL).tolist() == lost(one, NORMAL).tolist()


def expected_mean_of_lost(shape, rate):
    """Return E[x | missing] of a standard normal, by the trapezoid rule over its density."""
    x = np.linspace(-12, 12, 48_001)
    density = np.exp(-x * x / 2) / math.sqrt(2 * math.pi)
    score = {"right": x, "left": -x, "mid": -np.abs(x), "tail": np.abs(x)}[shape]
    low, high = -20.0, 20.0
    for _ in range(80):
        b = (low + high) / 2
        share = np.sum(density / (1 + np.exp(-b - score))) * (x[1] - x[0])
        low, high = (b, high) if share < rate else (low, b)
    weight = density / (1 + np.exp(-b - score)) * (x[1] - x[0])
    mean = np.sum(weight * x) / rate
    return mean, math.sqrt(np.sum(weight * x * x) / rate - mean**2)


class TestNotAtRandom:
    @pytest.mark.parametrize("mechanism", [{"mechanism": "mnar"}, {"mechanism": "mar", "by": "x"}])
    @pytest.mark.parametrize("shape", SHAPES)
    @pytest.mark.parametrize(
        "rate", [0.05, pytest.param(0.3, marks=SLOW), pytest.param(0.8, marks=SLOW)]
    )
    def test_loses_its_rate_of_the_values_of_its_shape(self, mechanism, shape, rate):
        model = settled(NORMAL, rate=rate, shape=shape, **mechanism)
        missing = lost(model, NORMAL, x=NORMAL)
        mean, sd = expected_mean_of_lost(shape, rate)
        check_share(rate, missing)
        assert abs(NORMAL[missing].mean() - mean) < 4.5 * sd / math.sqrt(missing.sum())

    def test_of_shape_right_has_its_closed_value(self):
        assert 0.5899 == pytest.approx(expected_mean_of_lost("right", 0.3)[0], abs=5e-5)

    @pytest.mark.parametrize("shape", SHAPES)
    def test_loses_at_a_lower_rate_some_of_the_same(self, shape):
        low, high = (
            lost(settled(NORMAL, rate=rate, mechanism="mnar", shape=shape), NORMAL)
            for rate in (0.1, 0.3)
        )
        assert low.any()
        assert not np.any(low & ~high)

    def test_does_not_depend_on_the_unit(self):
        model, other = (
            settled(x, rate=0.3, mechanism="mnar") for x in (NORMAL, NORMAL * 1024 + 4096)
        )
        different = lost(model, NORMAL) != lost(other, NORMAL * 1024 + 4096)
        assert different.sum() < 3

    @pytest.mark.parametrize("kind", ["i8", "u8", "f4", "decimal"])
    def test_takes_all_real_numbers(self, kind):
        number = (
            NumberType.decimal(9, 2) if kind == "decimal" else NumberType.of_dtype(np.dtype(kind))
        )
        values = (np.arange(1000) % 100).astype(number.dtype)
        model = settled(number.to_float(values), rate=0.3, mechanism="mnar")
        missing = lost(model, values, number=number)
        check_share(0.3, missing)
        assert values[missing].mean() > values[~missing].mean()

    def test_where_the_driver_is_missing_the_rate_is_the_plain_one(self):
        model = settled(NORMAL, rate=0.2, mechanism="mar", by="y")
        missing = lost(model, np.zeros(DRAWS), y=np.full(DRAWS, np.nan))
        assert lost(Missing(rate=0.2), np.zeros(DRAWS)).tolist() == missing.tolist()

    @pytest.mark.parametrize("values", [np.full(100, 3.5), np.empty(0)], ids=["one", "none"])
    def test_by_a_field_that_does_not_vary_is_at_random(self, values):
        found = (
            statistics(values)
            if len(values)
            else SimpleNamespace(
                count=0, mean=math.nan, sd=math.nan, scores=(np.zeros(1), np.zeros(1, int))
            )
        )
        model = Missing(rate=0.3, mechanism="mnar").fit("x", {"x": found})
        check_share(0.3, lost(model, np.full(DRAWS, 3.5)))

    def test_fits_only_parameters_that_are_not_given(self):
        model = settled(NORMAL + 5, rate=0.3, mechanism="mnar", mean=4.0, sd=2.0)
        assert (4.0, 2.0) == (model.mean, model.sd)
        check_share(0.3, lost(model, NORMAL + 5))
        assert {} == model.statistics("x")
        assert model == model.fit("x", {})

    def test_needs_the_driver(self):
        mar, mnar = Missing(mechanism="mar", by="y"), Missing(mechanism="mnar")
        assert ({"y": frozenset({"scores"})}, frozenset("y")) == (
            mar.statistics("x"),
            mar.companions(),
        )
        assert ({"x": frozenset({"scores"})}, frozenset()) == (
            mnar.statistics("x"),
            mnar.companions(),
        )
        assert ({}, frozenset()) == (Missing().statistics("x"), Missing().companions())

    def test_refuses_to_run_before_fitting(self):
        with pytest.raises(UsageError, match="missing needs the statistics of the whole field"):
            lost(Missing(mechanism="mnar"), NORMAL)

    def test_refuses_texts_as_drivers_of_their_own_loss(self):
        with pytest.raises(UsageError, match="mnar is for fields of"):
            lost(Missing(mechanism="mnar"), np.array(["a"], object), number=TEXT)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"mechanism": "mcra"}, r"mechanism 'mcra' of missing .* did you mean 'mcar'\?"),
        ({"mechanism": "mnar", "shape": "top"}, "shape 'top' of missing is not one of right"),
        ({"mechanism": "mar"}, "needs the field that decides; add by=FIELD"),
        ({"by": "y"}, "by=y with mechanism=mar only"),
        ({"burst": 0}, "burst 0 of missing must be at least 1"),
        ({"burst": BLOCK + 1}, "must be at most 8192"),
        ({"burst": 2, "mechanism": "mnar"}, "burst=2 with mechanism=mcar only"),
    ],
    ids=str,
)
def test_refuses_invalid_parameters(given, message):
    with pytest.raises(UsageError, match=message):
        interface.make(Missing, given)


class TestSolving:
    def test_finds_the_intercept(self):
        scores, counts = np.array([-1.0, 2.0, 50.0]), np.array([5, 3, 0])
        b = solve_intercept(scores, counts, 0.1)
        assert 0.1 == pytest.approx(logistic(b + scores) @ counts / 8, rel=1e-12)

    def test_the_logistic_is_accurate_at_both_ends(self):
        assert [0.0, math.exp(-40), 0.5, 1.0] == pytest.approx(
            logistic(np.array([-np.inf, -40.0, 0.0, np.inf])).tolist(), rel=1e-14
        )
