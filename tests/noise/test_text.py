"""Test the text models: one documented change in each cell hit, and nothing else."""

import string
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from apply_model import apply
from example_counts import examples
from hypothesis import given
from hypothesis import strategies as st

from noisify.core.chunk import BLOCK
from noisify.core.errors import UsageError
from noisify.noise import model as interface
from noisify.noise.text import CONFUSIONS, NEIGHBOURS, Case, Mojibake, Ocr, Truncate, Typo
from noisify.noise.text import Whitespace as Blanks

MODELS = [Typo, Ocr, Case, Blanks, Truncate, Mojibake]
SIZE = BLOCK + 300
WORDS = ("Anna Müller", "corn 100", "x", "", "São Paulo", "Villa d'Este", "B-52", "naïve café")

models = pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)


def texts(values):
    array = np.empty(len(values), object)
    array[:] = values
    return array


def some_texts(size):
    return texts([WORDS[i * 37 % len(WORDS)] for i in range(size)])


def outcomes(model, text, size=20_000):
    """Return the outcomes of a text that is always hit, and their counts."""
    return Counter(apply(model, texts([text] * size)).tolist())


def check_equally_likely(counts, expected):
    assert set(expected) == set(counts)
    total = sum(counts.values())
    share = 1 / len(expected)
    error = (share * (1 - share) / total) ** 0.5
    for text in expected:
        assert abs(counts[text] / total - share) <= 4.5 * error, text


@models
class TestEveryTextModel:
    @examples(15)  # for each of many models and types
    @given(cuts=st.lists(st.integers(0, SIZE), max_size=3))
    def test_does_not_depend_on_the_chunks(self, model, cuts):
        values, noisy = some_texts(SIZE), model(rate=0.05)
        ends = [0, *sorted(cuts), SIZE]
        pieces = [apply(noisy, values[a:b], start=a) for a, b in pairwise(ends)]
        assert apply(noisy, values).tolist() == np.concatenate(pieces).tolist()

    def test_changing_one_cell_changes_that_output_only(self, model):
        values = some_texts(200)
        changed = values.copy()
        changed[77] = "something else 0"
        before, after = (apply(model(rate=1.0), cells).tolist() for cells in (values, changed))
        assert before[:77] + before[78:] == after[:77] + after[78:]

    def test_cells_hit_are_also_hit_at_a_higher_rate(self, model):
        values = some_texts(SIZE)
        some, more, all_of_them = (apply(model(rate=r), values) for r in (0.05, 0.3, 1.0))
        assert np.all((some == values) | (some == more))
        assert np.all((more == values) | (more == all_of_them))
        assert (some != values).sum() < (more != values).sum() < (all_of_them != values).sum()

    def test_of_rate_zero_changes_nothing(self, model):
        values = some_texts(200)
        assert values.tolist() == apply(model(rate=0.0), values).tolist()

    def test_does_not_touch_its_input(self, model):
        values = some_texts(200)
        apply(model(rate=1.0), values)
        assert some_texts(200).tolist() == values.tolist()

    def test_of_nothing_is_nothing(self, model):
        noisy = apply(model(), texts([]))
        assert (np.dtype(object), (0,)) == (noisy.dtype, noisy.shape)

    def test_leaves_empty_and_undecodable_cells_alone(self, model):
        values = texts(["", "abc 100 l\udcff", "\udc80"] * 50)
        assert values.tolist() == apply(model(rate=1.0), values).tolist()

    def test_makes_no_cell_empty(self, model):
        values = texts(list(string.printable.strip() + "éß") * 20)
        assert all(apply(model(rate=1.0), values))

    def test_leaves_placeholders_alone(self, model):
        values, usable = some_texts(400), np.arange(400) % 2 == 0
        noisy = apply(model(rate=1.0), values, usable=usable)
        assert values[~usable].tolist() == noisy[~usable].tolist()

    def test_makes_no_delimiter_quote_or_line_break(self, model):
        values = texts(["Anna Müller 100", "corn vv 5", "ÀÉÎ œuvre €"] * 500)
        made = set("".join(apply(model(rate=1.0), values)))
        assert set() == made & set(",;\t|\"'\r\n\x0b\x0c\x1c\x1d\x1e\u2028\u2029")

    def test_hits_its_rate(self, model):
        values = texts(["é corn 100"] * 100_000)
        changed = (apply(model(rate=0.1), values) != values).mean()
        assert abs(changed - 0.1) < 4.5 * (0.1 * 0.9 / 100_000) ** 0.5

    def test_refuses_a_rate_below_zero(self, model):
        with pytest.raises(UsageError, match=r"rate -0\.1"):
            model(rate=-0.1)

    def test_reads_its_rate_as_typed(self, model):
        assert 0.02 == interface.make(model, {"rate": "2%"}).rate


