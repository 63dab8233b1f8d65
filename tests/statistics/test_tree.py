"""Test that any cut, any order and any number of processes give statistics of the same bits."""

import copy
import math
import pickle
import struct
from itertools import pairwise

import numpy as np
import pytest
from example_counts import examples
from hypothesis import given
from hypothesis import strategies as st

from noisify.core.chunk import BLOCK, Positions, WholeNumbers
from noisify.kernels import sums
from noisify.statistics.moments import JointMoments, Moments
from noisify.statistics.survey import Extremes, Survey
from noisify.statistics.tree import BlockPieces, MomentsTree, close_blocks

SIZE = 5 * BLOCK + 500
RANDOM = np.random.default_rng(7)
VALUES = RANDOM.normal(3, 100, SIZE)
PARTS = {
    "float64": VALUES,
    "float32": VALUES.astype(np.float32).astype(np.float64),
    "float16": VALUES.astype(np.float16).astype(np.float64),
    "complex": VALUES + 1j * VALUES[::-1],
    "huge": VALUES * 2.0**1000,
    "tiny": VALUES * 2.0**-1060,
    "narrow": 1e9 + VALUES * 1e-7,
    "constant": np.full(SIZE, 0.1),
    "several": np.stack([VALUES, VALUES[::-1] * 2.0**600, np.full(SIZE, 0.1)], axis=1),
}
cuts = st.lists(st.integers(0, SIZE), max_size=8)


def pieces_of(values, valid, ends):
    return [
        (Positions.range(a, b), values[a:b], None if valid is None else valid[a:b])
        for a, b in pairwise([0, *sorted(ends), len(values)])
    ]


def tree_of(pieces):
    tree = MomentsTree()
    for piece in pieces:
        tree += BlockPieces.cut(*piece)
    return tree


def sent(value):
    """Return a value as another process gets it."""
    return pickle.loads(pickle.dumps(value))  # noqa: S301 - our own


def bits(moments):
    """Return the numbers of moments, to the bit."""
    if isinstance(moments, JointMoments):
        return [part.tobytes() for part in (moments.mean, moments.comoments, moments.exponents)]
    parts = [moments.centre.real, moments.centre.imag, moments.deviations, moments.low.real]
    return [moments.count, moments.exponent, struct.pack("4d", *parts)]


def test_several_fields_at_once_give_what_each_gives_alone():
    fields = [PARTS[name] for name in ("float64", "huge", "tiny", "narrow", "constant")]
    masks = [None, VALUES > 0, None, VALUES < 0, np.zeros(SIZE, bool)]
    ends = (0, 100, 3 * BLOCK + 5, SIZE)
    together = [MomentsTree() for _ in fields]
    for a, b in pairwise(ends):
        rows = np.stack([values[a:b] for values in fields])
        valid = [None if mask is None else mask[a:b] for mask in masks]
        pieces = BlockPieces.cut_each(Positions.range(a, b), rows, valid)
        for at, own in enumerate(pieces):
            together[at] += own
    close_blocks(together)

    alone = [tree_of(pieces_of(v, m, [])) for v, m in zip(fields, masks, strict=True)]
    assert [bits(tree.total()) for tree in alone] == [bits(tree.total()) for tree in together]
    assert not any(tree.open_blocks for tree in together)


class TestTree:
    @pytest.mark.parametrize("values", PARTS.values(), ids=PARTS)
    @examples(25)
    @given(ends=cuts, order=st.randoms(use_true_random=False), missing=st.sampled_from([0, 0.2, 1]))
    def test_any_cut_in_any_order_on_any_number_of_machines(self, values, ends, order, missing):
        valid = None if not missing else np.random.default_rng(len(ends)).random(SIZE) >= missing
        expected = bits(tree_of(pieces_of(values, valid, [])).total())
        pieces = pieces_of(values, valid, ends)
        order.shuffle(pieces)
        assert expected == bits(tree_of(pieces).total())
        machines = [tree_of(pieces[at::3]) for at in range(3)]
        order.shuffle(machines)
        whole = MomentsTree()
        for tree in machines:
            whole.merge(sent(tree))
        assert expected == bits(whole.total())

    def test_merges_siblings_only(self):
        blocks = VALUES[: 5 * BLOCK].reshape(5, BLOCK)
        zero, one, two, three, four = (Moments.of(block) for block in blocks)
        rest = Moments.of(VALUES[5 * BLOCK :])
        expected = ((zero + one) + (two + three)) + (four + rest)
        assert bits(expected) == bits(tree_of(pieces_of(VALUES, None, [])).total())
        without_the_second = tree_of(pieces_of(VALUES, None, [BLOCK, 2 * BLOCK])[::2]).total()
        assert bits(zero + (two + three) + (four + rest)) == bits(without_the_second)

    def test_holds_few_nodes(self):
        tree = MomentsTree()
        for block in range(1000):
            tree += BlockPieces([(block, Moments(1, float(block), exponent=0))], [])
            assert len(tree.nodes) <= 10
        assert (1000, 499.5) == (tree.total().count, tree.total().mean)

    def test_missing_elements_count_as_zeros_in_the_sums(self):
        valid = RANDOM.random(BLOCK) < 0.5
        (moments,) = Moments.of_rows(VALUES[None, :BLOCK], valid[None])
        mean = sums.ordered_sum(np.where(valid, VALUES[:BLOCK], 0.0)) / valid.sum()
        assert mean == moments.mean


