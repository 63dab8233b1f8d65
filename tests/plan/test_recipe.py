"""Recipes: noise specs in a file."""

import json
import math
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noisify.core.errors import NoisifyError, UsageError
from noisify.noise.level import Absolute, OfField, Percent
from noisify.plan.recipe import Recipe, load
from noisify.plan.recipe_text import as_toml

RECIPE = """\
# what the weather station does
seed = 42
rng = "noisify"
decimals = "keep"
strict = true

[[noise]]
fields = "temp*,!temp_max"
model = "gaussian"
scale = "5%"
clip = [-40, inf]
where = 'city == "Rome"'

[[noise]]
field = "a,b"
exclude = [":int"]
model = "student-t"
df = 4
loc = 0.5
sd = "0.1sd"
stream = 1
"""


@pytest.fixture
def recipe(tmp_path):
    """Return what reads a text as a recipe."""

    def read(text, name="r.toml"):
        path = tmp_path / name
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
        return load(path)

    return read


@pytest.fixture
def mistakes(recipe, tmp_path):
    """Return what tells a recipe's mistakes, as LINE: MESSAGE."""

    def read(text, name="r.toml"):
        with pytest.raises(UsageError) as caught:
            recipe(text, name)
        lines = str(caught.value).splitlines()
        assert all(line.startswith(f"{tmp_path / name}:") for line in lines)
        return [line.removeprefix(f"{tmp_path / name}:") for line in lines]

    return read


class TestToml:
    def test_says_everything(self, recipe):
        read = recipe(RECIPE)
        assert (42, "noisify", "keep", True) == (read.seed, read.rng, read.decimals, read.strict)
        first, second = read.specs
        assert "normal" == first.model
        assert ("temp*,!temp_max",) == first.columns
        assert Percent(0.05) == first.scale
        assert (-40.0, math.inf) == first.clip
        assert frozenset({"city"}) == first.where.fields
        assert (r"a\,b",) == second.columns
        assert (":int",) == second.exclude
        assert {"df": 4, "loc": 0.5} == second.parameters
        assert OfField(0.1, "sd") == second.sd
        assert (None, 1) == (first.stream, second.stream)

    def test_missing_settings_are_none(self, recipe):
        read = recipe("[[noise]]\n")
        assert (None, None, None, None) == (read.seed, read.rng, read.decimals, read.strict)
        assert ["normal"] == [spec.model for spec in read.specs]

    @pytest.mark.parametrize(
        ("typed", "seed"),
        [("0", 0), (str(2**128 - 1), 2**128 - 1), ('"0xff"', 255), ("0xff", 255), ('"7"', 7)],
    )
    def test_a_seed_is_a_number_or_a_text(self, recipe, typed, seed):
        assert seed == recipe(f"seed = {typed}\nnoise = []").seed

    def test_may_come_from_windows(self, recipe):
        assert recipe("\ufeff" + RECIPE.replace("\n", "\r\n")) == recipe(RECIPE)

    def test_noise_may_stand_in_line(self, recipe):
        (spec,) = recipe('noise = [{model = "normal", level = 0.5}]').specs
        assert Absolute(0.5) == spec.scale

    def test_a_preset_is_its_specs(self, recipe):
        text = '[[noise]]\npreset = "cifar-10-c-gaussian:5"\nfields = "img"\nwhere = "a > 1"\n'
        (spec,) = recipe(text).specs
        assert ("normal", ("img",), Absolute(0.1), (0.0, 1.0), "image", "a > 1") == (
            spec.model, spec.columns, spec.scale, spec.clip, spec.unit, spec.where.text
        )  # fmt: skip


