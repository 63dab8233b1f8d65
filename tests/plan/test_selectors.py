"""Selectors of fields, and the default choice."""

import re
from dataclasses import replace

import numpy as np
import pytest

from noisify.core.chunk import Field
from noisify.core.dtypes import NumberType
from noisify.core.errors import UsageError
from noisify.plan.selectors import choose, split


def field(name, kind="float"):
    dtypes = {"float": "f8", "int": "i8", "complex": "c16"}
    number = NumberType.of_dtype(np.dtype(dtypes[kind])) if kind in dtypes else None
    if kind == "decimal":
        number = NumberType.decimal(9, 2)
    return Field(name, kind, {"float": "float64", "int": "int64"}.get(kind, kind), number)


TABLE = [
    field("id", "int"),
    field("time", "time"),
    field("temp_in"),
    field("temp_out"),
    field("note", "text"),
    field("a,b"),
    field("!odd"),
    field("impedance", "complex"),
    field("price", "decimal"),
    field("entry/data"),
    field("x[1]"),
    field("on", "bool"),
]


def chosen(*selectors, exclude=(), fields=TABLE):
    return [chosen.name for chosen in choose(fields, selectors, exclude).fields]


@pytest.mark.parametrize(
    ("selector", "name"),
    [("s.b", "s.b[]"), ("m.value", "m[].value"), ("n.x", "data.n.x"), ("x", "data.n.x")],
)
def test_a_part_of_a_name_is_known(selector, name):
    fields = [field(each) for each in ("s.b[]", "m[].value", "data.n.x")]
    with pytest.raises(UsageError, match=re.escape(f"; did you mean {name!r}?")):
        choose(fields, [selector], [])


class TestRole:
    """What is an index, a coordinate and the like gets noise by its exact name only."""

    FIELDS = (replace(field("time"), role="a coordinate"), field("temp"))

    @pytest.mark.parametrize("selectors", [(), (":float",), ("*",), ("/t/",), ("!x*",)])
    def test_no_pattern_chooses_it(self, selectors):
        fields = [*self.FIELDS, field("x")]
        assert "time" not in chosen(*selectors, fields=fields)
        assert "temp" in chosen(*selectors, fields=fields)

    def test_its_name_does(self):
        assert ["time"] == chosen("time", fields=self.FIELDS)
        assert ["time", "temp"] == chosen("*,time", fields=self.FIELDS)

    @pytest.mark.parametrize("selectors", ["tim*", ":float"])
    def test_a_pattern_that_matches_nothing_else_says_so(self, selectors):
        with pytest.raises(UsageError, match=r"by their exact names: time \(a coordinate\)"):
            chosen(selectors, fields=self.FIELDS[:1])

    def test_no_default_falls_on_it(self):
        fields = [self.FIELDS[0], replace(field("n", "int"), table="(4,)")]
        assert ["n"] == chosen(fields=fields)
        with pytest.raises(UsageError, match=r"by its exact name only: time \(a coordinate\)"):
            chosen(fields=fields[:1])

    def test_it_can_be_excluded_by_a_pattern(self):
        assert ["temp"] == chosen(exclude=["tim*"], fields=self.FIELDS)


