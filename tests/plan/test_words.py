"""Reading words into a noise spec."""

import contextlib
import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noisify.core.chunk import Field
from noisify.core.dtypes import NumberType
from noisify.core.errors import UsageError
from noisify.noise import parameters, registry
from noisify.noise.level import Absolute, FromField, OfField, Percent
from noisify.noise.model import Model, make
from noisify.noise.parameters import ParameterError
from noisify.plan.plan import NoiseSpec
from noisify.plan.selectors import choose
from noisify.plan.spec_text import parse_spec
from noisify.plan.words import WORDS, WordsError, exactly, spec_from_words


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pepper(Model):
    """A model whose level is a rate."""

    name = "pepper"
    level = "rate"

    rate: float = parameters.rate("the share", 0.01)
    grains: int = parameters.whole("how many", 3, at_least=1)
    words: tuple = parameters.texts("which", ("a",))
    text: str | None = parameters.text("what")
    low: float = parameters.number("the least", 0.0)
    high: float = parameters.number("the most", 1.0)

    def __post_init__(self):
        super().__post_init__()
        if self.low > self.high:
            raise ParameterError(
                f"pepper goes from low {self.low} up to high {self.high}; swap them", "low", "high"
            )

    def apply(self, values, context):
        raise NotImplementedError


@dataclasses.dataclass(frozen=True, kw_only=True)
class Blank(Model):
    """A model without a level, that needs a parameter."""

    name = "blank"
    level = ""

    text: str = parameters.text("what", parameters.REQUIRED)

    def apply(self, values, context):
        raise NotImplementedError


@pytest.fixture(autouse=True)
def more_models(monkeypatch):
    monkeypatch.setattr(registry, "MODELS", (*registry.MODELS[:6], PEPPER, BLANK))
    registry._names.cache_clear()
    yield
    registry._names.cache_clear()


@dataclasses.dataclass(frozen=True)
class Entry(registry.ModelEntry):
    model: type = Model

    def load(self):
        return self.model


PEPPER = Entry("pepper", "", "", model=Pepper)
BLANK = Entry("blank", "", "", model=Blank)
HALF = Absolute(0.5)


def said(spec):
    """Return what a spec says besides what every spec does, by attribute."""
    found = {f.name: getattr(spec, f.name) for f in dataclasses.fields(spec)}
    if spec.where is not None:
        found["where"] = spec.where.text
    return {k: v for k, v in found.items() if v not in (None, (), {}, False) and v != "normal"}


