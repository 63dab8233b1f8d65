"""Test `correlated`: its covariance, field by field, and the formulas of sdcMicro."""

import io
import math
from itertools import pairwise

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from apply_model import CUTS, FLOAT64, SIZE, apply, noise, number_types, same, some_values
from example_counts import examples
from hypothesis import given
from hypothesis import strategies as st
from run_command import noisy, run

from noisify import add_noise
from noisify.core.chunk import BLOCK, Positions
from noisify.core.errors import UsageError
from noisify.noise import model as interface
from noisify.noise.correlated import Correlated, root_of
from noisify.noise.model import NoiseContext
from noisify.statistics.survey import FieldStatistics
from noisify.streams.streams import SequentialVariates, StreamName, StreamVariates

NUMBERS = number_types("f4 f8 i1 u1 i8 decimal(9,2)")
DRAWS = 200_000
FIELDS = ("height", "weight", "age")
COVARIANCE = ((4.0, 3.0, -1.0), (3.0, 9.0, 0.0), (-1.0, 0.0, 1.0))

numbers = pytest.mark.parametrize("number", NUMBERS.values(), ids=NUMBERS)


def make(share=1.0, fields=FIELDS, covariance=COVARIANCE):
    return Correlated(share=share, fields=fields, covariance=covariance)


class TestEachField:
    @pytest.mark.parametrize("kind", ["f8", "i8"])
    @examples(20)
    @given(cuts=CUTS)
    def test_does_not_depend_on_the_chunks(self, kind, cuts):
        number = NUMBERS[kind]
        values = some_values(number, SIZE)
        ends = [0, *sorted(cuts), SIZE]
        pieces = [
            apply(make(), values[a:b], number, start=a, field="age") for a, b in pairwise(ends)
        ]
        assert same(apply(make(), values, number, field="age"), np.concatenate(pieces))

    @numbers
    def test_keeps_the_dtype_and_the_input(self, number):
        values = some_values(number, 100)
        untouched = values.copy()
        noisy_values = apply(make(), values, number, field="weight")
        assert (values.dtype, values.shape) == (noisy_values.dtype, noisy_values.shape)
        assert same(untouched, values)
        assert not same(values, noisy_values)

    @numbers
    def test_of_nothing_is_nothing(self, number):
        noisy_values = apply(make(), np.empty(0, number.dtype), number, field="weight")
        assert (number.dtype, (0,)) == (noisy_values.dtype, noisy_values.shape)

    @numbers
    def test_changing_one_value_changes_that_output_only(self, number):
        values = some_values(number, 200)
        changed = values.copy()
        changed[77] += 1
        before, after = (apply(make(), v, number, field="age") for v in (values, changed))
        assert same(np.delete(before, 77), np.delete(after, 77))

    @numbers
    def test_of_share_zero_changes_nothing(self, number):
        values = some_values(number, 200)
        assert same(values, apply(make(share=0.0), values, number, field="weight"))

    def test_of_four_times_the_share_is_twice_as_large(self):
        once, twice = (noise(make(share=share), field="age") for share in (0.3, 1.2))
        assert same(2 * once, twice)

    def test_of_integers_is_that_of_floats_rounded(self):
        rounded = np.rint(noise(make(), field="age")).astype("i8")
        assert same(rounded, apply(make(), np.zeros(SIZE, "i8"), NUMBERS["i8"], field="age"))

    @pytest.mark.parametrize("kind", ["f4", "f8", "u1", "i8"])
    def test_of_an_enormous_covariance_saturates(self, kind):
        number = NUMBERS[kind]
        model = make(share=1e300, fields=("x",), covariance=((1e300,),))
        noisy_values = apply(model, np.zeros(SIZE, number.dtype), number, field="x")
        assert np.all(np.isfinite(noisy_values))

    def test_needs_noisifys_own_streams(self):
        variates = SequentialVariates(np.random.default_rng(1), Positions.range(0, 4))
        context = NoiseContext(variates, FLOAT64, others=lambda _: variates)
        with pytest.raises(UsageError, match="drop --rng"):
            make().apply(np.zeros(4), context)

    def test_refuses_to_guess_its_fields_or_their_covariance(self):
        for model in (Correlated(), Correlated(fields=("x",))):
            with pytest.raises(UsageError, match="needs the covariance"):
                noise(model, field="x", size=4)