class TestDefault:
    def test_every_floating_point_field(self):
        expected = ["temp_in", "temp_out", "a,b", "!odd", "impedance", "entry/data", "x[1]"]
        assert expected == chosen()

    def test_else_the_one_number_field(self):
        arrays = [replace(one, table="(4,)") for one in (field("b", "bool"), field("n", "int"))]
        assert ["n"] == chosen(fields=arrays)
        assert ["n"] == chosen(fields=[field("n", "int")])

    @pytest.mark.parametrize("kind", ["int", "decimal"])
    def test_but_no_column_among_others(self, kind):
        with pytest.raises(UsageError, match=r"one holds other numbers: n .*; choose with -c"):
            chosen(fields=[field("note", "text"), field("n", kind)])

    def test_nor_a_member_of_records(self):
        members = [replace(field("n", "int"), table="(4,)", member=True)]
        with pytest.raises(UsageError, match="choose with -c"):
            chosen(fields=members)

    def test_else_an_error_that_lists_the_candidates(self):
        fields = [field("id", "int"), field("label", "int"), field("note", "text")]
        with pytest.raises(UsageError, match=r"id \(int64\), label \(int64\); choose with -c"):
            chosen(fields=fields)

    def test_without_numbers_an_error_lists_the_fields(self):
        with pytest.raises(UsageError, match=r"no field holds numbers.*note \(text\)"):
            chosen(fields=[field("note", "text")])

    def test_is_made_after_exclude(self):
        assert ["temp_in", "temp_out"] == chosen(exclude=["a*,!odd,impedance,entry/*,x*"])
        assert ["pixels"] == chosen(
            exclude=["label"], fields=[field("pixels", "int"), field("label", "int")]
        )

    def test_is_made_after_a_bare_not(self):
        assert ["temp_out"] == chosen("!temp_in", fields=[field("temp_in"), field("temp_out")])

    def test_excluding_every_float_never_falls_on_an_id(self):
        fields = [field("id", "int"), field("temp")]
        with pytest.raises(UsageError, match="every floating-point field is excluded"):
            chosen(exclude=["temp"], fields=fields)

    def test_a_long_listing_is_cut(self):
        fields = [field(f"label{n}", "int") for n in range(30)]
        with pytest.raises(UsageError, match=r"label11 \(int64\) and 18 more; choose"):
            chosen(fields=fields)


class TestSelectors:
    @pytest.mark.parametrize(
        ("selector", "expected"),
        [
            ("id", ["id"]),
            ("temp_out,id", ["id", "temp_out"]),
            ("temp_out , id", ["id", "temp_out"]),
            ("temp_*", ["temp_in", "temp_out"]),
            ("temp_i?", ["temp_in"]),
            ("[it]*e*", ["time", "temp_in", "temp_out", "impedance"]),
            ("/^t/", ["time", "temp_in", "temp_out"]),
            ("/i(d|n)$/", ["id", "temp_in"]),
            ("/_.{2,3}$/", ["temp_in", "temp_out"]),
            ("/y.d/,id", ["id", "entry/data"]),
            ("/entry/data", ["entry/data"]),
            ("/entry/d*", ["entry/data"]),
            ("x[1]", ["x[1]"]),
            ("temp_*,!temp_in", ["temp_out"]),
            ("!temp_in,temp_*", ["temp_out"]),
            ("/temp/,!/out/", ["temp_in"]),
            (":int", ["id"]),
            (":text", ["note"]),
            (":time", ["time"]),
            (":number,!:float", ["id", "price"]),
            (":float,!:number,id", []),
            ("id,!id", []),
        ],
    )
    def test_choose_in_file_order(self, selector, expected):
        assert expected == chosen(selector)

    def test_float_includes_complex_but_no_decimal(self):
        assert "impedance" in chosen(":float")
        assert "price" not in chosen(":float")

    @pytest.mark.parametrize("selector", ["a,b", r"a\,b", "/a,b/"])
    def test_a_name_with_a_comma(self, selector):
        assert ["a,b"] == chosen(selector)

    def test_a_name_with_a_comma_in_a_list(self):
        assert ["id", "a,b"] == chosen(r"a\,b,id")

    def test_a_name_that_starts_with_an_exclamation_mark(self):
        assert ["!odd"] == chosen("!odd")
        assert "!odd" not in chosen("!!odd")

    def test_selectors_given_one_by_one_are_a_list(self):
        assert ["id", "temp_in"] == chosen("temp_in", "id")

    def test_exclude_takes_away_what_columns_added(self):
        assert ["temp_out"] == chosen("temp_*", exclude=["temp_in"])
        assert ["id"] == chosen("id,temp_*", exclude=["/^temp/,note"])

    @pytest.mark.parametrize(
        ("selector", "expected"),
        [
            ("id, :text", ["id", "note"]),
            ("id, /^no/", ["id", "note"]),
            ("temp_*, !temp_in", ["temp_out"]),
            ("id, temp_*", ["id", "temp_in", "temp_out"]),
        ],
    )
    def test_a_space_after_a_comma_is_of_no_account(self, selector, expected):
        assert expected == chosen(selector)

    def test_globs_and_names_heed_case(self):
        fields = [field("Temp"), field("temp")]
        assert ["Temp"] == chosen("T*", fields=fields)
        assert ["temp"] == chosen("temp", fields=fields)

    def test_an_empty_name_can_be_chosen(self):
        assert [""] == chosen("", fields=[field(""), field("x")])

    @pytest.mark.parametrize("selector", ["/\udce3$/", "/^[x\udce3]+$/", "x\udce3", "?\udce3"])
    def test_a_name_that_is_not_utf_8(self, selector):
        fields = [field("x\udce3"), field("x?"), field("x\ufffd"), field("y")]
        assert ["x\udce3"] == chosen(selector, fields=fields)

    def test_names_given_exactly_are_known_from_patterns(self):
        choice = choose(TABLE, ["note", "temp_*", "/^id$/"], [])
        assert frozenset({"note"}) == choice.named


