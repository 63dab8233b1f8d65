"""Test the properties of every model of the table.

A new model needs nothing here, or a line in EXAMPLES if it has required parameters. It is run on
every kind of field it takes, after being fitted to the statistics of its input.
"""

import dataclasses
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from apply_model import CUTS, SIZE, number_types, same
from example_counts import examples
from hypothesis import given

from noisify.core.chunk import Positions
from noisify.core.dtypes import NumberType
from noisify.core.errors import UsageError
from noisify.noise import model as interface
from noisify.noise import registry
from noisify.noise.level import Absolute, Duration, Percent
from noisify.noise.model import ANYTHING, NoiseContext
from noisify.noise.parameters import LEVEL, RATE, parameters_of
from noisify.noise.rows import RowModel
from noisify.statistics.survey import FieldStatistics
from noisify.streams.streams import StreamName, StreamVariates

EXAMPLES = {
    "rounding": {"bits": 4},
    "bias": {"by": "other"},
    "laplace-mechanism": {"epsilon": 0.5, "sensitivity": 1},
    "gaussian-mechanism": {"epsilon": 0.5, "sensitivity": 1},
}
"""Parameters of the models here, besides a scale of 3 and a rate of 30%."""

TYPES = number_types("f2 f4 f8 g i1 i2 i4 i8 u1 u2 u4 u8 c8 c16 G decimal(9,2) decimal(30,2)") | {
    "bool": NumberType.of_dtype(np.dtype(bool)),
    "text": NumberType("text", np.dtype(object)),
    "time[us]": NumberType.time(1000),
    "time of day": NumberType.time(10**6, bits=32, span=86_400_000),
    "date": NumberType.time(86_400 * 10**9, bits=32),
}
USUAL = {
    "float": "f8",
    "int": "i8",
    "complex": "c16",
    "decimal": "decimal(9,2)",
    "time": "time[us]",
}
NEEDS = frozenset({"sd", "power", "range", "iqr", "length", "values", "scores", "covariance"})
entries = pytest.mark.parametrize("entry", registry.MODELS, ids=lambda entry: entry.name)
on_usual_types = pytest.mark.parametrize(
    ("entry", "number"),
    [
        pytest.param(entry, TYPES[USUAL.get(kind, kind)], id=f"{entry.name}-{kind}")
        for entry in registry.MODELS
        for kind in sorted(entry.load().takes) or ["bool"]
    ],
)
on_all_types = pytest.mark.parametrize(
    ("entry", "number"),
    [
        pytest.param(entry, number, id=f"{entry.name}-{name}")
        for entry in registry.MODELS
        for name, number in TYPES.items()
        if number.kind in entry.load().takes
    ],
)
WORDS = ["Anna Smith", "colour", "O'Brien 10", "Zürich", "B", ""]


def some_values(number, size):
    """Return small values of a type: numbers from -40 to 40 (unsigned: 0 to 80), words, days."""
    whole = np.arange(size) * 37 % 81
    if number.kind == "bool":
        return whole % 3 == 0
    if number.kind == "text":
        texts = np.empty(size, object)
        texts[:] = [WORDS[i % len(WORDS)] for i in whole]
        return texts
    if number.kind == "time":
        days = 86_400 * 10**9 // number.tick
        return (whole * 1000 if number.span else (whole + 10_957) * days).astype(number.dtype)
    shifted = whole if number.dtype.kind == "u" else whole - 40
    if number.kind == "complex":
        return (shifted + 1j * whole).astype(number.dtype)
    return shifted.astype(number.dtype)


def another(number, value):
    """Return a value of a type, other than this one."""
    if number.kind == "bool":
        return not value
    return f"{value}x" if number.kind == "text" else value + number.dtype.type(1)


def example(entry, number, size=100):
    """Return a model with the parameters of EXAMPLES, fitted to a field of this type."""
    amounts = {
        LEVEL: Duration(3 * 86_400.0) if number.kind == "time" else Absolute(3.0),
        RATE: 0.3,
    }
    kinds = {name: one.type for name, one in parameters_of(entry.load()).items()}
    given = {name: amounts[kinds[name]] for name in ("scale", "rate") if kinds.get(name) in amounts}
    model = interface.make(entry.load(), given | EXAMPLES.get(entry.name, {}))
    if model.multi_field:
        model = dataclasses.replace(model, fields=("data", "other"))
    return model.fit(
        "data", {name: summary(number, size, name) for name in model.statistics("data")}
    )