class TestMistakes:
    def test_are_all_told_with_their_lines(self, mistakes):
        text = RECIPE.replace("seed = 42", "seed = -1").replace("rng", "rgn")
        text = text.replace("[-40, inf]", "[2, 1]").replace("df = 4", "dof = 4")
        text = text.replace("loc = 0.5", 'loc = "x"').replace("5%", "5 q")
        expected = [
            "2: seed -1 is not an integer from 0 to 2**128 - 1",
            "3: a recipe has no key 'rgn'; did you mean 'rng'?",
            "10: scale '5 q' is not a level",
            "11: clip [2, 1] is not LO and HI",
            "18: student-t has no parameter 'dof'; did you mean 'df'?",
            "19: loc 'x' of student-t is not a number",
        ]
        told = mistakes(text)
        assert expected == [
            found[: len(start)] for found, start in zip(told, expected, strict=True)
        ]

    @pytest.mark.parametrize(
        ("text", "found"),
        [
            ("", "1: holds no noise; add a [[noise]] table"),
            ("seed = true\nnoise = []", "1: seed True is not an integer"),
            (f"seed = {2**128}\nnoise = []", f"1: seed {2**128} is not an integer"),
            (f"seed = {2**999}\nnoise = []", "1: seed 0x8"),
            ('rng = "numpi"\nnoise = []', "1: no rng is called 'numpi'; did you mean 'numpy'?"),
            ("decimals = 301\nnoise = []", "1: decimals 301 is neither"),
            ("decimals = true\nnoise = []", "1: decimals True is neither"),
            ("strict = 1\nnoise = []", "1: strict 1 is neither true nor false"),
            ("scale = 1\nnoise = []", "1: a recipe has no key 'scale'"),
            ("[noise]\nscale = 1", "1: noise is one table; write [[noise]]"),
            ("noise = [1]", "1: noise 1 is not a table"),
            ("noise = 'x'", "1: noise is not a list"),
            ("[[noise]]\nseed = 1", "2: seed is not a key of noise; put it above the first"),
            ("[[noise]]\n\nmodel = 'nromal'", "3: no model is called 'nromal'; did you mean"),
            ("[[noise]]\nmodel = 3", "2: model 3 is not a text"),
            ("[[noise]]\nfields = 3", "2: fields 3 is neither a text nor a list of texts"),
            ("[[noise]]\nfield = []", "2: field [] names no field"),
            ("[[noise]]\nfields='a'\nfield='a'", "3: the fields are given twice"),
            ("[[noise]]\nexclude = [1]", "2: exclude [1] is neither"),
            ("[[noise]]\nloc = true", "2: loc True is not a number"),
            ("[[noise]]\nloc = [1]", "2: loc [1] is not a number"),
            ("[[noise]]\nloc = inf", "2: loc inf of normal must be finite"),
            ("[[noise]]\nscale = 1\nsd = 2", "3: scale and sd exclude each other"),
            ("[[noise]]\nscale = 1\nlevel = 2", "3: scale is given twice, by level and scale"),
            ("[[noise]]\nsd = -1", "2: sd '-1' must be a finite number"),
            ("[[noise]]\nsnr = 'x'", "2: snr 'x' is not a finite number of decibels"),
            ("[[noise]]\nlevel = '20 xB'", "2: scale '20 xB' is not a level"),
            ("[[noise]]\nclip = [0]", "2: clip [0] is not LO and HI"),
            ("[[noise]]\nclip = [nan, 1]", "2: clip [nan, 1] is not LO and HI"),
            ("[[noise]]\nclip = [false, true]", "2: clip [False, True] is not LO and HI"),
            ("[[noise]]\nwhere = 'a >'", "2: where 'a >': expected"),
            ("[[noise]]\nwhere = 1", "2: where 1 is not a text"),
            ("[[noise]]\nstream = -1", "2: stream -1 is not a whole number"),
            ("[[noise]]\noptional = 1", "2: optional 1 is neither"),
            ("[[noise]]\nunit = 'm'", "2: unknown unit 'm'"),
            ("[[noise]]\nmodel = 't'\ndf = -1", "3: df -1 of student-t must be above 0"),
            ("[[noise]]\npreset = 'sensor-fault'", "2: no preset is called 'sensor-fault'; did"),
            ("[[noise]]\npreset = 3", "2: preset 3 is not a text"),
            ("[[noise]]\npreset = 'cifar-10-c-shot:9'", "2: preset cifar-10-c-shot has no sever"),
            ("[[noise]]\npreset = 'cifar-10-c-gaussian'\nscale = 1", "3: a preset sets scale"),
            (
                "[[noise]]\nfields = 'a'\npreset = 'human-data-entry'",
                "2: preset human-data-entry chooses its own fields",
            ),
            ("a = 1\n\nb = = 2", "3: Invalid value at column 5; a recipe is TOML"),
            ("a = 1\na = 2", "2: Cannot overwrite a value; a recipe is TOML"),
            ("[[noise]]\nmodel = 'x", "2: "),
            ("a = 1\n[", "2: "),
        ],
    )
    def test_one(self, mistakes, text, found):
        (told,) = mistakes(text)
        assert found == told[: len(found)]

    @pytest.mark.parametrize(
        ("text", "line"),
        [
            ('x = """\n[[noise]]\nloc = "a"\n""""\'\n'.replace("\"'", ""), 6),
            ("x = '''\n# no\n'''\n", 5),
            ("x = [ # one\n  [1,\n 2], { a = 1, 'b c'.d = [ 3 ] }, ]\n", 5),
            ("x = 1979-05-27 07:32:00 # ]\n'y.z'.w = \"a # [\"\n", 4),
            ('x = "a \\" # ["\n[tables."a ] b"]\nloc = "a"\n[[other]]\n', 6),
            ("[[noise]]\nloc = 1\n[[other]]\nloc = 'x'\n", 6),
        ],
        ids=["text", "literal", "nested", "bare", "quoted", "tables"],
    )
    def test_have_the_right_line_after_any_text(self, mistakes, text, line):
        told = mistakes(f"{text}[[noise]]\n'loc' = 'x'\n")
        assert f"{line}: loc 'x' of normal is not a number" == told[-1]

    def test_in_line_have_the_line_of_their_own_table(self, mistakes):
        text = "noise = [\n  {loc = 1},\n  {loc = 'x'},\n  # no\n  {model = 'y'}\n]"
        told = mistakes(text)
        assert ["3: loc 'x' of ", "5: no model is"] == [found[:14] for found in told]

    def test_of_a_value_in_its_own_table_have_its_line(self, mistakes):
        (told,) = mistakes("[[noise]]\nloc = 1\n[noise.clip]\nlow = 1")
        assert "3: clip {'low': 1} is not" == told[:25]

    def test_a_file_that_is_not_there_has_no_lines(self, tmp_path):
        with pytest.raises(NoisifyError, match="cannot be read: No such file"):
            load(tmp_path / "none.toml")

    def test_brackets_without_end(self, mistakes):
        (told,) = mistakes(f"a = {'[' * 100_000}")
        assert "1: " == told[:3]


