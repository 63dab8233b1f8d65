"""Test the models that replace labels or move values."""

import dataclasses
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from apply_model import SIZE, TEXT, apply, context_for
from example_counts import examples
from hypothesis import given
from hypothesis import strategies as st

from noisify.core.chunk import BLOCK, Positions
from noisify.core.errors import UsageError
from noisify.noise.labels import CategorySwap, LabelFlip, Shuffle

DRAWS = 100_000
LABELS = ("ant", "bee", "cat", "dog")
WIDE = tuple(str(2**62 + i) for i in range(4))
DTYPES = ("O", "?", "i1", "u1", "i4", "i8", "u8")

dtypes = pytest.mark.parametrize("dtype", DTYPES)


def words_of(dtype):
    """Return labels of a dtype as texts."""
    by_kind = {"O": LABELS, "?": ("False", "True"), "i8": WIDE, "u8": WIDE}
    return by_kind.get(dtype, ("0", "3", "7", "12"))


def array(words, dtype):
    made = np.empty(len(words), dtype)
    if dtype == "?":
        words = [word == "True" for word in words]
    made[:] = list(words) if dtype in "O?" else [int(word) for word in words]
    return made


def some_labels(dtype, size):
    words = words_of(dtype)
    return array([words[i * 37 % 11 % len(words)] for i in range(size)], dtype)


def statistics(**counts):
    return SimpleNamespace(values=tuple(sorted(counts.items())))


def models_for(dtype):
    words = words_of(dtype)
    return [
        LabelFlip(rate=0.3, values=words),
        LabelFlip(rate=0.8, matrix=f"{words[0]}>{words[1]}=0.3|{words[1]}>{words[0]}=0.6"),
        CategorySwap(rate=0.3, a=words[0], b=words[1]),
    ]


MODELS = [(dtype, model) for dtype in DTYPES for model in models_for(dtype)]
every_model = pytest.mark.parametrize(
    ("dtype", "model"), MODELS, ids=[f"{d}-{m.name}-{i % 3}" for i, (d, m) in enumerate(MODELS)]
)


def check_shares(expected, actual):
    """Compare the share of each label among `actual` with the expected, in standard errors."""
    for label, share in expected.items():
        error = (share * (1 - share) / len(actual)) ** 0.5
        assert abs((actual == label).mean() - share) <= 4.5 * error, label


@every_model
class TestEveryLabelModel:
    @examples(15)  # for each of many models and types
    @given(cuts=st.lists(st.integers(0, SIZE), max_size=3))
    def test_does_not_depend_on_the_chunks(self, dtype, model, cuts):
        values, ends = some_labels(dtype, SIZE), [0, *sorted(cuts), SIZE]
        pieces = [apply(model, values[a:b], start=a) for a, b in pairwise(ends)]
        assert apply(model, values).tolist() == np.concatenate(pieces).tolist()

    def test_changing_one_label_changes_that_output_only(self, dtype, model):
        values = some_labels(dtype, 200)
        changed = values.copy()
        changed[77] = next(label for label in values if label != values[77])
        assert values[77] != changed[77]
        before, after = apply(model, values), apply(model, changed)
        assert np.delete(before, 77).tolist() == np.delete(after, 77).tolist()

    def test_keeps_the_dtype_and_the_input(self, dtype, model):
        values = some_labels(dtype, 400)
        noisy = apply(model, values)
        assert (np.dtype(dtype), (400,)) == (noisy.dtype, noisy.shape)
        assert some_labels(dtype, 400).tolist() == values.tolist()
        assert values.tolist() != noisy.tolist()
        assert set(noisy.tolist()) <= set(values.tolist())

    def test_of_nothing_is_nothing(self, dtype, model):
        noisy = apply(model, np.empty(0, dtype))
        assert (np.dtype(dtype), (0,)) == (noisy.dtype, noisy.shape)

    def test_at_a_lower_rate_does_some_of_the_same(self, dtype, model):
        values = some_labels(dtype, SIZE)
        low, high, none = (
            apply(dataclasses.replace(model, rate=rate), values) for rate in (0.1, 0.5, 0.0)
        )
        assert np.all((low == values) | (low == high))
        assert 0 < (low != values).sum() < (high != values).sum()
        assert values.tolist() == none.tolist()