class TestText:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("temp=normal:0.5", {"columns": ("temp",), "scale": HALF}),
            ("rh = gaussian : 2%", {"columns": ("rh",), "scale": Percent(0.02)}),
            ("a,b=normal:0.1sd", {"columns": ("a,b",), "scale": OfField(0.1, "sd")}),
            ("x=normal:20dB", {"columns": ("x",), "snr": 20.0}),
            ("x=normal:-3.5 db", {"columns": ("x",), "snr": -3.5}),
            (r"x=normal:2@a\,b", {"columns": ("x",), "scale": FromField("a,b", 2.0)}),
            ("x=normal,sd=1%", {"columns": ("x",), "sd": Percent(0.01)}),
            ("x=normal,snr=3", {"columns": ("x",), "snr": 3.0}),
            ("x=normal,scale=0.5", {"columns": ("x",), "scale": HALF}),
            ("x=normal,loc=2, clip=0|", {
                "columns": ("x",), "parameters": {"loc": "2"}, "clip": (0.0, math.inf),
            }),
            ("=normal", {}),
            ("normal", {}),
            ("normal:0.5", {"scale": HALF}),
            ("*=pepper:1%", {"columns": ("*",), "model": "pepper", "parameters": {"rate": "1%"}}),
            (":float=pepper:2%,grains=4", {
                "columns": (":float",), "model": "pepper",
                "parameters": {"rate": "2%", "grains": "4"},
            }),
            ("x=pepper,rate=2%", {
                "columns": ("x",), "model": "pepper", "parameters": {"rate": "2%"},
            }),
            (r"x=pepper,words=a\,b|c", {
                "columns": ("x",), "model": "pepper", "parameters": {"words": "a,b|c"},
            }),
            ("x=blank,text==normal", {
                "columns": ("x",), "model": "blank", "parameters": {"text": "=normal"},
            }),
            ("x=normal,exclude=/a|b/|c|d*", {"columns": ("x",), "exclude": ("/a|b/", "c", "d*")}),
        ],
    )  # fmt: skip
    def test_is_read(self, text, expected):
        assert expected == said(parse_spec(text))

    @pytest.mark.parametrize(
        ("fields", "text"),
        [
            ("/x=normal,y/,!b", "/x=normal,y/,!b=normal:1"),
            (r"k\=normal", r"k\=normal=normal:1"),
            ("k=v", "k=v=normal:1"),
            ("/entry/data", "/entry/data=normal:1"),
            ("/a,/b", "/a,/b=normal"),
            ("where", "where=normal"),
            ("a,where", "a,where=normal"),
            ("normal", "normal=normal:1"),
            ("normal,pepper", "normal,pepper=cauchy"),
            (r"a\,b\\", r"a\,b\\=normal"),
        ],
    )
    def test_fields_end_where_a_model_follows(self, fields, text):
        assert (fields,) == parse_spec(text).columns

    @pytest.mark.parametrize(
        "text",
        ["x=normal,where=WHERE", "x=normal:0.5,loc=1,where=WHERE", "x=normal, where = WHERE"],
    )
    @pytest.mark.parametrize("where", ["a > 1", "b in (1,2) and c=normal", 'k = "a,loc=3"'])
    def test_a_condition_takes_the_rest(self, text, where):
        spec = parse_spec(text.replace("WHERE", where))
        assert (("x",), where) == (spec.columns, spec.where.text)

    @pytest.mark.parametrize("text", ["normal,where=a=normal", "normal:1,where=a=normal"])
    def test_a_condition_is_not_a_field(self, text):
        assert () == parse_spec(text).columns

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("temp=nromal:0.5", "no model is called 'nromal'; did you mean 'normal'?"),
            ("nromal:0.5,loc=2", "no model is called 'nromal'; did you mean 'normal'?"),
            ("", "no model is called ''"),
            ("x=", "no model is called ''"),
            ("x", "no model is called 'x'"),
            ("x=normal:", "no level follows normal:; type normal:5%"),
            ("x=normal:abc", "scale 'abc' is not a level"),
            ("x=pepper:abc", "rate 'abc' is not a share"),
            ("x=pepper:3dB", "pepper has no scale for snr to set; give its rate instead"),
            ("x=pepper,sd=3", "pepper has no scale for sd to set; give its rate instead"),
            ("x=blank:3,text=a", "blank has no level; leave '3' out"),
            ("x=blank,sd=3,text=a", "blank has no scale for sd to set"),
            ("x=blank", "blank needs text (what); add text=VALUE"),
            ("x=normal:1,lco=3", "normal has no parameter 'lco'; did you mean 'loc'? (it has: sc"),
            ("x=pepper,scale=3", "pepper has no parameter 'scale'"),
            ("x=normal:1,clip=0,1", "'1' is not KEY=VALUE; type clip=LO|HI"),
            ("x=normal:1,loc", "'loc' is not KEY=VALUE, such as loc=2"),
            ("x=normal:1,", "'' is not KEY=VALUE"),
            ("x=normal:1,loc=", "'loc=' is not KEY=VALUE"),
            ("x=normal:1,clip=2|1", "clip '2|1' is not LO and HI with LO at most HI"),
            ("x=normal:1,clip=a|1", "clip 'a|1' is not LO and HI"),
            ("x=normal:1,sd=1", "level and sd exclude each other; keep one"),
            ("x=normal:3dB,scale=1", "scale and level exclude each other; keep one"),
            ("x=normal:3dB,snr=1", "snr is given twice, by level and snr; keep one"),
            ("x=pepper:3%,rate=1%", "rate is given twice, by level and rate; keep one"),
            ("x=normal:1,loc=1,loc=2", "loc is given twice; keep one"),
            ("x=normal:1,model=t", "model is not a key of --noise"),
            ("x=normal:1,where=a >", "where 'a >': expected a name, a number or a text"),
            ("x=pepper,low=2", "pepper goes from low 2.0 up to high 1.0; swap them"),
            ("x=pepper,grains=0", "grains 0 of pepper must be at least 1"),
            ("x=pepper:2%\\", "rate '2%\\\\' is not a share"),
        ],
    )
    def test_a_mistake_names_it(self, text, message):
        with pytest.raises(UsageError) as caught:
            parse_spec(text)
        start = f"--noise {text!r}: "
        assert start + message == caught.value.message[: len(start) + len(message)]

    @given(st.text("ab=,:/\\|!normal0.5% clipwhere", max_size=40))
    def test_is_a_spec_or_a_usage_error(self, text):
        with contextlib.suppress(UsageError):
            assert isinstance(parse_spec(text), NoiseSpec)