class TestTypo:
    def test_keys_touch_each_other(self):
        for key, near in NEIGHBOURS.items():
            assert len(set(near)) == len(near)
            for other in near:
                assert key in NEIGHBOURS[other]
                assert key.isupper() == other.isupper()
                assert key.isdigit() == other.isdigit()
        assert set(string.ascii_letters + string.digits) == set(NEIGHBOURS)

    @pytest.mark.parametrize(
        ("kind", "text", "expected"),
        [
            ("neighbour", "P-", ["O-", "L-"]),
            ("neighbour", "1p", ["2p", "1o", "1l"]),
            ("insert", "1", ["21", "12"]),
            ("delete", "ab-c", ["b-c", "a-c", "ab-"]),
            ("transpose", "abb-c", ["bab-c"]),
            ("double", "a-ß", ["aa-ß", "a-ßß"]),
        ],
        ids=str,
    )
    def test_makes_just_these_slips(self, kind, text, expected):
        assert sorted(expected) == sorted(outcomes(Typo(rate=1.0, kinds=(kind,)), text, 500))

    @pytest.mark.parametrize(
        ("kinds", "text"),
        [
            (Typo.KINDS, "-- ,,"),
            (("neighbour", "insert"), "éß"),
            (("delete",), "a"),
            (("transpose",), "a-aa"),
        ],
        ids=str,
    )
    def test_leaves_a_cell_in_which_nothing_is_possible(self, kinds, text):
        assert {text} == set(outcomes(Typo(rate=1.0, kinds=kinds), text, 500))

    def test_kinds_and_places_are_equally_likely(self):
        """0 has only one neighbour, 9, so the slips of `0é` can be distinguished."""
        counts = outcomes(Typo(rate=1.0), "0é")
        kinds = {"neighbour": ["9é"], "insert": ["90é", "09é"], "delete": ["é", "0"],
                 "transpose": ["é0"], "double": ["00é", "0éé"]}  # fmt: skip
        check_equally_likely(
            {kind: sum(counts[text] for text in made) for kind, made in kinds.items()}, kinds
        )
        deleted = {text: counts[text] for text in kinds["delete"]}
        check_equally_likely(deleted, kinds["delete"])

    def test_a_kind_named_twice_is_twice_as_likely(self):
        counts = outcomes(Typo(rate=1.0, kinds=("double", "double", "neighbour")), "0", 20_000)
        assert abs(counts["00"] / 20_000 - 2 / 3) < 4.5 * (2 / 9 / 20_000) ** 0.5

    @given(text=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12))
    def test_changes_the_length_by_one_at_most(self, text):
        for noisy in apply(Typo(rate=1.0), texts([text] * 20)):
            assert abs(len(noisy) - len(text)) <= 1
            assert noisy

    def test_refuses_an_unknown_kind(self):
        with pytest.raises(UsageError, match=r"'neighbor' of typo .*; did you mean 'neighbour'\?"):
            interface.make(Typo, {"kinds": "neighbor|delete"})
        with pytest.raises(UsageError, match="kinds of typo must name at least one"):
            Typo(kinds=())


class TestOcr:
    def test_confusions_go_both_ways(self):
        for piece, others in CONFUSIONS.items():
            for other in others:
                assert piece in CONFUSIONS[other]

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("corn", {"eorn", "c0rn", "com"}),
            ("wx", {"vvx"}),
            ("1", {"l", "I"}),
            ("dd", {"cld", "dcl"}),
            ("xyz", {"xyz"}),
        ],
        ids=str,
    )
    def test_each_possible_confusion_is_equally_likely(self, text, expected):
        check_equally_likely(outcomes(Ocr(rate=1.0), text), expected)


class TestCase:
    @pytest.mark.parametrize(
        ("to", "expected"),
        [("upper", "ÀB C1"), ("lower", "àb c1"), ("title", "Àb C1"), ("swap", "àB c1")],
    )
    def test_changes_the_case(self, to, expected):
        assert {expected} == set(outcomes(Case(rate=1.0, to=to), "Àb C1", 5))

    def test_refuses_an_unknown_case(self):
        with pytest.raises(UsageError, match="to 'camel' of case is not one of upper, lower"):
            Case(to="camel")


class TestWhitespace:
    def test_kinds_and_places_are_equally_likely(self):
        counts = outcomes(Blanks(rate=1.0), "a b-c d")
        inner = {text: counts.pop(text) for text in ("a  b-c d", "a b-c  d")}
        check_equally_likely(inner, {"a  b-c d", "a b-c  d"})
        counts["inner"] = sum(inner.values())
        check_equally_likely(counts, {" a b-c d", "a b-c d ", "inner"})

    def test_blanks_around_are_no_inner_ones(self):
        assert {" a "} == set(outcomes(Blanks(rate=1.0, kinds=("inner",)), " a ", 50))

    def test_refuses_an_unknown_kind(self):
        with pytest.raises(UsageError, match="kinds 'outer' of whitespace"):
            Blanks(kinds=("outer",))


class TestTruncate:
    def test_drops_up_to_the_given_number(self):
        expected = {"abcde", "abcd", "abc"}
        check_equally_likely(outcomes(Truncate(rate=1.0, drop=3), "abcdef"), expected)

    def test_keeps_one(self):
        assert {"a"} == set(outcomes(Truncate(rate=1.0, drop=9), "ab", 100))

    @pytest.mark.parametrize(("keep", "expected"), [("50%", 5), ("0.41", 5), ("0.3", 3), (0, 1)])
    def test_keeps_a_share_rounded_up(self, keep, expected):
        model = interface.make(Truncate, {"rate": 1, "keep": keep})
        assert {"0123456789"[:expected]} == set(outcomes(model, "0123456789", 20))


class TestMojibake:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [("Zürich", "ZÃ¼rich"), ("€", "â\u201a¬"), ("plain", "plain"), ("Í", "Í")],
    )
    def test_reads_utf8_as_windows_1252(self, text, expected):
        """The second byte of Í is 8D, which Windows-1252 does not define."""
        assert {expected} == set(outcomes(Mojibake(rate=1.0), text, 5))

    def test_reads_utf8_as_latin_1(self):
        made = outcomes(Mojibake(rate=1.0, encoding="latin-1"), "Í", 5)
        assert {"Ã\x8d"} == set(made)

    def test_refuses_another_encoding(self):
        with pytest.raises(UsageError, match="encoding 'utf-7' of mojibake"):
            Mojibake(encoding="utf-7")
