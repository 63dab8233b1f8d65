"""Test that noise is a pure function of (seed, field, model, ordinal, lane, index)."""

import hashlib
import json
import math
import os
import runpy
from dataclasses import replace
from itertools import combinations, pairwise
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noisify.core.chunk import BLOCK, Positions
from noisify.core.errors import UsageError
from noisify.core.native import PURE
from noisify.streams.streams import (
    STREAM_VERSION,
    JoinedVariates,
    SequentialVariates,
    StreamName,
    StreamVariates,
    in_strips,
    numpy_generator,
)

GOLDEN = Path(__file__).with_name("golden")
PINNED = json.loads((GOLDEN / "streams.json").read_text(encoding="utf-8"))
MAKE = runpy.run_path(str(GOLDEN / "make_streams.py"))
DISTRIBUTIONS = MAKE["DISTRIBUTIONS"]
PURE_OR_NOT = pytest.mark.parametrize("pure", ["", "1"], ids=["compiled", "pure"])
EVERY_DISTRIBUTION = pytest.mark.parametrize("distribution", DISTRIBUTIONS)

NAME = StreamName(seed=42, field="data", model="normal")
TOTAL = 500
SMALL_STRIP = 64
CUTS = st.lists(st.one_of(st.integers(0, TOTAL), st.sampled_from([63, 64, 65, 128])), max_size=6)


def variates(positions, name=NAME):
    return StreamVariates(name, positions)


def draw(made, distribution):
    """Return a chunk's variates of a distribution with its usual parameters."""
    return made.drawn(distribution, "noise", *DISTRIBUTIONS[distribution])


class TestGolden:
    def test_pins_the_version_the_code_has(self):
        assert STREAM_VERSION == 2, "a new version needs a new golden file, and a changelog entry"

    def test_streams(self):
        assert PINNED["streams"] == MAKE["streams"]()

    @PURE_OR_NOT
    @EVERY_DISTRIBUTION
    def test_variates_to_the_bit(self, distribution, pure, monkeypatch):
        monkeypatch.setenv(PURE, pure)
        assert PINNED["variates"][distribution] == MAKE["variates"](distribution)


class TestNames:
    def test_digest_is_blake2b_of_length_prefixed_parts(self):
        name = StreamName(seed=258, field="é", model="normal", ordinal=3, replicate=2)
        encoded = (
            b"\4\0\0\0\0\0\0\0" + b"\2\0\0\0"  # stream version 2
            b"\20\0\0\0\0\0\0\0" + b"\2\1" + bytes(14)  # seed 0x0102
            + b"\10\0\0\0\0\0\0\0" + b"\2" + bytes(7)  # replicate
            + b"\2\0\0\0\0\0\0\0" + b"\xc3\xa9"  # field
            + b"\6\0\0\0\0\0\0\0" + b"normal"
            + b"\10\0\0\0\0\0\0\0" + b"\3" + bytes(7)  # ordinal
            + b"\5\0\0\0\0\0\0\0" + b"noise"
        )  # fmt: skip
        assert hashlib.blake2b(encoded, digest_size=16).digest() == name.digest("noise")

    @given(st.text("ab", max_size=3), st.text("ab", max_size=3), st.text("ab", max_size=3))
    def test_moving_a_character_between_parts_gives_another_stream(self, field, model, lane):
        whole = field + model + lane
        ways = {
            (whole[:i], whole[i:j], whole[j:])
            for i in range(len(whole) + 1)
            for j in range(i, len(whole) + 1)
        }
        digests = {StreamName(1, f, m).digest(word) for f, m, word in ways}
        assert len(ways) == len(digests)

    def test_every_part_of_a_name_makes_another_stream(self):
        others = [
            replace(NAME, seed=43),
            replace(NAME, seed=42 + 2**64),
            replace(NAME, field="Data"),
            replace(NAME, field="data\0"),
            replace(NAME, field=""),
            replace(NAME, model="laplace"),
            replace(NAME, ordinal=1),
            replace(NAME, replicate=1),
            replace(NAME, file="day1"),
        ]
        digests = [name.digest("noise") for name in (NAME, *others)] + [NAME.digest("hit")]
        assert 11 == len(set(digests))

    def test_undecodable_file_bytes_in_a_name_are_kept_apart(self):
        names = [b"t\xff".decode("utf-8", "surrogateescape"), "tÿ", "t"]
        assert 3 == len({StreamName(0, field, "normal").digest("noise") for field in names})