def summary(number, size, name):
    """Return the statistics of `some_values`, for a field of this name."""
    values = some_values(number, size)
    floats = np.arange(size) * 1.0 if number.kind == "text" else number.to_float(values).real * 1.0
    lower, upper = np.quantile(floats, [0.25, 0.75])
    return FieldStatistics(
        count=size,
        mean=float(floats.mean()),
        sd=float(floats.std()),
        power=float(np.mean(floats**2)),
        range=float(np.ptp(floats)),
        iqr=float(upper - lower),
        low=float(floats.min()),
        high=float(floats.max()),
        lower_quartile=float(lower),
        upper_quartile=float(upper),
        length=size,
        values=tuple(sorted(Counter(str(value) for value in values.tolist()).items())),
        covariance={"data": 1.0, "other": 1.0} | {name: 2.0},
        scores=(np.linspace(-4, 4, 33), np.ones(33, np.int64)),
    )


def outcome(model, values, number, positions, seed=7):
    """Return a model's noisy values (or copies of rows), and the mask of erased ones.

    The values of other fields depend on the position only.
    """
    at = np.concatenate([np.arange(start, start + positions.length) for start in positions.starts])
    other = some_values(number, SIZE + 1)[at + 1]
    floats = np.asarray(at * 37 % 81, float)
    keys = np.array([index % 7 for index in at], np.uint64)
    streams = {
        name: StreamVariates(StreamName(seed, name, model.name), positions)
        for name in ("data", "other", "")
    }
    names = model.companions()
    context = NoiseContext(
        streams["data"],
        number,
        dict.fromkeys(names, floats),
        others=streams.__getitem__,
        columns={"other": (other, None)},
        keys=dict.fromkeys(names, keys),
    )
    if isinstance(model, RowModel):
        return model.copies(context), np.zeros(len(at), bool)
    noisy = model.apply(values, context)
    return noisy, np.zeros(len(at), bool) if context.erased is None else context.erased


def chunk(model, values, number, start, stop):
    """Return the outcome of elements start...stop, computed with the model's halo and cut."""
    first, last = max(0, start - model.halo), min(len(values), stop + model.halo)
    parts = outcome(model, values[first:last], number, Positions.range(first, last))
    return tuple(part[start - first : stop - first] for part in parts)


@entries
class TestEveryModel:
    def test_has_its_name_in_the_table(self, entry):
        assert entry.name == entry.load().name
        assert entry is registry.find(entry.name)

    def test_can_be_found_by_its_aliases_in_any_case(self, entry):
        for alias in (entry.name, *entry.aliases):
            assert entry is registry.find(alias.upper().replace("-", "_"))

    def test_has_a_docstring_that_starts_with_a_line_of_its_own(self, entry):
        first, *rest = entry.load().__doc__.splitlines()
        assert first.endswith(".")
        assert first.strip() == first
        assert not rest or not rest[0]

    def test_is_frozen_and_takes_keywords_only(self, entry):
        fields = dataclasses.fields(entry.load())
        assert entry.load().__dataclass_params__.frozen
        assert fields
        assert all(field.kw_only for field in fields)

    def test_every_parameter_has_help(self, entry):
        assert all(one.help for one in parameters_of(entry.load()).values())

    def test_declares_its_family_and_field_kinds(self, entry):
        model = entry.load()
        assert model.family
        assert model.example
        assert model.takes <= ANYTHING
        assert bool(model.takes) != issubclass(model, RowModel)

    def test_its_level_is_one_of_its_parameters(self, entry):
        names = {field.name for field in dataclasses.fields(entry.load())}
        assert entry.load().level in names | {""}


