"""Resolving a request, fields and statistics into a plan."""

import math

import numpy as np
import pytest
from run_command import run

from noisify.core.chunk import Field
from noisify.core.dtypes import NumberType
from noisify.core.errors import DataError, UsageError
from noisify.noise.level import Absolute, FromField, OfField, Percent, parse
from noisify.plan import drafts
from noisify.plan import resolve as resolve_module
from noisify.plan.plan import NoiseSpec, Request
from noisify.plan.selectors import choose
from noisify.statistics.survey import FieldStatistics
from noisify.streams.streams import StreamName

FLOAT = NumberType.of_dtype(np.dtype("f8"))
INT = NumberType.of_dtype(np.dtype("i4"))
COMPLEX = NumberType.of_dtype(np.dtype("c16"))
TEMP = Field("temp", "float", "float64", FLOAT)
HUMIDITY = Field("rh", "float", "float64", FLOAT)
ERROR = Field("err", "float", "float64", FLOAT)
ID = Field("id", "int", "int32", INT)
NOTE = Field("note", "text", "string")
WAVE = Field("wave", "complex", "complex128", COMPLEX)
OTHER = Field("other", "float", "float64", FLOAT, table="2")
TABLE = (ID, TEMP, HUMIDITY, ERROR, NOTE)

STATISTICS = FieldStatistics(count=100, mean=1.0, sd=2.0, power=5.0, range=10.0, iqr=3.0)
SD = {
    "normal": 1.0,
    "uniform": 1 / math.sqrt(3),
    "laplace": math.sqrt(2),
    "logistic": math.pi / math.sqrt(3),
    "student-t": math.sqrt(3),  # df 3, the default
}


class Surveyor:
    """A fake survey that returns made-up statistics and records its requests."""

    def __init__(self, statistics=STATISTICS):
        self.statistics = statistics
        self.asked = {}

    def __call__(self, needs):
        self.asked = {field.name: set(need) for field, need in needs.items()}
        return {field.name: self.statistics for field in needs}


def resolve(*specs, fields=TABLE, survey=None, **request):
    return resolve_module.resolve(Request(specs, seed=42, **request), fields, survey or Surveyor())


def steps_of(plan, field):
    return [step for step in plan.field_steps if step.field.name == field]


def scale_of(spec, field="temp", fields=TABLE, statistics=STATISTICS):
    resolved = resolve(spec, fields=fields, survey=Surveyor(statistics))
    (step,) = steps_of(resolved, field)
    return step.model.scale


class TestScale:
    @pytest.mark.parametrize(
        ("typed", "expected"),
        [
            ("0.5", Absolute(0.5)),
            ("5%", Percent(0.05)),
            ("0.1sd", Absolute(0.2)),
            ("0.2iqr", Absolute(pytest.approx(0.6))),
            ("1%range", Absolute(0.1)),
            ("@err", FromField("err")),
        ],
    )
    def test_of_a_field_becomes_absolute(self, typed, expected):
        assert expected == scale_of(NoiseSpec(columns=("temp",), scale=parse(typed)))

    def test_is_a_tenth_of_the_standard_deviation_by_default(self):
        assert Absolute(0.2) == scale_of(NoiseSpec())

    def test_may_come_as_a_parameter(self):
        assert Absolute(0.2) == scale_of(NoiseSpec(parameters={"scale": "0.1sd"}))

    @pytest.mark.parametrize("name", ["normal", "cauchy", "laplace"])
    def test_is_the_distributions_own_whatever_the_model(self, name):
        assert Absolute(0.2) == scale_of(NoiseSpec(model=name))


class TestSd:
    @pytest.mark.parametrize("name", SD)
    @pytest.mark.parametrize(
        ("typed", "sd"), [("0.5", Absolute(0.5)), ("0.1sd", Absolute(0.2)), ("5%", Percent(0.05))]
    )
    def test_is_that_of_the_noise(self, name, typed, sd):
        expected = sd.times(1 / SD[name])
        actual = scale_of(NoiseSpec(model=name, sd=parse(typed)))
        assert type(expected) is type(actual)
        amount = vars(actual).popitem()[1]
        assert pytest.approx(vars(expected).popitem()[1], rel=1e-15) == amount

    def test_from_another_field(self):
        actual = scale_of(NoiseSpec(model="uniform", columns=("temp",), sd=parse("@err")))
        assert FromField("err", pytest.approx(math.sqrt(3))) == actual

    def test_of_a_t_depends_on_its_degrees_of_freedom(self):
        actual = scale_of(NoiseSpec(model="t", sd=Absolute(1.0), parameters={"df": "10"}))
        assert Absolute(pytest.approx(math.sqrt(0.8))) == actual