class TestCovariance:
    @pytest.mark.parametrize("share", [0.1, 1.0, 1.5])
    def test_is_the_share_of_that_given(self, share):
        parts = np.array([noise(make(share=share), size=DRAWS, field=field) for field in FIELDS])
        found = parts @ parts.T / DRAWS
        wanted = share * np.array(COVARIANCE)
        variances = np.diag(wanted)
        errors = np.sqrt((wanted**2 + variances * variances[:, None]) / DRAWS)
        assert np.all(np.abs(found - wanted) < 4.5 * errors)
        assert np.all(np.abs(parts.mean(axis=1)) < 4.5 * np.sqrt(variances / DRAWS))

    def test_does_not_reach_from_row_to_row(self):
        one, other = (noise(make(), size=DRAWS, field=field) for field in ("height", "weight"))
        for lag in (1, BLOCK):
            error = math.sqrt(4 * 9 / DRAWS)
            assert abs(np.mean(one[lag:] * other[:-lag])) < 4.5 * error

    def test_perfectly_correlated_fields_stay_so(self):
        model = make(fields=("x", "y"), covariance=((1.0, 3.0), (3.0, 9.0)))
        one, other = (noise(model, size=100, field=field) for field in ("x", "y"))
        assert pytest.approx(3 * one, rel=1e-12) == other

    def test_a_constant_field_gets_no_noise(self):
        model = make(fields=("x", "y"), covariance=((0.0, 0.0), (0.0, 9.0)))
        assert not noise(model, size=100, field="x").any()
        assert noise(model, size=100, field="y").all()

    def test_of_one_field_is_normal_noise(self):
        model = make(share=0.25, fields=("x",), covariance=((4.0,),))
        stream = StreamVariates(StreamName(7, "x", "correlated"), Positions.range(0, 100))
        assert same(stream.normal("noise"), noise(model, size=100, field="x"))


class TestRoot:
    @given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 2**32 - 1))
    def test_root_times_its_transpose_is_the_covariance(self, size, rank, seed):
        generator = np.random.default_rng(seed)
        factors = generator.standard_normal((size, rank)) * 10.0 ** generator.integers(
            -6, 6, (size, 1)
        )
        matrix = factors @ factors.T
        matrix = (matrix + matrix.T) / 2
        root = root_of(tuple(map(tuple, matrix.tolist())))
        deviations = np.sqrt(np.diag(matrix))
        off = (root @ root.T - matrix) / deviations / deviations[:, None]
        assert np.abs(off).max() < 1e-5
        assert not np.triu(root, 1).any()

    @pytest.mark.parametrize(
        ("matrix", "message"),
        [
            (((1.0, 2.0), (2.0, 1.0)), "is not a covariance matrix"),
            (((1.0, 0.5), (0.5, -1.0)), "is not a covariance matrix"),
            (((0.0, 1.0), (1.0, 0.0)), "is not a covariance matrix"),
            (((1.0, 0.5), (0.4, 1.0)), "must be finite and symmetric"),
            (((1.0, math.nan), (math.nan, 1.0)), "must be finite and symmetric"),
            (((1.0, 0.5), (0.5,)), "must have 2 numbers in each row"),
        ],
        ids=str,
    )
    def test_refuses_an_invalid_covariance(self, matrix, message):
        with pytest.raises(UsageError, match=message):
            Correlated(covariance=matrix)

    def test_has_to_fit_the_fields(self):
        with pytest.raises(UsageError, match="3 rows for 2 fields"):
            make(fields=("x", "y"))


