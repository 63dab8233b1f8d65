"""Test what is asked of random streams: distributions, independence and no collisions.

Names, seeds and indices are fixed, so the tests come out the same each time. Where many statistics
are tested at once, the limit allows for their number.
"""

import math
from dataclasses import replace
from itertools import combinations, product

import numpy as np
import pytest
from scipy import stats

from noisify.core.chunk import Positions
from noisify.streams.streams import StreamName, StreamVariates
from noisify.streams.words import Stream, Words

COUNT = 1 << 15
NAME = StreamName(seed=1, field="x", model="normal")
LEAST = 1e-4
"""A test fails whose statistic is beyond this probability; there are some hundred in all."""

DISTRIBUTIONS = {
    "uniform": ((), stats.uniform()),
    "normal": ((), stats.norm()),
    "exponential": ((), stats.expon()),
    "laplace": ((), stats.laplace()),
    "logistic": ((), stats.logistic()),
    "gumbel": ((), stats.gumbel_r()),
    "triangular": ((), stats.triang(0.5, -1, 2)),
    "cauchy": ((), stats.cauchy()),
    "lognormal": ((0.8,), stats.lognorm(0.8)),
    "gamma": ((2.5,), stats.gamma(2.5)),
    "gamma below 1": ((0.3,), stats.gamma(0.3)),
    "student_t": ((3.0,), stats.t(3)),
    "student_t below 1": ((0.7,), stats.t(0.7)),
}
DIRECTIONS = {
    "indices": [(NAME, "noise", start) for start in range(8)],
    "far indices": [(NAME, "noise", 1 << power) for power in range(20, 53, 4)],
    "seeds": [(replace(NAME, seed=seed), "noise", 0) for seed in (*range(6), 2**64, 2**127)],
    "fields": [(replace(NAME, field=field), "noise", 0) for field in ("x", "y", "z", "x1", "x2")],
    "replicates": [(replace(NAME, replicate=number), "noise", 0) for number in range(8)],
    "lanes": [(NAME, lane, 0) for lane in ("noise", "hit", "noise again", "noise 1", "noise 2")],
    "ordinals": [(replace(NAME, ordinal=number), "noise", 0) for number in range(8)],
    "files": [(replace(NAME, file=file), "noise", 0) for file in ("", "day1", "day2", "day3")],
}
"""Streams that differ in one thing: their names, lanes and first indices."""


def variates(name=NAME, start=0, count=COUNT):
    return StreamVariates(name, Positions.range(start, start + count))


def at_least(probability, tests=1):
    """Check that the least of several probabilities is not too small."""
    assert probability > LEAST / tests


def z_test(mean, tests=1):
    """Check the mean of COUNT values of mean 0 and variance 1."""
    at_least(2 * stats.norm.sf(abs(mean) * math.sqrt(COUNT)), tests)


class TestDistributions:
    @pytest.mark.parametrize("case", DISTRIBUTIONS)
    def test_kolmogorov_and_smirnov(self, case):
        parameters, expected = DISTRIBUTIONS[case]
        drawn = variates().drawn(case.split()[0], "noise", *parameters)
        at_least(stats.kstest(drawn, expected.cdf).pvalue)

    @pytest.mark.parametrize("case", DISTRIBUTIONS)
    def test_tails(self, case):
        parameters, expected = DISTRIBUTIONS[case]
        drawn = variates().drawn(case.split()[0], "noise", *parameters)
        for share, tail in product((1e-2, 1e-3), (expected.cdf, expected.sf)):
            found = int(np.sum(tail(drawn) < share))
            at_least(stats.binomtest(found, COUNT, share).pvalue)

    def test_normals_in_the_tail_of_the_ziggurat(self):
        drawn = variates(count=1 << 20).normal("noise")
        beyond = np.abs(drawn[np.abs(drawn) > 3.654152885361009])
        chance = 2 * stats.norm.sf(3.654152885361009)
        at_least(stats.binomtest(len(beyond), 1 << 20, chance).pvalue)
        at_least(stats.kstest(2 * stats.norm.sf(beyond) / chance, "uniform").pvalue)

    @pytest.mark.parametrize("shift", [0, 8, 16, 32, 48, 56])
    def test_bytes_of_words_are_equally_frequent(self, shift):
        words = NAME.stream("noise").words(range(COUNT)).raw()
        counts = np.bincount(words >> np.uint64(shift) & np.uint64(255), minlength=256)
        at_least(stats.chisquare(counts).pvalue)

    @pytest.mark.parametrize("count", [2, 3, 10, 1000])
    def test_integers_are_equally_frequent(self, count):
        found = variates().integers("noise", count)
        counts = np.bincount(found.astype(np.int64), minlength=count)
        assert len(counts) == count
        at_least(stats.chisquare(counts).pvalue)

    def test_retry_streams_are_uniform(self):
        words = NAME.stream("noise").words(range(COUNT))
        for number in (1, 2, 3):
            at_least(stats.kstest(words.retry(number).uniform(), "uniform").pvalue)