PLAN = {
    "seed": 2**128 - 1,
    "rng": "noisify",
    "decimals": None,
    "strict": False,
    "noise": [
        {
            "field": "a,b",
            "model": "normal",
            "scale": 0.1,
            "loc": 0.0,
            "clip": [0.0, None],
            "where": None,
        },
        {
            "field": '!é\n"\\\x00\x7f\u2028\udc80',
            "model": "student-t",
            "scale": "5%",
            "loc": 1e-7,
            "df": 3.0,
            "clip": None,
            "where": 'a == "b"',
            "stream": 2,
        },
    ],
}


class TestReports:
    @pytest.mark.parametrize(
        "document",
        [PLAN, {"report_version": 1, "input": "x", "plan": PLAN}, [{"plan": PLAN}]],
        ids=["plan", "report", "list"],
    )
    @pytest.mark.parametrize("name", ["r.json", "r"])
    def test_are_recipes(self, recipe, document, name):
        read = recipe(json.dumps(document), name)
        assert (2**128 - 1, "noisify", None, False) == (
            read.seed, read.rng, read.decimals, read.strict
        )  # fmt: skip
        first, second = read.specs
        assert (r"a\,b",) == first.columns
        assert (Absolute(0.1), (0.0, math.inf)) == (first.scale, first.clip)
        assert {"loc": 1e-7, "df": 3.0} == second.parameters
        assert 2 == second.stream

    def test_list_names_not_selectors(self, recipe):
        text = json.dumps({"noise": [{"fields": ["a*", "b"], "model": "normal"}]})
        assert (r"a\*", "b") == recipe(text, "r.json").specs[0].columns

    @pytest.mark.parametrize(
        ("text", "found"),
        [
            ("{\n 'a'", "2: Expecting property name"),
            ('{"noise":\n [{"loc":\n "x"}]}', "2: loc 'x' of normal is not a number"),
            ('[{\n"plan": {"seed": 1,\n"noise": [{},\n{"lok": 1}]}}]', "4: normal has no param"),
            ('{"noise": [\n{"fields": 1}]}', "2: field 1 is neither a text"),
            ("[]", "1: holds 0 reports; take one"),
            ("[{}, {}]", "1: holds 2 reports; take one"),
            ("3", "1: is neither a recipe nor a report"),
            ('{"report_version": 1,\n "plan": 3}', "2: is neither a recipe nor a report"),
            ("[" * 100_000, "1: "),
        ],
    )
    def test_have_mistakes_with_lines_too(self, mistakes, text, found):
        (told,) = mistakes(text, "r.json")
        assert found == told[: len(found)]