class TestFlip:
    @dtypes
    def test_each_other_value_is_equally_likely(self, dtype):
        words = words_of(dtype)
        values = array([words[1]] * DRAWS, dtype)
        noisy = apply(LabelFlip(rate=0.3, values=words), values)
        others = [label for label in array(words, dtype) if label != values[0]]
        check_shares({values[0]: 0.7} | dict.fromkeys(others, 0.3 / len(others)), noisy)

    def test_an_unlisted_label_becomes_any_of_the_values(self):
        noisy = apply(LabelFlip(rate=1.0, values=("a", "b")), array(["z"] * DRAWS, "O"))
        check_shares({"a": 0.5, "b": 0.5, "z": 0.0}, noisy)

    @pytest.mark.parametrize("dtype", ["O", "i4"])
    @pytest.mark.parametrize("known", [0, 1])
    def test_a_field_with_one_value_stays(self, dtype, known):
        values = array(words_of(dtype)[:1] * 100, dtype)
        model = LabelFlip(rate=1.0, values=words_of(dtype)[:known])
        assert values.tolist() == apply(model, values).tolist()

    def test_a_bool_needs_no_values(self):
        values = some_labels("?", 100)
        assert (~values).tolist() == apply(LabelFlip(rate=1.0), values).tolist()

    def test_values_that_mean_the_same_count_once(self):
        model = LabelFlip(rate=1.0, values=("1", "01", "2"))
        assert {2} == set(apply(model, np.ones(500, "i4")).tolist())

    def test_follows_a_matrix(self):
        model = LabelFlip(matrix="a>b=0.2|a>c=0.1|b>a=0.05")
        for label, expected in {
            "a": {"a": 0.7, "b": 0.2, "c": 0.1},
            "b": {"a": 0.05, "b": 0.95, "c": 0.0},
            "c": {"a": 0.0, "b": 0.0, "c": 1.0},
        }.items():
            check_shares(expected, apply(model, array([label] * DRAWS, "O")))

    def test_multiplies_a_matrix_by_its_rate(self):
        model = LabelFlip(matrix="1>2=0.2|1>3=0.6|1>1=0.2", rate=0.5)
        check_shares({1: 0.6, 2: 0.1, 3: 0.3}, apply(model, np.ones(DRAWS, "u1")))

    def test_takes_its_rate_from_whether_there_is_a_matrix(self):
        assert (0.05, 1.0) == (LabelFlip().rate, LabelFlip(matrix="a>b=1").rate)
        assert 0.5 == LabelFlip(matrix="a>b=1", rate=0.5).rate

    def test_takes_its_values_from_the_field(self):
        model = LabelFlip()
        assert {"f": frozenset({"values"})} == model.statistics("f")
        settled = model.fit("f", {"f": statistics(b=3, a=1)})
        assert ("a", "b") == settled.values
        assert {} == settled.statistics("f")

    @pytest.mark.parametrize("given", [{"values": ("a",)}, {"matrix": "a>b=0.5"}], ids=str)
    def test_needs_no_statistics_if_values_are_given(self, given):
        model = LabelFlip(**given)
        assert {} == model.statistics("f")
        assert model == model.fit("f", {})

    def test_of_text_needs_values(self):
        with pytest.raises(UsageError, match="label-flip needs the values of the whole field"):
            apply(LabelFlip(), some_labels("O", 3))

    @pytest.mark.parametrize(
        ("matrix", "message"),
        [
            ("", "'' in the matrix of label-flip is not like"),
            ("a>b", "'a>b' in the matrix"),
            ("a=0.5", "'a=0.5' in the matrix"),
            ("a>b=1.5", "'a>b=1.5' in the matrix"),
            ("a>b=nan", "'a>b=nan' in the matrix"),
            ("a>b=0.5|a>b=0.1", "names 'a>b' twice"),
            ("a>b=0.7|a>c=0.4", "probabilities of 'a' in the matrix of label-flip add up to 1.1"),
        ],
        ids=str,
    )
    def test_refuses_an_invalid_matrix(self, matrix, message):
        with pytest.raises(UsageError, match=message):
            LabelFlip(matrix=matrix)

    def test_refuses_values_beside_a_matrix(self):
        with pytest.raises(UsageError, match="either values or a matrix"):
            LabelFlip(matrix="a>b=0.1", values=("a",))

    @pytest.mark.parametrize(("word", "dtype"), [("many", "i4"), ("300", "u1"), ("maybe", "?")])
    def test_refuses_a_label_that_the_field_cannot_hold(self, word, dtype):
        with pytest.raises(UsageError, match=f"'{word}' is not a label that"):
            apply(LabelFlip(matrix=f"{word}>{word}=0.1"), np.zeros(3, dtype))