@pytest.mark.parametrize("direction", DIRECTIONS)
class TestIndependence:
    def normals(self, direction):
        return [variates(name, start).normal(lane) for name, lane, start in DIRECTIONS[direction]]

    def test_of_values(self, direction):
        pairs = list(combinations(self.normals(direction), 2))
        for one, other in pairs:
            assert not np.any(one == other)
            z_test(np.mean(one * other), len(pairs))

    def test_of_squares(self, direction):
        pairs = list(combinations(self.normals(direction), 2))
        for one, other in pairs:  # z**2 has variance 2
            z_test(np.mean((one**2 - 1) * (other**2 - 1)) / 2, len(pairs))

    def test_of_bits(self, direction):
        words = [
            name.stream(lane).words(range(start, start + COUNT)).raw()
            for name, lane, start in DIRECTIONS[direction]
        ]
        pairs = list(combinations(words, 2))
        for one, other in pairs:  # each of the 64 bits differs for half of the words
            bits = np.unpackbits((one ^ other).view(np.uint8)).reshape(COUNT, 64)
            for mean in 2 * bits.mean(axis=0) - 1:
                z_test(mean, 64 * len(pairs))

    def test_of_pairs(self, direction):
        first, second, *_ = (variates(n, s).uniform(lane) for n, lane, s in DIRECTIONS[direction])
        cells = (first * 16).astype(int) * 16 + (second * 16).astype(int)
        at_least(stats.chisquare(np.bincount(cells, minlength=256)).pvalue)


class TestNeighbours:
    @pytest.mark.parametrize("lag", [1, 2, 3, 4, 8, 16, 100, 1 << 10, 1 << 15])
    def test_elements_of_one_stream_are_uncorrelated(self, lag):
        drawn = variates(count=COUNT + lag).normal("noise")
        z_test(np.mean(drawn[lag:] * drawn[:-lag]))

    @pytest.mark.parametrize("power", range(1, 49, 4))
    def test_elements_a_power_of_two_apart_are_random(self, power):
        indices = np.arange(COUNT, dtype=np.uint64) << np.uint64(power)
        drawn = NAME.stream("noise").words(indices).uniform()
        at_least(stats.kstest(drawn, "uniform").pvalue)
        scaled = (drawn - 0.5) * math.sqrt(12)
        z_test(np.mean(scaled[1:] * scaled[:-1]))

    def test_flipping_a_bit_of_an_index_flips_half_of_the_word(self):
        indices = np.arange(1 << 10, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        stream = NAME.stream("noise")
        words = stream.words(indices).raw()
        for bit in range(64):
            changed = words ^ stream.words(indices ^ np.uint64(1 << bit)).raw()
            shares = np.unpackbits(changed.view(np.uint8)).reshape(-1, 64).mean(axis=0)
            assert np.abs(shares - 0.5).max() < 5.5 * 0.5 / math.sqrt(len(indices))

    def test_runs_up_and_down(self):
        drawn = variates().uniform("noise")
        turns = np.sum(np.diff(np.sign(np.diff(drawn))) != 0)  # Wallis and Moore, 1941
        expected, variance = 2 * (COUNT - 2) / 3, (16 * COUNT - 29) / 90
        at_least(2 * stats.norm.sf(abs(turns - expected) / math.sqrt(variance)))


class TestCollisions:
    STREAMS = tuple(
        replace(NAME, seed=seed, field=field, replicate=replicate).stream(lane)
        for seed, field, replicate, lane in product(
            range(8), ("x", "y", "temperature"), range(4), ("noise", "hit", "value")
        )
    )

    def test_no_two_streams_have_a_word_in_common(self):
        words = Words.of(self.STREAMS, range(512)).raw()
        assert len(words) == len(np.unique(words))

    def test_no_two_streams_have_a_start_or_an_increment_in_common(self):
        assert len(self.STREAMS) == len({stream.start for stream in self.STREAMS})
        assert len(self.STREAMS) == len({stream.increment for stream in self.STREAMS})

    def test_retry_streams_differ_from_all_others(self):
        words = Words.of(self.STREAMS, range(64))
        found = [words.raw(), *(words.retry(number).raw() for number in range(1, 9))]
        assert len(np.concatenate(found)) == len(np.unique(found))

    def test_half_words_collide_as_often_as_chance_has_it(self):
        words = NAME.stream("noise").words(range(1 << 18)).raw()
        for shift in (0, 32):
            half = words >> np.uint64(shift) & np.uint64(0xFFFFFFFF)
            collisions = len(half) - len(np.unique(half))
            expected = len(half) ** 2 / 2**33
            at_least(2 * min(stats.poisson.cdf(collisions, expected),
                             stats.poisson.sf(collisions - 1, expected)))  # fmt: skip

    def test_increments_are_odd_and_not_regular(self):
        for stream in self.STREAMS:
            assert stream.increment % 2 == 1
            assert (stream.increment ^ stream.increment >> 1).bit_count() >= 24

    def test_a_stream_and_one_a_multiple_of_its_increment_on_are_uncorrelated(self):
        # The worst kin that BLAKE2b could make: the same increment, and twice it.
        one = NAME.stream("noise")
        kin = [Stream((one.start + (1 << 40) * one.increment) % 2**64, one.increment),
               Stream(one.start, 3 * one.increment % 2**64 | 1)]  # fmt: skip
        words = [stream.words(range(1, COUNT + 1)).uniform() for stream in (one, *kin)]
        for first, second in combinations(words, 2):
            z_test(12 * np.mean((first - 0.5) * (second - 0.5)))