class TestSnr:
    @pytest.mark.parametrize("name", SD)
    @pytest.mark.parametrize("decibels", [20.0, 0.0, -3.0])
    def test_is_reached_whatever_the_model(self, name, decibels):
        scale = scale_of(NoiseSpec(model=name, snr=decibels)).value
        noise_power = (scale * SD[name]) ** 2
        assert pytest.approx(decibels) == 10 * math.log10(STATISTICS.power / noise_power)

    def test_counts_loc_as_noise(self):
        scale = scale_of(NoiseSpec(snr=10.0, parameters={"loc": "0.5"})).value
        assert pytest.approx(0.5) == 0.5**2 + scale**2  # a tenth of the power of 5

    def test_a_loc_that_is_more_than_the_noise_allowed(self):
        with pytest.raises(UsageError, match=r"loc 0\.8 alone is more noise than --snr allows"):
            scale_of(NoiseSpec(snr=10.0, parameters={"loc": "0.8"}))

    def test_needs_the_power_alone(self):
        survey = Surveyor()
        resolve(NoiseSpec(columns=("temp",), snr=20.0), survey=survey)
        assert {"temp": {"power"}} == survey.asked

    def test_of_zeros_adds_nothing_and_says_so(self):
        zeros = FieldStatistics(count=3, mean=0.0, sd=0.0, power=0.0)
        resolved = resolve(NoiseSpec(columns=("temp",), snr=20.0), survey=Surveyor(zeros))
        assert Absolute(0.0) == resolved.steps[0].model.scale
        assert ["field 'temp' is zero throughout: an SNR of it adds no noise"] == [*resolved.notes]


class TestWithoutVariance:
    @pytest.mark.parametrize("how", [{"sd": Absolute(1.0)}, {"snr": 20.0}], ids=["sd", "snr"])
    @pytest.mark.parametrize(
        ("model", "parameters", "described"),
        [
            ("cauchy", {}, "cauchy"),
            ("student-t", {"df": "2"}, "student-t with df = 2"),
            ("t", {"df": "1.5"}, r"student-t with df = 1\.5"),
        ],
    )
    def test_sd_and_snr_are_refused(self, how, model, parameters, described):
        option = "--" + next(iter(how))
        with pytest.raises(UsageError, match=f"^{described} has no variance, so {option} cannot"):
            resolve(NoiseSpec(model=model, parameters=parameters, **how))

    @pytest.mark.parametrize("model", ["cauchy", "t"])
    def test_a_scale_will_do(self, model):
        spec = NoiseSpec(
            model=model, scale=Absolute(1.0), parameters={"df": 1} if model == "t" else {}
        )
        assert Absolute(1.0) == scale_of(spec)

    def test_refused_for_an_empty_field_too(self):
        with pytest.raises(UsageError, match="has no variance"):
            resolve(NoiseSpec(model="cauchy", snr=20.0), survey=Surveyor(FieldStatistics(count=0)))