class TestErrors:
    def test_an_unknown_field_suggests_a_near_name(self):
        with pytest.raises(
            UsageError, match=r"no field matches 'temp_inn'; did you mean 'temp_in'\?"
        ):
            chosen("temp_inn")

    def test_an_unknown_field_lists_the_fields(self):
        with pytest.raises(UsageError, match=r"\(the file has one, two\)$"):
            chosen("zzzz", fields=[field("one"), field("two")])

    @pytest.mark.parametrize("selector", ["zz*", "/zz+/", "!zz*", "id,zz*"])
    def test_a_pattern_that_matches_nothing(self, selector):
        with pytest.raises(UsageError, match="no field matches"):
            chosen(selector)

    def test_an_exclusion_that_matches_nothing(self):
        with pytest.raises(UsageError, match="no field matches 'zz'"):
            chosen("id", exclude=["zz"])

    @pytest.mark.parametrize("selector", ["!", "!,x[1]", "9" * 5000, "0" * 5000 + "x", "-"])
    def test_an_invalid_selector(self, selector):
        with pytest.raises(UsageError, match=r"^no field matches"):
            chosen(selector)

    def test_no_such_number(self):
        fields = [field("a"), field("b")]
        with pytest.raises(UsageError) as caught:
            chosen("0" * 5000 + "2", fields=fields)
        assert "02 is 'b' (the file has" in caught.value.message

    def test_no_such_kind(self):
        with pytest.raises(UsageError, match=r"':flaot'; did you mean ':float'\?.*:time"):
            chosen(":flaot")

    def test_no_regular_expression(self):
        with pytest.raises(UsageError, match=r"/\(/ is not a regular expression"):
            chosen("/(/")

    @pytest.mark.parametrize("selector", [r"/(?!a)b/", r"/(a)\1/", "/a{1,9999}/"])
    def test_a_regular_expression_that_cannot_be_matched_in_linear_time(self, selector):
        with pytest.raises(UsageError, match="is not a regular expression as RE2 reads them"):
            chosen(selector)

    @pytest.mark.parametrize("pattern", ["^(a+)+$", "^(a|aa)+$", "^(.*a){25}$", "(x+x+)+y"])
    def test_no_regular_expression_is_slow(self, pattern):
        name = "a" * 5000 + "x" * 5000 + "!"
        fields = [field(name), *TABLE]

        with pytest.raises(UsageError, match="no field matches"):
            choose(fields, [f"/{pattern}/"], [])


@pytest.mark.parametrize(
    ("selectors", "expected"),
    [
        ("a,b", ["a", "b"]),
        ("a,,b,", ["a", "b"]),
        (r"a\,b,c", [r"a\,b", "c"]),
        ("/a,b/,c", ["/a,b/", "c"]),
        ("!/a,b/,c", ["!/a,b/", "c"]),
        (r"/a\/,b/,c", [r"/a\/,b/", "c"]),
        ("/a/b,c", ["/a/b", "c"]),
        ("", []),
    ],
)
def test_split(selectors, expected):
    assert expected == split(selectors)