class TestOrderedSum:
    @given(st.integers(1, 1100), st.integers(0, 99))
    def test_is_as_documented(self, count, seed):
        values = np.random.default_rng(seed).normal(size=count) * 10.0 ** (seed % 5)
        lanes = [0.0] * 512
        for at, value in enumerate(values.tolist()):
            lanes[at % 512] += value
        while len(lanes) > 1:
            half = len(lanes) // 2
            lanes = [lanes[at] + lanes[at + half] for at in range(half)]
        assert lanes == [float(sums.ordered_sum(values))]

    @pytest.mark.skipif(sums._part is None, reason="the compiled part is not built")
    @given(st.integers(1, 3), st.integers(1, 1100), st.booleans(), st.integers(0, 99))
    def test_compiled_and_pure_give_the_same_bits(self, rows, count, masked, seed):
        random = np.random.default_rng(seed)
        values = random.normal(size=(rows, count)) * 10.0 ** random.integers(-9, 9)
        valid = random.random((rows, count)) < 0.7 if masked else None
        counts = np.full(rows, count) if valid is None else valid.sum(axis=1)
        with pytest.MonkeyPatch.context() as patch, np.errstate(all="ignore"):
            found = {}
            for pure in ("0", "1"):
                patch.setenv("NOISIFY_PURE", pure)
                results = sums.means_and_deviations(values, counts, valid)
                found[pure] = [result.tobytes() for result in results]
        assert found["0"] == found["1"]


NEEDS = frozenset({"sd", "power", "range", "iqr", "length", "scores"})
FIELDS = {
    "floats": (VALUES, None),
    "floats of few values": (np.round(VALUES), None),
    "integers": (VALUES.astype(np.int64) + 2**60, 1),
    "short": (VALUES[:9000], None),
    "signed zeros": (np.where(VALUES > 0, 0.0, -0.0), None),
}


class TestSurveys:
    @pytest.mark.parametrize(("values", "unit"), FIELDS.values(), ids=FIELDS)
    @examples(25)
    @given(ends=cuts, order=st.randoms(use_true_random=False), limit=st.sampled_from([10, 1 << 20]))
    def test_add_up_whatever_part_each_process_had(self, values, unit, ends, order, limit):
        valid = np.random.default_rng(3).random(len(values)) < 0.9
        ends = [min(end, len(values)) for end in ends]

        def look(survey, piece):
            positions, part, there = piece
            whole = None if unit is None else WholeNumbers(part, unit)
            survey.merge(survey.partial(positions, part.astype(np.float64), there, whole))

        whole, shared = Survey(NEEDS, limit), Survey(NEEDS, limit)
        while not whole.done:
            look(whole, (Positions.range(0, len(values)), values, valid))
            whole.end_pass()
        while not shared.done:
            pieces = pieces_of(values, valid, ends)
            order.shuffle(pieces)
            parts = [sent(shared) for _ in range(3)]
            for at, piece in enumerate(pieces):
                look(parts[at % 3], piece)
            order.shuffle(parts)
            for part in parts:
                shared += part
            shared.end_pass()
        expected, found = (vars_of(one.result()) for one in (whole, shared))
        assert expected == found

    def test_of_parts_without_values_do_not_make_integers_floats(self):
        survey, part = Survey(NEEDS), copy.deepcopy(Survey(NEEDS))
        numbers = np.array([2**60, 2**60 + 1])
        whole = WholeNumbers(numbers, 1)
        survey.merge(survey.partial(Positions.range(0, 2), numbers.astype(float), None, whole))
        part.merge(part.partial(Positions.range(2, 4), np.zeros(2), np.zeros(2, bool)))
        survey += part
        survey.end_pass()
        assert not survey.as_floats
        assert (4, 2, 0.5) == (survey.length, survey.result().count, survey.result().sd)

    def test_a_negative_zero_is_no_less_than_zero(self):
        for values in ([0.0, -0.0], [-0.0, 0.0], [-0.0]):
            extremes = Extremes()
            extremes += np.array(values)
            assert 1.0 == math.copysign(1, extremes.low) == math.copysign(1, extremes.high)


def vars_of(statistics):
    """Return statistics as text, to the bit."""
    names = ("count", "mean", "sd", "power", "range", "iqr", "low", "high", "length", "exponent")
    numbers = [repr(getattr(statistics, name)) for name in names]
    return [*numbers, statistics.lower_quartile, statistics.scores[1].tobytes()]