class TestFirstPass:
    @pytest.mark.parametrize(
        ("given", "needed"),
        [
            ({}, True),
            ({"scale": Absolute(1.0)}, False),
            ({"scale": Percent(0.1)}, False),
            ({"scale": FromField("err")}, False),
            ({"scale": OfField(1.0, "iqr")}, True),
            ({"sd": OfField(1.0, "range")}, True),
            ({"sd": Absolute(1.0)}, False),
            ({"snr": 20.0}, True),
            ({"parameters": {"scale": "5%"}}, False),
            ({"parameters": {"scale": "0.5iqr"}}, True),
        ],
    )
    def test_is_made_only_where_a_level_needs_it(self, given, needed):
        survey = Surveyor()
        spec = NoiseSpec(columns=("temp",), **given)
        resolve(spec, survey=survey)
        assert needed == bool(survey.asked)

    def test_asks_for_each_field_what_its_specs_need(self):
        survey = Surveyor()
        resolve(
            NoiseSpec(columns=("temp", "rh"), scale=parse("0.1sd")),
            NoiseSpec(columns=("temp",), scale=parse("0.1iqr")),
            NoiseSpec(columns=("id",), scale=Absolute(1.0)),
            survey=survey,
        )
        assert {"temp": {"sd", "iqr"}, "rh": {"sd"}} == survey.asked

    def test_a_statistic_that_is_not_finite_is_bad_data(self):
        infinite = FieldStatistics(count=3, sd=math.inf, power=math.inf)
        for spec in (NoiseSpec(columns=("temp",)), NoiseSpec(columns=("temp",), snr=1.0)):
            with pytest.raises(DataError, match=r"'temp': its .* is not a finite number"):
                resolve(spec, survey=Surveyor(infinite))

    def test_a_field_without_values_gets_scale_zero(self):
        assert Absolute(0.0) == scale_of(NoiseSpec(), statistics=FieldStatistics(count=0))

    def test_a_constant_field_is_noted(self):
        constant = FieldStatistics(count=3, mean=1.0, sd=0.0, power=1.0)
        resolved = resolve(NoiseSpec(columns=("temp", "rh")), survey=Surveyor(constant))
        assert (
            "field 'temp' has sd 0: 0.1sd of it is 0",
            "field 'rh' has sd 0: 0.1sd of it is 0",
        ) == resolved.notes

    def test_a_scale_of_zero_sd_asked_for_is_not(self):
        constant = FieldStatistics(count=3, mean=1.0, sd=0.0, power=1.0)
        spec = NoiseSpec(columns=("temp",), scale=parse("0sd"))
        assert () == resolve(spec, survey=Surveyor(constant)).notes


class TestFields:
    def test_steps_are_spec_by_spec_and_in_file_order(self):
        resolved = resolve(
            NoiseSpec(columns=("rh,temp",), scale=Absolute(1.0)),
            NoiseSpec(model="laplace", columns=("id",), scale=Absolute(1.0)),
        )
        expected = [("temp", "normal"), ("rh", "normal"), ("id", "laplace")]
        assert expected == [(step.field.name, step.model.name) for step in resolved.steps]
        assert (ID, TEMP, HUMIDITY) == resolved.noised == resolved.fields

    def test_why_the_others_are_left(self):
        resolved = resolve(NoiseSpec(columns=("temp", "/^n/")))
        expected = {
            "id": "not chosen",
            "rh": "not chosen",
            "err": "not chosen",
            "note": "holds string",
        }
        assert expected == resolved.left

    def test_a_field_named_exactly_must_hold_numbers(self):
        with pytest.raises(
            UsageError, match="'note': holds string, and normal noise needs numbers"
        ):
            resolve(NoiseSpec(columns=("note",)))

    def test_fields_include_companions_but_do_not_noise_them(self):
        resolved = resolve(NoiseSpec(columns=("temp",), scale=FromField("err")))
        assert (TEMP, ERROR) == resolved.fields
        assert (TEMP,) == resolved.noised
        assert "err" in resolved.left

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("er", "level @er names no field; did you mean 'err'?"),
            ("note", "level @note needs real numbers, and it holds string"),
            ("wave", "level @wave needs real numbers, and it holds complex128"),
            ("other", "field 'temp': level @other is not as long as the field"),
        ],
    )
    def test_companions_that_do_not_fit(self, name, message):
        with pytest.raises(UsageError) as caught:
            resolve(
                NoiseSpec(columns=("temp",), scale=FromField(name)), fields=(*TABLE, WAVE, OTHER)
            )
        assert message == str(caught.value)

    @pytest.mark.parametrize("typed", ["1iqr", "1range"])
    def test_complex_numbers_have_no_order(self, typed):
        with pytest.raises(UsageError, match="complex numbers have no"):
            resolve(NoiseSpec(scale=parse(typed)), fields=(WAVE,))
        with pytest.raises(UsageError, match="no order to clip by"):
            resolve(NoiseSpec(scale=Absolute(1.0), clip=(0.0, 1.0)), fields=(WAVE,))

    def test_clip_goes_to_every_step(self):
        resolved = resolve(NoiseSpec(columns=("temp", "rh"), clip=(0.0, 1.0)))
        assert [(0.0, 1.0)] * 2 == [step.clip for step in resolved.steps]