class TestCategorySwap:
    def test_swaps_two_labels_at_its_rate(self):
        model = CategorySwap(rate=0.2, a="a", b="b")
        for label, expected in {
            "a": {"a": 0.8, "b": 0.2},
            "b": {"a": 0.2, "b": 0.8},
            "c": {"c": 1.0},
        }.items():
            check_shares(expected, apply(model, array([label] * DRAWS, "O")))

    @pytest.mark.parametrize(
        ("given", "expected"),
        [
            ({}, ("c", "a")),
            ({"a": "b"}, ("b", "c")),
            ({"b": "c"}, ("a", "c")),
            ({"a": "x", "b": "y"}, ("x", "y")),
        ],
        ids=str,
    )
    def test_takes_the_most_frequent_labels(self, given, expected):
        model = CategorySwap(**given)
        settled = model.fit("f", {"f": statistics(b=5, a=5, c=9)})
        assert expected == (settled.a, settled.b)
        assert {} == settled.statistics("f")

    def test_of_one_label_changes_nothing(self):
        settled = CategorySwap(rate=1.0).fit("f", {"f": statistics(a=5)})
        assert ["a", "a"] == apply(settled, array(["a", "a"], "O")).tolist()

    def test_refuses_the_same_label_twice(self):
        with pytest.raises(UsageError, match="two different labels, not 'x' twice"):
            CategorySwap(a="x", b="x")


class TestShuffle:
    @pytest.mark.parametrize("dtype", ["O", "?", "f8", "i8", "c16", "M8[s]"])
    def test_keeps_the_values_of_every_window(self, dtype):
        values = np.arange(1000).astype(dtype)
        noisy = apply(Shuffle(rate=0.5, window=64), values)
        assert values.dtype == noisy.dtype
        for start in range(0, 1000, 64):
            before, after = values[start : start + 64], noisy[start : start + 64]
            assert np.sort(before).tolist() == np.sort(after).tolist()

    def test_moves_every_element_hit_unless_alone_in_its_window(self):
        values = np.arange(SIZE)
        model = Shuffle(rate=0.3, window=8)
        hit = context_for(model, TEXT, Positions.range(0, len(values))).hit(0.3)
        alone = np.add.reduceat(hit, np.arange(0, SIZE, 8))[values // 8] == 1
        assert (hit & ~alone).tolist() == (apply(model, values) != values).tolist()

    def test_is_a_cycle(self):
        noisy, seen, at = apply(Shuffle(rate=1.0, window=50), np.arange(50)), [], 0
        for _ in range(50):
            seen.append(at)
            at = int(noisy[at])
        assert list(range(50)) == sorted(seen)

    def test_every_other_place_is_equally_likely(self):
        """In a window of 4, a value comes from each of the other 3 places equally often."""
        values = np.arange(DRAWS)
        steps = (apply(Shuffle(rate=1.0, window=4), values) - values) % 4
        windows = steps.reshape(-1, 4)[:, 0]
        check_shares({0: 0.0, 1: 1 / 3, 2: 1 / 3, 3: 1 / 3}, windows)

    def test_missing_values_stay_where_they_are(self):
        values = np.arange(2000)
        usable = values % 3 != 0
        noisy = apply(Shuffle(rate=1.0), values, usable=usable)
        assert values[~usable].tolist() == noisy[~usable].tolist()
        assert np.all(noisy[usable] % 3 != 0)
        assert np.all(noisy[usable] != values[usable])

    @given(cuts=st.lists(st.integers(0, SIZE), max_size=3), window=st.sampled_from([2, 100, 777]))
    def test_does_not_depend_on_the_chunks_extended_by_its_reach(self, cuts, window):
        model, values = Shuffle(rate=0.4, window=window), np.arange(SIZE)
        whole, pieces = apply(model, values), []
        for a, b in pairwise([0, *sorted(cuts), SIZE]):
            first, last = max(0, a - model.halo), min(SIZE, b + model.halo)
            extended = apply(model, values[first:last], start=first)
            pieces.append(extended[a - first : b - first])
        assert whole.tolist() == np.concatenate(pieces).tolist()

    def test_changing_one_value_changes_no_further_than_its_window(self):
        values = np.arange(1000)
        changed = values.copy()
        changed[300] = -1
        model = Shuffle(rate=1.0, window=100)
        (different,) = np.flatnonzero(apply(model, values) != apply(model, changed))
        assert 300 <= different < 400

    def test_of_rate_zero_or_of_nothing_changes_nothing(self):
        values = np.arange(100)
        assert values.tolist() == apply(Shuffle(rate=0.0), values).tolist()
        assert [] == apply(Shuffle(), values[:0]).tolist()

    @pytest.mark.parametrize("window", [1, BLOCK + 1])
    def test_refuses_a_window_out_of_its_limits(self, window):
        with pytest.raises(UsageError, match=f"window {window} of shuffle must be at"):
            Shuffle(window=window)
