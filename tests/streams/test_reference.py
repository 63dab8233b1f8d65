"""Test that the streams are those of docs/streams.md, by a second implementation of it."""

import os
from functools import partial
from unittest import mock

import make_ziggurat
import numpy as np
import pytest
import reference_streams as reference
from hypothesis import example, given
from hypothesis import strategies as st

from noisify.core.chunk import Positions
from noisify.core.native import PURE
from noisify.kernels import tables
from noisify.streams.streams import StreamName, StreamVariates, index_of_key
from noisify.streams.words import Stream
from noisify.streams.ziggurat import layers, normal

COUNT = 200
NAME = {"seed": 42, "field": "Größe in µm, 温度", "model": "any", "ordinal": 1, "replicate": 2}
INDICES = st.integers(0, 2**64 - 1)
STREAMS = st.builds(lambda start, increment: (start, increment | 1), INDICES, INDICES)
PURE_OR_NOT = pytest.mark.parametrize("pure", ["", "1"], ids=["compiled", "pure"])

DISTRIBUTIONS = {
    "uniform": lambda lanes, i: reference.uniform(lanes("x").word(i)),
    "normal": lambda lanes, i: reference.normal(lanes("x"), i),
    "exponential": lambda lanes, i: reference.exponential(lanes("x"), i),
    "laplace": lambda lanes, i: reference.laplace(lanes("x"), i),
    "logistic": lambda lanes, i: reference.logistic(lanes("x"), i),
    "gumbel": lambda lanes, i: reference.gumbel(lanes("x"), i),
    "triangular": lambda lanes, i: reference.triangular(lanes("x"), i),
    "cauchy": lambda lanes, i: reference.cauchy(lanes, "x", i),
    "lognormal 1.0": lambda lanes, i: reference.lognormal(lanes("x"), i, 1.0),
    "lognormal 18.0": lambda lanes, i: reference.lognormal(lanes("x"), i, 18.0),
    "gamma 0.02": lambda lanes, i: reference.gamma(lanes, "x", i, 0.02),
    "gamma 1.0": lambda lanes, i: reference.gamma(lanes, "x", i, 1.0),
    "gamma 2.5": lambda lanes, i: reference.gamma(lanes, "x", i, 2.5),
    "gamma 1e+20": lambda lanes, i: reference.gamma(lanes, "x", i, 1e20),
    "student_t 0.7": lambda lanes, i: reference.student_t(lanes, "x", i, 0.7),
    "student_t 3.0": lambda lanes, i: reference.student_t(lanes, "x", i, 3.0),
    "integers 1": lambda lanes, i: reference.integer(lanes("x").word(i), 1),
    "integers 256": lambda lanes, i: reference.integer(lanes("x").word(i), 256),
    "integers 4294967297": lambda lanes, i: reference.integer(lanes("x").word(i), 2**32 + 1),
    "integers 18446744073709551615": lambda lanes, i: reference.integer(
        lanes("x").word(i), 2**64 - 1
    ),
    "integers 18446744073709551616": lambda lanes, i: lanes("x").word(i),
}


def lanes(lane):
    """Return the reference's stream of a lane of the name that the tests use."""
    return reference.stream(reference.encoded(lane=lane, **NAME))


def hexes(values):
    """Return numbers as texts that show each bit."""
    return [value.hex() if isinstance(value, float) else value for value in values]


@PURE_OR_NOT
@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
@pytest.mark.parametrize("start", [0, 2**53 - 100])
def test_every_distribution_is_the_pages(distribution, start, pure, monkeypatch):
    monkeypatch.setenv(PURE, pure)
    method, *parameters = distribution.split()
    given = [int(text) if method == "integers" else float(text) for text in parameters]
    variates = StreamVariates(StreamName(**NAME), Positions.range(start, start + COUNT))
    draw = variates.integers if method == "integers" else partial(variates.drawn, method)
    drawn = draw("x", *given).tolist()
    expected = [DISTRIBUTIONS[distribution](lanes, start + at) for at in range(COUNT)]
    assert hexes(expected) == hexes(drawn)


@PURE_OR_NOT
@given(streams=STREAMS, index=INDICES)
@example(streams=(0, 1), index=0)
@example(streams=(2**64 - 1, 2**64 - 1), index=2**64 - 1)
def test_words_of_any_stream_at_any_index(pure, streams, index):
    expected = reference.Stream(*streams)
    words = Stream(*streams).words(np.array([index], np.uint64))
    with mock.patch.dict(os.environ, {PURE: pure}):
        assert [expected.word(index)] == words.raw().tolist()
        for number in (1, 2, 9):
            assert [expected.retry(number).word(index)] == words.retry(number).raw().tolist()


@PURE_OR_NOT
def test_normals_of_all_layers_and_of_the_tail(pure, monkeypatch):
    monkeypatch.setenv(PURE, pure)
    lane = Stream(0, 0x9E3779B97F4A7C15)
    expected = reference.Stream(*vars_of(lane))
    indices = [i for i in range(60_000) if unsure(expected.word(i))]
    drawn = normal(lane.words(np.array(indices, np.uint64))).tolist()
    assert hexes([reference.normal(expected, i) for i in indices]) == hexes(drawn)
    assert sum(abs(z) > reference.EDGES[1] for z in drawn) > 5
    assert len(indices) > 800


def vars_of(lane):
    return lane.start, lane.increment


def unsure(word):
    layer = word & 255
    return reference.open_uniform(word) * reference.EDGES[layer] >= reference.EDGES[layer + 1]


@given(
    seed=st.integers(0, 2**128 - 1),
    field=st.text(max_size=9),
    model=st.text("abc-", max_size=9),
    lane=st.text("abc ", max_size=9),
    numbers=st.tuples(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1)),
    file=st.text(max_size=5),
    series=st.integers(0, 3),
)
def test_names(seed, field, model, lane, numbers, file, series):
    ordinal, replicate = numbers
    more = {"ordinal": ordinal, "replicate": replicate, "file": file, "series": series}
    expected = reference.stream(reference.encoded(seed, field, model, lane, **more))
    assert expected == vars_of(StreamName(seed, field, model, **more).stream(lane))


@pytest.mark.parametrize("digest", [bytes(16), bytes(8) + b"\xff" * 8, bytes(8) + b"\x0f" * 8])
def test_too_regular_increments_are_changed(digest):
    increment = reference.regular(int.from_bytes(digest[8:], "little"))
    assert increment == Stream.of_digest(digest).increment
    assert increment % 2 == 1
    assert (increment ^ increment >> 1).bit_count() >= 24


def test_keys():
    assert reference.index_of_key("温度") == index_of_key("温度")


class TestTables:
    def test_the_ziggurats(self):
        assert (reference.EDGES, reference.HEIGHTS) == layers()

    def test_the_kernels(self):
        assert [(*pair,) for pair in reference.EXP_TABLE] == list(
            zip(*[part.tolist() for part in tables.powers()], strict=True)
        )
        rows = (tables.reciprocals(), *tables.logarithms())
        assert reference.LOG_TABLE == list(zip(*[row.tolist() for row in rows], strict=True))

    def test_are_those_that_mpmath_gives(self):
        found = make_ziggurat.tables()
        assert found == layers()
        assert make_ziggurat.cpp(*found) == make_ziggurat.CPP.read_text("utf-8")
