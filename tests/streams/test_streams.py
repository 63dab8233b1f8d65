"""Test that noise is a pure function of (seed, field, model, ordinal, lane, position)."""

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
from noisify.streams import streams as random_streams
from noisify.streams.block_seeds import block_generators
from noisify.streams.streams import (
    STREAM_VERSION,
    BlockVariates,
    JoinedVariates,
    SequentialVariates,
    StreamName,
    block_generator,
    numpy_generator,
)

GOLDEN = Path(__file__).with_name("golden")
PINNED = json.loads((GOLDEN / "streams.json").read_text(encoding="utf-8"))
MAKE = runpy.run_path(str(GOLDEN / "make_streams.py"))

NAME = StreamName(seed=42, field="data", model="normal")
SAMPLERS = {
    "standard_normal": lambda generator, count: generator.standard_normal(count),
    "uniform": lambda generator, count: generator.uniform(size=count),
    "laplace": lambda generator, count: generator.laplace(size=count),
    "standard_cauchy": lambda generator, count: generator.standard_cauchy(count),
    "standard_t": lambda generator, count: generator.standard_t(3.0, count),
    "standard_t df 0.7": lambda generator, count: generator.standard_t(0.7, count),
    "logistic": lambda generator, count: generator.logistic(size=count),
}
TOTAL = 3 * BLOCK + 100
cuts_of_total = st.lists(
    st.one_of(
        st.integers(0, TOTAL),
        st.sampled_from([n * BLOCK + d for n in range(4) for d in (-1, 0, 1) if n or d >= 0]),
    ),
    max_size=6,
)


def variates(positions, name=NAME):
    return BlockVariates(name, positions)


def floats(texts):
    return np.array([float.fromhex(text) for text in texts])


class TestGolden:
    def test_pins_the_version_the_code_has(self):
        assert STREAM_VERSION == 1, "a new version needs a new golden file, and a changelog entry"

    def test_entropies(self):
        assert PINNED["entropies"] == MAKE["entropies"]()

    # Ziggurat normals, their ratio and shifted uniforms are table look-ups, multiplications and
    # divisions: the same bits everywhere (except for normals beyond 3.65 sd, which use log1p).
    @pytest.mark.parametrize("model", ["normal", "uniform", "cauchy"])
    def test_variates_to_the_bit(self, model):
        assert PINNED["variates"][model] == MAKE["variates"](model)

    # Laplace and logistic go through the C library's log, and t through a gamma variate that a
    # compiler may contract to fused multiply-adds: the last bit may differ between machines.
    @pytest.mark.parametrize("model", ["laplace", "student-t", "logistic"])
    def test_variates_to_the_last_bit_but_one(self, model):
        for pinned, drawn in zip(PINNED["variates"][model], MAKE["variates"](model), strict=True):
            for part in ("first", "border"):
                np.testing.assert_array_max_ulp(floats(pinned[part]), floats(drawn[part]), 1)

    def test_every_model_of_the_first_version_is_pinned(self):
        pinned = {"normal", "uniform", "laplace", "cauchy", "student-t", "logistic"}
        assert pinned == set(PINNED["variates"])