class TestWords:
    def test_all(self):
        words = {
            "fields": ["a*", ":int"], "exclude": "b,c", "model": "Student_T", "level": 0.5,
            "df": 4, "clip": [None, 1], "where": "a > 1", "stream": 2, "unit": "image",
            "optional": True,
        }  # fmt: skip
        expected = {
            "columns": ("a*", ":int"), "exclude": ("b,c",), "model": "student-t", "scale": HALF,
            "parameters": {"df": 4}, "clip": (-math.inf, 1.0), "where": "a > 1", "stream": 2,
            "unit": "image", "optional": True,
        }  # fmt: skip
        assert expected == said(spec_from_words(words))

    def test_none_means_not_given(self):
        assert NoiseSpec() == spec_from_words(dict.fromkeys([*WORDS, "scale", "loc"]))

    def test_are_not_changed(self):
        words = {"level": 0.5, "loc": 1}
        spec_from_words(words)
        assert {"level": 0.5, "loc": 1} == words

    @pytest.mark.parametrize("bounds", [["-inf", "inf"], ["-inf", None], "|", [-math.inf, "inf"]])
    def test_bounds_may_be_open(self, bounds):
        assert (-math.inf, math.inf) == spec_from_words({"clip": bounds}).clip

    def test_list_all_mistakes(self):
        words = {
            "model": "pepper", "where": "a >", "clip": 3, "rate": "x", "grains": 2.5, "size": 1,
            "words": [1, ["a"]], "text": True, "low": 5, "stream": True,
        }  # fmt: skip
        with pytest.raises(WordsError, match=r"^HERE: clip 3 is not LO and HI") as caught:
            spec_from_words(words, where_in_file="HERE: ")
        expected = ["clip", "where", "stream", "size", "grains", "words", "text", "rate"]
        assert expected == [mistake.key for mistake in caught.value.found]

    def test_a_mistake_in_the_level_is_told_of_the_level(self):
        with pytest.raises(WordsError) as caught:
            spec_from_words({"model": "pepper", "level": "x", "text": []})
        assert ["text", "level"] == [mistake.key for mistake in caught.value.found]

    def test_parameters_that_depend_on_each_other_are_tried_together(self):
        spec = spec_from_words({"model": "pepper", "low": 5, "high": 6})
        assert {"low": 5, "high": 6} == spec.parameters

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("loc", True), ("loc", {}), ("scale", [1]), ("scale", True), ("scale", "5 q"),
            ("snr", "x"), ("sd", True), ("model", 1), ("fields", {}), ("where", 1),
        ],
    )  # fmt: skip
    def test_of_another_type_are_mistakes(self, name, value):
        with pytest.raises(WordsError) as caught:
            spec_from_words({name: value})
        assert [name] == [mistake.key for mistake in caught.value.found]


def test_a_model_s_own_sd_is_its_own(monkeypatch):
    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Settled(Pepper):
        sd: float | None = parameters.number("the driver's")

    monkeypatch.setattr(registry, "MODELS", (Entry("settled", "", "", model=Settled),))
    registry._names.cache_clear()
    spec = spec_from_words({"model": "settled", "sd": 2.5, "level": "1%"})
    assert (None, {"sd": 2.5, "rate": "1%"}) == (spec.sd, spec.parameters)


def test_no_parameter_of_a_model_hides_a_word(monkeypatch):
    monkeypatch.undo()
    models = [entry.load() for entry in registry.MODELS]
    clashes = {
        (model.name, field.name)
        for model in models
        for field in dataclasses.fields(model)
        if field.name in WORDS
    }
    joint = {(model.name, "fields") for model in models if model.multi_field}
    own = {(model.name, "sd") for model in models if "scale" not in model.__dataclass_fields__}
    assert set() == clashes - joint - own


class TestParameterErrors:
    @pytest.mark.parametrize(
        ("given", "names"),
        [
            ({"grains": 0}, ("grains",)),
            ({"grains": "x"}, ("grains",)),
            ({"rate": "200%"}, ("rate",)),
            ({"words": [[1]]}, ("words",)),
            ({"low": 5}, ("low", "high")),
        ],
    )
    def test_carry_the_parameters_concerned(self, given, names):
        with pytest.raises(ParameterError) as caught:
            make(Pepper, given)
        assert names == caught.value.names

    def test_carry_the_place_of_the_spec(self):
        with pytest.raises(WordsError) as caught:
            parse_spec("x=pepper:1%,grains=0")
        assert "--noise 'x=pepper:1%,grains=0': " == caught.value.place
        assert ["grains"] == [mistake.key for mistake in caught.value.found]


class TestExactly:
    @given(
        st.lists(st.text("ab,!/:*?[]\\ \n.", max_size=5) | st.text(max_size=5), unique=True),
        st.data(),
    )
    def test_chooses_the_field_of_that_name(self, names, data):
        names = [name for name in names if exactly(name) not in {*names} - {name}] or ["a"]
        name = data.draw(st.sampled_from(names))
        fields = [Field(n, "float", "f", NumberType.of_dtype(np.dtype("f8"))) for n in names]
        choice = choose(fields, [exactly(name)], [])
        assert ([name], {name}) == ([f.name for f in choice.fields], choice.named)

    @pytest.mark.parametrize("name", ["a,b", "*", "a?", "[ab]", "!a", "/a/", ":float", "/a|b/"])
    def test_chooses_nothing_else(self, name):
        number = NumberType.of_dtype(np.dtype("f8"))
        fields = [Field(n, "float", "f", number) for n in ("a", "b", "ab")]
        with pytest.raises(UsageError, match="no field matches"):
            choose(fields, [exactly(name)], [])

    def test_leaves_a_plain_name_as_it_is(self):
        assert "entry/Temperature [C" == exactly("entry/Temperature [C").replace("\\", "")
        assert "entry/air temp" == exactly("entry/air temp")