class TestIndices:
    @PURE_OR_NOT
    @EVERY_DISTRIBUTION
    @given(CUTS)
    def test_any_cutting_gives_the_same(self, distribution, pure, cuts):
        edges = [0, *sorted(cuts), TOTAL]

        def made(index):
            return draw(variates(Positions.range(index.start, index.stop)), distribution)

        with mock.patch.dict(os.environ, {PURE: pure}):
            whole = made(range(TOTAL))
            strips = in_strips(made, range(TOTAL), SMALL_STRIP)
            pieces = [made(range(a, b)) for a, b in pairwise(edges)]
        assert whole.tobytes() == strips.tobytes() == np.concatenate(pieces).tobytes()

    @given(st.data())
    def test_a_box_gets_the_variates_of_its_flat_positions(self, data):
        shape = (*tuple(data.draw(st.lists(st.integers(1, 40), min_size=1, max_size=3))), 11)
        ends = [sorted(data.draw(st.tuples(st.integers(0, n), st.integers(0, n)))) for n in shape]
        box = tuple(slice(*end) for end in ends)
        flat = variates(Positions.range(0, math.prod(shape))).normal("noise").reshape(shape)
        boxed = variates(Positions.box(shape, box)).normal("noise")
        assert flat[box].tobytes() == boxed.tobytes()

    @PURE_OR_NOT
    @EVERY_DISTRIBUTION
    def test_keys_take_the_place_of_positions(self, distribution, pure, monkeypatch):
        monkeypatch.setenv(PURE, pure)
        whole = draw(variates(Positions.range(0, 100)), distribution)
        keys = np.array([7, 99, 7, 0], np.uint64)
        keyed = draw(StreamVariates(NAME, Positions.range(0, 4), keys), distribution)
        assert whole[keys.astype(int)].tobytes() == keyed.tobytes()

    def test_keys_are_any_of_64_bits(self):
        keys = np.array([2**64 - 1, 2**63], np.uint64)
        assert np.isfinite(StreamVariates(NAME, Positions.range(0, 2), keys).normal("x")).all()

    def test_far_positions_need_nothing_before_them(self):
        far = 10**15
        here = variates(Positions.range(far, far + 3)).normal("noise")
        wider = variates(Positions.range(far - 20_000, far + 1)).normal("noise")
        assert here[0] == wider[-1]

    def test_uniform_variates_are_in_the_unit_interval(self):
        drawn = variates(Positions.range(0, 100_000)).uniform("noise")
        assert drawn.min() >= 0
        assert drawn.max() < 1

    @EVERY_DISTRIBUTION
    def test_no_positions_give_no_variates(self, distribution):
        assert (0,) == draw(variates(Positions.range(9, 9)), distribution).shape

    @PURE_OR_NOT
    @EVERY_DISTRIBUTION
    @pytest.mark.parametrize(
        "positions",
        [
            pytest.param(Positions.range(10, 210), id="run"),
            pytest.param(Positions.box((9, 300), (slice(2, 7), slice(5, 50))), id="runs"),
            pytest.param(Positions.range(5, 5), id="none"),
        ],
    )
    def test_joined_streams_are_concatenated(self, pure, distribution, positions, monkeypatch):
        monkeypatch.setenv(PURE, pure)
        names = [replace(NAME, field=field) for field in "abc"]
        alone = [draw(variates(positions, name), distribution) for name in names]
        several = JoinedVariates(lambda lane: [name.stream(lane) for name in names], positions)
        joined = draw(several, distribution)
        assert np.concatenate(alone).tobytes() == joined.tobytes()


class TestIndependence:
    COUNT = 8 * BLOCK

    def streams(self):
        names = {
            "one": NAME,
            "field": replace(NAME, field="other"),
            "model": replace(NAME, model="laplace"),
            "ordinal": replace(NAME, ordinal=1),
            "seed": replace(NAME, seed=43),
            "replicate": replace(NAME, replicate=1),
        }
        positions = Positions.range(0, self.COUNT)
        drawn = {what: variates(positions, name).normal("noise") for what, name in names.items()}
        drawn["lane"] = variates(positions).normal("imaginary")
        drawn["next element"] = variates(Positions.range(1, self.COUNT + 1)).normal("noise")
        return drawn

    def test_streams_differ_and_are_uncorrelated(self):
        for one, other in combinations(self.streams().values(), 2):
            assert not np.any(one == other)
            correlation = np.mean(one * other)  # both have mean 0 and variance 1
            assert abs(correlation) < 4.5 / math.sqrt(self.COUNT)

    def test_squares_are_uncorrelated_too(self):
        for one, other in combinations(self.streams().values(), 2):
            correlation = np.mean((one**2 - 1) * (other**2 - 1)) / 2  # z**2 has variance 2
            assert abs(correlation) < 4.5 / math.sqrt(self.COUNT)


class TestCompatibility:
    def test_numpy_draws_on_from_chunk_to_chunk(self):
        generator = numpy_generator("numpy", 42)
        pieces = [
            SequentialVariates(generator, Positions.range(0, 3)).normal("noise"),
            SequentialVariates(generator, Positions.range(3, 5)).normal("other lane"),
        ]
        expected = np.random.default_rng(42).normal(0, 1, 5)
        assert expected.tolist() == np.concatenate(pieces).tolist()

    def test_numpy_legacy_is_the_old_global_stream(self):
        drawn = SequentialVariates(numpy_generator("numpy-legacy", 42), Positions.range(0, 2))
        assert [0.4967141530112327, -0.13826430117118466] == drawn.normal("noise").tolist()

    def test_numpy_legacy_uniform(self):
        drawn = SequentialVariates(numpy_generator("numpy-legacy", 42), Positions.range(0, 1))
        assert [0.3745401188473625] == drawn.uniform("noise").tolist()

    def test_numpy_legacy_refuses_a_seed_it_cannot_take(self):
        numpy_generator("numpy-legacy", 2**32 - 1)
        with pytest.raises(UsageError, match=r"0 to 2\*\*32 - 1, not 4294967296"):
            numpy_generator("numpy-legacy", 2**32)

    def test_numpy_takes_any_seed(self):
        expected = np.random.default_rng(2**128 - 1).random()
        assert expected == numpy_generator("numpy", 2**128 - 1).random()