class TestStreams:
    def test_are_named_by_seed_field_and_model(self):
        (step,) = resolve(NoiseSpec(columns=("temp",), model="gaussian")).steps
        assert StreamName(seed=42, field="temp", model="normal") == step.stream

    def test_a_model_used_again_on_a_field_gets_another(self):
        resolved = resolve(
            NoiseSpec(columns=("temp", "rh")),
            NoiseSpec(columns=("temp",), model="laplace"),
            NoiseSpec(columns=("temp",)),
            NoiseSpec(columns=("temp",), model="gaussian"),
        )
        expected = [("normal", 0), ("laplace", 0), ("normal", 1), ("normal", 2)]
        steps = steps_of(resolved, "temp")
        assert expected == [(step.stream.model, step.stream.ordinal) for step in steps]
        assert [0] == [step.stream.ordinal for step in steps_of(resolved, "rh")]

    def test_do_not_depend_on_which_other_fields_are_chosen_or_on_the_level(self):
        alone = resolve(NoiseSpec(columns=("rh",), scale=Absolute(1.0)))
        among = resolve(NoiseSpec(scale=Percent(0.5)))
        assert steps_of(alone, "rh")[0].stream == steps_of(among, "rh")[0].stream


class TestModels:
    def test_no_such_model(self):
        with pytest.raises(UsageError, match="no model is called 'nromal'; did you mean 'normal'"):
            resolve(NoiseSpec(model="nromal"))

    @pytest.mark.parametrize(
        ("model", "parameters", "message"),
        [
            ("normal", {"df": "3"}, r"normal has no parameter 'df'.*it has: scale, loc"),
            ("t", {"dof": "3"}, r"student-t has no parameter 'dof'; did you mean 'df'\?"),
            ("t", {"df": "three"}, "df 'three' of student-t is not a number"),
            ("t", {"df": "0"}, "df 0 of student-t must be above 0"),
            ("t", {"df": "nan"}, "df nan of student-t must be finite"),
            ("normal", {"loc": "inf"}, "loc inf of normal must be finite"),
            ("normal", {"scale": "-1"}, "must be a finite number of at least 0"),
        ],
    )
    def test_parameters_that_do_not_fit(self, model, parameters, message):
        with pytest.raises(UsageError, match=message):
            resolve(NoiseSpec(model=model, parameters=parameters))

    def test_parameters_reach_the_model(self):
        (step,) = resolve(NoiseSpec("t", ("temp",), parameters={"df": "4", "loc": "-1"})).steps
        assert (4.0, -1.0) == (step.model.df, step.model.loc)


class TestGroups:
    def names(self, *specs, fields=TABLE):
        return [
            [field.name for field in group] for group in resolve(*specs, fields=fields).groups()
        ]

    def test_fields_stand_alone(self):
        spec = NoiseSpec(columns=("rh", "temp"), scale=Absolute(1.0))
        assert [["temp"], ["rh"]] == self.names(spec)

    def test_a_companion_comes_along(self):
        spec = NoiseSpec(columns=("temp", "id"), scale=FromField("err"))
        assert [["id", "temp", "err"]] == self.names(spec)

    def test_chains_become_one_group(self):
        assert [["id"], ["temp", "rh", "err"]] == self.names(
            NoiseSpec(columns=("err",), scale=FromField("rh")),
            NoiseSpec(columns=("id",), scale=Absolute(1.0)),
            NoiseSpec(columns=("temp",), scale=FromField("err")),
        )

    def test_a_field_may_be_its_own_companion(self):
        assert [["temp"]] == self.names(NoiseSpec(columns=("temp",), scale=FromField("temp")))


class TestJson:
    def test_of_a_plan_has_the_settled_values(self):
        resolved = resolve(
            NoiseSpec("t", ("temp",), sd=parse("0.1sd"), clip=(-math.inf, 9.0)),
            NoiseSpec(columns=("rh",), scale=Percent(0.05)),
            decimals="keep",
        )
        expected = {
            "seed": 42,
            "rng": "noisify",
            "decimals": "keep",
            "strict": False,
            "noise": [
                {
                    "field": "temp",
                    "model": "student-t",
                    "scale": pytest.approx(0.2 / math.sqrt(3)),
                    "loc": 0.0,
                    "df": 3.0,
                    "clip": [None, 9.0],
                    "where": None,
                },
                {
                    "field": "rh",
                    "model": "normal",
                    "scale": "5%",
                    "loc": 0.0,
                    "clip": None,
                    "where": None,
                },
            ],
        }
        assert expected == resolved.as_json()


