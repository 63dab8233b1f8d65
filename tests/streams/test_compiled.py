"""Test that the compiled part and NumPy make the same bits."""

import os
from unittest import mock

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from noisify.core import native
from noisify.core.chunk import Positions
from noisify.streams.streams import StreamName, StreamVariates
from noisify.streams.words import STRIP, Stream, Words
from noisify.streams.ziggurat import normal

REQUIRED = "NOISIFY_REQUIRE_COMPILED" in os.environ
pytestmark = pytest.mark.skipif(
    native.load(native.Part.VARIATES) is None and not REQUIRED,
    reason="THE COMPILED PART THAT DRAWS IS NOT BUILT, NOR TESTED: pip install -e . with a C++17 "
    "compiler",
)

KINDS = {
    "words": Words.raw,
    "uniform": Words.uniform,
    "open_uniform": Words.open_uniform,
    "normal": normal,
}
INTEGERS = st.integers(0, 2**64 - 1)
STREAMS = st.lists(
    st.builds(lambda start, increment: Stream(start, increment | 1), INTEGERS, INTEGERS),
    min_size=1,
    max_size=3,
)
NAME = StreamName(seed=42, field="data", model="normal")


def both_ways(kind, words):
    """Return what is made with the compiled part and without."""
    with mock.patch.dict(os.environ, {native.PURE: ""}):
        one = KINDS[kind](words)
    with mock.patch.dict(os.environ, {native.PURE: "1"}):
        return one.tobytes(), KINDS[kind](words).tobytes()


def test_is_built():
    assert native.load(native.Part.VARIATES) is not None


@pytest.mark.parametrize("kind", KINDS)
@given(streams=STREAMS, start=INTEGERS, count=st.integers(0, 300))
@example([Stream(5, 2**63 + 1)], 2**64 - 1, 1)
def test_consecutive_indices(kind, streams, start, count):
    one, other = both_ways(kind, Words.of(streams, range(start, min(start + count, 2**64))))
    assert one == other


@pytest.mark.parametrize("kind", KINDS)
@given(streams=STREAMS, indices=st.lists(INTEGERS, max_size=20))
def test_any_indices(kind, streams, indices):
    one, other = both_ways(kind, Words.of(streams, np.array(indices, np.uint64)))
    assert one == other


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("streams", [1, 3])
def test_more_than_a_strip_at_consecutive_and_at_listed_indices(kind, streams):
    named = [NAME.stream(f"{number}") for number in range(streams)]
    index = range(2**63 - 9, 2**63 + STRIP + 9)
    one, other = both_ways(kind, Words.of(named, index))
    listed = np.arange(index.start, index.stop, dtype=np.uint64)
    assert (one, one) == (other, both_ways(kind, Words.of(named, listed))[1])


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_ten_million(kind):
    # About 150,000 of the normals take the slow path, and 2,600 come from the tail.
    for number in range(10):
        lane = NAME.stream(f"{number}")
        one, other = both_ways(kind, lane.words(range(12345, 1_012_345)))
        assert one == other


@pytest.mark.parametrize("kind", ["uniform", "normal"])
@pytest.mark.parametrize(
    "positions",
    [
        Positions.range(0, 10),
        Positions.range(2**16 - 3, 3 * 2**16 + 5),
        Positions.range(5, 5),
        Positions.box((50, 700), (slice(3, 40), slice(100, 650))),
        Positions.box((40, 30, 20), (slice(0, 40), slice(7, 9), slice(3, 4))),
    ],
    ids=["few", "run", "none", "box", "scattered"],
)
def test_streams_are_the_same_both_ways(monkeypatch, kind, positions):
    found = []
    for setting in ("", "1"):
        monkeypatch.setenv(native.PURE, setting)
        found.append(StreamVariates(NAME, positions).drawn(kind, "noise").tobytes())

    assert found[0] == found[1]


def test_can_be_turned_off(monkeypatch):
    monkeypatch.setenv(native.PURE, "1")
    one = np.ones((1, 1), np.uint64)

    assert not Words(one, one, range(3)).compiled("normal", np.empty(3))


def words(count):
    return np.ones(count, np.uint64)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((words(1), words(1), 0, None, np.empty(3, np.float32)), "axis"),
        ((words(1), words(1), 0, None, np.empty((3, 3))), "axis"),
        ((words(1).astype(float), words(1), 0, None, np.empty(3)), "axis"),
        ((words(1), words(2), 0, None, np.empty(3)), "start and an increment"),
        ((words(0), words(0), 0, None, np.empty(3)), "start and an increment"),
        ((words(2), words(2), 0, None, np.empty(3)), "equally many"),
        ((words(1), words(1), 0, words(2), np.empty(3)), "as many values as indices"),
        ((words(1), words(1), 0, words(3).astype(np.uint8), np.empty(3)), "axis"),
    ],
    ids=["dtype", "axes", "starts", "streams", "no stream", "ragged", "indices", "index dtype"],
)
def test_refuses_arguments_that_would_go_out_of_bounds(arguments, message):
    part = native.load(native.Part.VARIATES)

    with pytest.raises(ValueError, match=message):
        part.normal(*arguments)


def test_refuses_unwritable_arrays():
    frozen = np.empty(3)
    frozen.flags.writeable = False
    part = native.load(native.Part.VARIATES)

    for out in (frozen, np.empty(6)[::2]):
        with pytest.raises((ValueError, BufferError)):
            part.normal(words(1), words(1), 0, None, out)