class TestNames:
    def test_entropy_is_blake2b_of_length_prefixed_parts(self):
        name = StreamName(seed=258, field="é", model="normal", ordinal=3, replicate=2)
        encoded = (
            b"\4\0\0\0\0\0\0\0" + b"\1\0\0\0"  # stream version 1
            b"\20\0\0\0\0\0\0\0" + b"\2\1" + bytes(14)  # seed 0x0102
            + b"\10\0\0\0\0\0\0\0" + b"\2" + bytes(7)  # replicate
            + b"\2\0\0\0\0\0\0\0" + b"\xc3\xa9"  # field
            + b"\6\0\0\0\0\0\0\0" + b"normal"
            + b"\10\0\0\0\0\0\0\0" + b"\3" + bytes(7)  # ordinal
            + b"\5\0\0\0\0\0\0\0" + b"noise"
        )  # fmt: skip
        digest = hashlib.blake2b(encoded, digest_size=16).digest()
        assert int.from_bytes(digest, "little") == name.entropy("noise")

    @given(st.text("ab", max_size=3), st.text("ab", max_size=3), st.text("ab", max_size=3))
    def test_moving_a_character_between_parts_gives_another_stream(self, field, model, lane):
        whole = field + model + lane
        ways = {
            (whole[:i], whole[i:j], whole[j:])
            for i in range(len(whole) + 1)
            for j in range(i, len(whole) + 1)
        }
        entropies = {StreamName(1, f, m).entropy(word) for f, m, word in ways}
        assert len(ways) == len(entropies)

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
        ]
        entropies = [name.entropy("noise") for name in (NAME, *others)] + [NAME.entropy("hit")]
        assert 10 == len(set(entropies))

    def test_undecodable_file_bytes_in_a_name_are_kept_apart(self):
        names = [b"t\xff".decode("utf-8", "surrogateescape"), "tÿ", "t"]
        assert 3 == len({StreamName(0, field, "normal").entropy("noise") for field in names})

    @pytest.mark.parametrize("seed", [0, 2**64, 2**128 - 1])
    def test_entropy_has_128_bits(self, seed):
        assert 0 <= StreamName(seed, "data", "normal").entropy("noise") < 2**128