class TestEveryModelAtWork:
    @on_usual_types
    def test_needs_known_statistics_and_none_once_fitted(self, entry, number):
        unsettled = entry.load().statistics(example(entry, number), "data")
        assert all(needed <= NEEDS for needed in unsettled.values())
        model = example(entry, number)
        assert isinstance(model, entry.load())
        assert model.statistics("data") == {}
        assert model.fit("data", {}) == model

    @on_usual_types
    def test_can_be_made_again_from_fitted_parameters(self, entry, number):
        model = example(entry, number)
        parameters = {f.name: getattr(model, f.name) for f in dataclasses.fields(model)}
        assert model == interface.make(type(model), parameters)

    @on_usual_types
    def test_does_something(self, entry, number):
        values = some_values(number, 300)
        model = example(entry, number, 300)
        noisy, erased = outcome(model, values, number, Positions.range(0, 300), seed=10)
        assert erased.any() or not same(values, noisy)

    @pytest.mark.one_in(2)
    @on_usual_types
    @examples(5)
    @given(cuts=CUTS)
    def test_does_not_depend_on_the_chunks(self, entry, number, cuts):
        values, model = some_values(number, SIZE), example(entry, number, SIZE)
        ends = [0, *sorted(cuts), SIZE]
        pieces = [chunk(model, values, number, a, b) for a, b in pairwise(ends)]
        whole = outcome(model, values, number, Positions.range(0, SIZE))
        for part, parts in zip(whole, zip(*pieces, strict=True), strict=True):
            assert same(part, np.concatenate(parts))

    @on_usual_types
    def test_does_not_depend_on_the_shape_of_the_chunks(self, entry, number):
        values, model = some_values(number, SIZE), example(entry, number, SIZE)
        if model.halo:
            pytest.skip("gets consecutive elements only")
        box = Positions.box((SIZE // 100, 100), (slice(70, 100), slice(40, 65)))
        at = (np.asarray(box.starts)[:, None] + np.arange(box.length)).reshape(-1)
        whole = outcome(model, values, number, Positions.range(0, SIZE))
        for part, boxed in zip(whole, outcome(model, values[at], number, box), strict=True):
            assert same(part[at], boxed)

    @on_all_types
    def test_keeps_the_dtype_and_the_input(self, entry, number):
        values = some_values(number, 100)
        untouched = values.copy()
        noisy, erased = outcome(example(entry, number), values, number, Positions.range(0, 100))
        assert (values.dtype, values.shape) == (noisy.dtype, noisy.shape)
        assert (np.dtype(bool), values.shape) == (erased.dtype, erased.shape)
        assert same(untouched, values)

    @on_all_types
    def test_of_nothing_is_nothing(self, entry, number):
        nothing = np.empty(0, number.dtype)
        noisy, _ = outcome(example(entry, number), nothing, number, Positions.range(0, 0))
        assert (number.dtype, (0,)) == (noisy.dtype, noisy.shape)

    @pytest.mark.one_in(2)
    @on_all_types
    def test_changing_one_value_changes_that_output_only(self, entry, number):
        model, values = example(entry, number), some_values(number, 100)
        if model.halo:
            pytest.skip("depends on neighbours")
        for i in (0, 77, 99):
            changed = values.copy()
            changed[i] = another(number, values[i])
            before = outcome(model, values, number, Positions.range(0, 100))
            after = outcome(model, changed, number, Positions.range(0, 100))
            for one, other in zip(before, after, strict=True):
                assert same(np.delete(one, i), np.delete(other, i))


class TestMake:
    def test_reads_texts_as_the_parameters_types(self):
        model = interface.make(registry.find("t").load(), {"df": "4", "loc": "-1e1", "scale": "5%"})
        assert (4.0, -10.0, Percent(0.05)) == (model.df, model.loc, model.scale)

    def test_no_such_parameter(self):
        with pytest.raises(UsageError, match=r"no parameter 'sacle'; did you mean 'scale'\?"):
            interface.make(registry.find("normal").load(), {"sacle": 1})


class TestTable:
    def test_names_and_aliases_are_all_different(self):
        names = [name for entry in registry.MODELS for name in (entry.name, *entry.aliases)]
        assert len(set(names)) == len(names)

    def test_no_such_model(self):
        with pytest.raises(UsageError, match=r"'guassian'; did you mean 'gaussian'\?"):
            registry.find("guassian")