class TestSettling:
    def test_needs_the_covariance_of_all_its_fields(self):
        needs = Correlated(fields=("x", "y")).statistics("x")
        assert {"x": {"covariance"}, "y": {"covariance"}} == needs

    def test_takes_it_from_the_data(self):
        statistics = {
            "x": FieldStatistics(9, covariance={"x": 4.0, "y": 1.0}),
            "y": FieldStatistics(9, covariance={"x": 1.0, "y": 2.0}),
        }
        settled = Correlated(fields=("x", "y")).fit("y", statistics)
        assert ((4.0, 1.0), (1.0, 2.0)) == settled.covariance
        assert {} == settled.statistics("x")
        assert settled is settled.fit("x", {})

    def test_reads_a_covariance_as_typed(self):
        model = interface.make(Correlated, {"covariance": "4|1;1|2", "share": "0.5"})
        assert (0.5, ((4.0, 1.0), (1.0, 2.0))) == (model.share, model.covariance)

    def test_refuses_a_share_below_zero(self):
        with pytest.raises(UsageError, match=r"^share -1 of correlated must be at least 0"):
            Correlated(share=-1.0)

    def test_uses_no_other_values(self):
        assert frozenset() == make().companions()


@pytest.fixture(scope="module")
def people():
    """Return 20,000 rows of two fields with a correlation of 0.8."""
    generator = np.random.default_rng(1)
    x = generator.normal(170, 10, 20_000)
    return pd.DataFrame({"x": x, "y": 0.8 * x + generator.normal(0, 6, len(x))})


class TestAgainstSdcMicro:
    """The results of sdcMicro's addNoise(noise=150) by its formulas, where noise / 100 is 1.5."""

    ERROR = 4.5 / math.sqrt(20_000)

    def test_correlated(self, people):
        noisy_people = add_noise(people, "correlated", params={"share": 1.5}, seed=1)
        for name in people:
            ratio = noisy_people[name].std() / people[name].std()
            correlation = noisy_people[name].corr(people[name])
            assert abs(ratio / math.sqrt(2.5) - 1) < self.ERROR
            assert abs(correlation - 1 / math.sqrt(2.5)) < self.ERROR
        correlations = (frame["x"].corr(frame["y"]) for frame in (people, noisy_people))
        assert abs(np.subtract(*correlations)) < self.ERROR

    def test_additive_is_normal_noise_in_units_of_sd(self, people, tmp_path):
        path = tmp_path / "people.csv"
        people.to_csv(path, index=False)
        noisy_people = pd.read_csv(io.BytesIO(noisy(path, "-s", "1.5sd")))
        for name in people:
            ratio = noisy_people[name].std() / people[name].std()
            correlation = noisy_people[name].corr(people[name])
            assert abs(ratio / math.sqrt(3.25) - 1) < self.ERROR
            assert abs(correlation - 1 / math.sqrt(3.25)) < self.ERROR


def test_a_table_without_rows_passes_through(tmp_path):
    source = tmp_path / "empty.parquet"
    pq.write_table(
        pa.table({"x": pa.array([], pa.float64()), "y": pa.array([], pa.float64())}), source
    )

    done = run(source, "-o", "-", "-d", "correlated", "--seed", "1")

    assert done.status == 0
    assert done.output == source.read_bytes()


def test_text_fields_of_numbers_are_read_as_numbers_once(tmp_path):
    """Such a field is requested both for itself and as a companion, as numbers both times."""
    source = tmp_path / "data.csv"
    source.write_text("a,b\n" + "1,x\ny,2\n3,4\n5,6\n" * 20)

    done = run(source, "-c", "a,b", "-d", "correlated", "--seed", 1, "-o", tmp_path / "out.csv")

    notes = [f"field {name!r}: 20 cells not a number, left alone" for name in ("a", "b")]
    assert (0, [f"noisify: note: {source}, {note}" for note in notes]) == (done.status, done.lines)
    before, after = (
        [line.split(",") for line in path.read_text().splitlines()]
        for path in (source, tmp_path / "out.csv")
    )
    assert [row[0] for row in before[2::4]] == [row[0] for row in after[2::4]]
    assert before[1:] != after[1:]