class TestBlocks:
    @pytest.mark.parametrize("sampler", SAMPLERS.values(), ids=SAMPLERS)
    @pytest.mark.parametrize("count", [1, 2, 3, 100, 4097, BLOCK - 1])
    def test_first_variates_do_not_depend_on_how_many_follow(self, sampler, count):
        whole = sampler(block_generator(7, 0), BLOCK)
        start = sampler(block_generator(7, 0), count)
        assert whole[:count].tobytes() == start.tobytes()

    def test_a_block_is_the_documented_numpy_generator(self):
        seeds = np.random.SeedSequence(NAME.entropy("noise"), spawn_key=(2,))
        expected = np.random.Generator(np.random.SFC64(seeds)).standard_normal(10)
        actual = variates(Positions.range(2 * BLOCK, 2 * BLOCK + 10)).normal("noise")
        assert expected.tobytes() == actual.tobytes()

    @pytest.mark.parametrize("sampler", SAMPLERS.values(), ids=SAMPLERS)
    @given(cuts_of_total)
    def test_any_cutting_gives_the_same(self, sampler, cuts):
        whole = variates(Positions.range(0, TOTAL)).sample("noise", sampler)
        edges = [0, *sorted(cuts), TOTAL]
        pieces = [
            variates(Positions.range(a, b)).sample("noise", sampler) for a, b in pairwise(edges)
        ]
        assert whole.tobytes() == np.concatenate(pieces).tobytes()

    @pytest.mark.parametrize("method", ["normal", "uniform"])
    @given(cuts_of_total)
    def test_any_cutting_gives_the_same_normals_and_uniforms(self, method, cuts):
        whole = getattr(variates(Positions.range(0, TOTAL)), method)("noise")
        edges = [0, *sorted(cuts), TOTAL]
        pieces = [
            getattr(variates(Positions.range(a, b)), method)("noise") for a, b in pairwise(edges)
        ]
        assert whole.tobytes() == np.concatenate(pieces).tobytes()

    @pytest.mark.parametrize("method", ["normal", "uniform"])
    @given(st.lists(st.tuples(st.integers(0, TOTAL), st.integers(0, 2 * BLOCK)), max_size=8))
    def test_chunks_in_any_order_give_the_same_without_the_compiled_part(self, method, chunks):
        whole = getattr(variates(Positions.range(0, TOTAL + 2 * BLOCK)), method)("noise")
        name = replace(NAME)
        starts = [start for start, _ in chunks]
        starts += [start + size for start, size in chunks]  # where others have ended
        with mock.patch.dict(os.environ, {PURE: "1"}):
            for start, (_, size) in zip(starts, [*chunks, *reversed(chunks)], strict=True):
                stop = min(start + size, len(whole))
                drawn = getattr(variates(Positions.range(start, stop), name), method)("noise")
                assert whole[start:stop].tobytes() == drawn.tobytes()

    def test_consecutive_chunks_start_each_block_once(self, monkeypatch):
        begun = []

        def counted(entropy, blocks):
            begun.extend(blocks)
            return block_generators(entropy, blocks)

        monkeypatch.setattr(random_streams, "block_generators", counted)
        monkeypatch.setenv(PURE, "1")
        name = replace(NAME)
        for start in range(0, TOTAL - 1000, 1000):
            for method in ("normal", "uniform"):
                getattr(variates(Positions.range(start, start + 1000), name), method)("noise")
        assert [0, 0, 1, 1, 2, 2] == sorted(begun)

    def test_normal_and_uniform_draw_the_same_as_sample(self):
        drawn = variates(Positions.range(5, BLOCK + 5))
        for method, sampler in (("normal", "standard_normal"), ("uniform", "uniform")):
            expected = drawn.sample("noise", SAMPLERS[sampler])
            assert expected.tobytes() == getattr(drawn, method)("noise").tobytes()

    @given(st.data())
    def test_a_box_gets_the_variates_of_its_flat_positions(self, data):
        shape = (*tuple(data.draw(st.lists(st.integers(1, 40), min_size=1, max_size=3))), 11)
        ends = [sorted(data.draw(st.tuples(st.integers(0, n), st.integers(0, n)))) for n in shape]
        box = tuple(slice(*end) for end in ends)
        flat = variates(Positions.range(0, math.prod(shape))).normal("noise").reshape(shape)
        boxed = variates(Positions.box(shape, box)).normal("noise")
        assert flat[box].tobytes() == boxed.tobytes()

    def test_far_positions_need_nothing_before_them(self):
        far = 10**15
        here = variates(Positions.range(far, far + 3)).normal("noise")
        wider = variates(Positions.range(far - 2 * BLOCK, far + 1)).normal("noise")
        assert here[0] == wider[-1]

    def test_uniform_variates_are_in_the_unit_interval(self):
        drawn = variates(Positions.range(0, 10 * BLOCK)).uniform("noise")
        assert drawn.min() >= 0
        assert drawn.max() < 1

    def test_no_positions_give_no_variates(self):
        assert (0,) == variates(Positions.range(9, 9)).normal("noise").shape

    @pytest.mark.parametrize("pure", ["", "1"])
    @pytest.mark.parametrize("method", ["normal", "uniform", "sample"])
    @pytest.mark.parametrize(
        "positions",
        [
            pytest.param(Positions.range(BLOCK - 7, 3 * BLOCK + 5), id="run"),
            pytest.param(Positions.box((9, 3000), (slice(2, 7), slice(5, 200))), id="runs"),
            pytest.param(Positions.range(5, 5), id="none"),
        ],
    )
    def test_joined_streams_are_concatenated(self, pure, method, positions, monkeypatch):
        monkeypatch.setenv(PURE, pure)
        more = () if method != "sample" else (SAMPLERS["laplace"],)
        names = [replace(NAME, field=field) for field in "abc"]
        alone = [getattr(BlockVariates(name, positions), method)("noise", *more) for name in names]
        joined = getattr(JoinedVariates(names, positions), method)("noise", *more)
        assert np.concatenate(alone).tobytes() == joined.tobytes()

    @given(cuts_of_total)
    def test_joined_streams_continue_their_blocks(self, cuts):
        names = [replace(NAME, field=field) for field in "ab"]
        edges = [0, *sorted(cuts), TOTAL]
        with mock.patch.dict(os.environ, {PURE: "1"}):
            pieces = [
                JoinedVariates(names, Positions.range(a, b)).normal("noise").reshape(2, -1)
                for a, b in pairwise(edges)
            ]
        whole = [variates(Positions.range(0, TOTAL), name).normal("noise") for name in names]
        assert np.concatenate(pieces, axis=1).tobytes() == np.stack(whole).tobytes()


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
        drawn["next block"] = variates(Positions.range(BLOCK, self.COUNT + BLOCK)).normal("noise")
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