def test_zero_noise_needs_no_field(tmp_path):
    path = tmp_path / "ids.csv"
    path.write_text("a,b,note\n1,2,x\n")

    done = run(path, "-s", 0, "--seed", 1)

    assert (0, path.read_bytes()) == (done.status, done.output)
    assert 2 == run(path, "-s", 1, "--seed", 1).status


def test_exact_names_are_looked_up_where_a_search_for_each_would_take_the_square(monkeypatch):
    monkeypatch.setattr(drafts, "choose", lambda *_: pytest.fail("searched"))
    specs = [NoiseSpec(columns=("err", "temp"), scale=Absolute(1.0))]

    found, _, _ = drafts.drafts_of(Request(tuple(specs), seed=1), TABLE)

    assert ["temp", "err"] == [draft.field.name for draft in found]


@pytest.mark.parametrize(
    ("columns", "exclude"),
    [
        (("temp", "!err"), ()),
        (("t*",), ()),
        (("temp,err",), ()),
        (("temp", "err"), ("err",)),
        (("other name",), ()),
    ],
    ids=str,
)
def test_what_is_more_than_exact_names_is_searched(columns, exclude):
    aliased = Field("x", "float", "float64", FLOAT, aliases=("other name",))
    spec = NoiseSpec(columns=columns, exclude=exclude, scale=Absolute(1.0))

    found, _, _ = drafts.drafts_of(Request((spec,), seed=1), (*TABLE, aliased))

    expected = choose((*TABLE, aliased), columns, exclude).fields
    assert list(expected) == [draft.field for draft in found]


class TestSharedPlans:
    """Files with the same fields share a plan, but for what rests on the file."""

    def resolved(self, asked, survey=None):
        """Return the plans of requests for fields, planned by one resolver."""
        resolver = resolve_module.Resolver()
        survey = survey or Surveyor()
        return [resolver.resolve(*one, survey, lambda _: None) for one in asked]

    def test_files_have_the_plans_they_have_alone(self):
        absolute = NoiseSpec(columns=("temp", "rh"), scale=Absolute(0.5), clip=(0.0, 9.0))
        others = (NoiseSpec("missing", parameters={"rate": 0.1}), NoiseSpec(scale=FromField("err")))
        asked = [
            (Request((absolute, *others), seed, file=file, replicate=replicate), fields)
            for fields in (TABLE, TABLE[:4])
            for seed, replicate in ((42, 0), (42, 1), (7, 0))
            for file in ("day1", "day2", "")
        ]

        found = self.resolved(asked)

        assert [resolve_module.resolve(*one, Surveyor()) for one in asked] == found
        assert {"day1", "day2", ""} == {step.stream.file for plan in found for step in plan.steps}

    def test_they_are_planned_once(self, monkeypatch):
        planned = []
        monkeypatch.setattr(
            resolve_module, "drafts_of", lambda *of: planned.append(of) or drafts.drafts_of(*of)
        )
        request = Request((NoiseSpec(scale=Absolute(0.5)),), 42)

        one, other = self.resolved([(request, TABLE), (request, tuple(TABLE))])

        assert len(planned) == 1
        assert one is other

    def test_a_plan_that_rests_on_the_data_is_of_one_file(self):
        request = Request((NoiseSpec(columns=("temp",), scale=parse("0.1sd")),), 42)
        of_files = [FieldStatistics(9, 0.0, sd, 1.0, 1.0, 1.0) for sd in (1.0, 2.0)]
        waiting = iter(of_files)

        plans = self.resolved(
            [(request, TABLE)] * 2,
            lambda needs: dict.fromkeys([f.name for f in needs], next(waiting)),
        )

        assert [0.1, 0.2] == [plan.steps[0].model.scale.value for plan in plans]

    def test_so_is_one_that_rests_on_the_shapes_of_arrays(self):
        request = Request((NoiseSpec("stuck", parameters={"rate": 0.1}),), 42)
        field = Field("data", "float", "float64", FLOAT)
        resolver = resolve_module.Resolver()

        wide, long = (
            resolver.resolve(request, (field,), Surveyor(), lambda _, shape=shape: shape)
            for shape in ((4, 1000), (1000, 4))
        )

        assert wide.steps[0].series != long.steps[0].series