def said(plan):
    """Return the words that a recipe of a plan should say."""
    noise = [
        {
            "field" if key == "fields" else key: value
            for key, value in step.items()
            if value is not None
        }
        for step in plan["noise"]
    ]
    for words in noise:
        if "clip" in words:
            low, high = words["clip"]
            words["clip"] = [
                -math.inf if low is None else low,
                math.inf if high is None else high,
            ]
    top = {key: value for key, value in plan.items() if value is not None}
    return {**top, "noise": noise}


TEXTS = st.text(st.characters(exclude_categories=()), max_size=8)
VALUES = st.recursive(
    st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=5,
)
STEPS = st.fixed_dictionaries(
    {"field": TEXTS, "model": TEXTS},
    optional={
        "x": VALUES,
        "none": st.none(),
        "clip": st.tuples(st.none() | st.floats(allow_nan=False), st.none() | st.integers()).map(
            list
        ),
    },
)


class TestAsToml:
    def test_is_a_recipe_of_the_same_run(self, recipe):
        assert recipe(json.dumps(PLAN), "r.json") == recipe(as_toml(PLAN))

    def test_is_easy_to_read(self):
        plan = {**PLAN, "seed": 1, "noise": PLAN["noise"][:1]}
        expected = (
            'seed = 1\nrng = "noisify"\nstrict = false\n\n[[noise]]\nfield = "a,b"\n'
            'model = "normal"\nscale = 0.1\nloc = 0.0\nclip = [0.0, inf]\n'
        )
        assert expected == as_toml(plan)

    @given(st.fixed_dictionaries({"seed": st.integers(), "noise": st.lists(STEPS, max_size=3)}))
    def test_says_the_same_words(self, plan):
        expected, actual = said(plan), tomllib.loads(as_toml(plan))
        assert json.dumps(expected, sort_keys=True) == json.dumps(actual, sort_keys=True)

    def test_of_a_plan_that_does_nothing_does_nothing(self, recipe):
        assert Recipe(seed=1) == recipe(as_toml({"seed": 1, "noise": []}))

    def test_takes_several_fields(self, recipe):
        text = as_toml({"noise": [{"fields": ["a*", "b"], "model": "normal"}]})
        assert (r"a\*", "b") == recipe(text).specs[0].columns

    def test_takes_no_table(self):
        with pytest.raises(TypeError, match="no place in a recipe"):
            as_toml({"noise": [{"field": {}}]})


@pytest.mark.parametrize(
    "text",
    [
        ".x" * 3000 + "=1",
        "[x" + ".x" * 3000 + "]",
        "[[x" + ' . "y"' * 3000 + "]]",
        "a = {b = 1, x" + ".'x'" * 3000 + " = 1}",
    ],
)
def test_a_key_of_thousands_of_parts_is_refused_before_it_is_read(tmp_path, text, monkeypatch):
    path = tmp_path / "r.toml"
    path.write_text("seed = 1\n" + (text if text[0] in "[a" else f"x{text}"))
    monkeypatch.setattr("noisify.plan.recipe.tomllib", None)

    with pytest.raises(UsageError, match=r"^.*r.toml:2: a key has too many parts"):
        load(path)
