"""Test that the compiled part and NumPy draw the same bits."""

import os

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from noisify.core import native
from noisify.core.chunk import BLOCK, Positions
from noisify.streams import compiled as compiled_variates
from noisify.streams.block_seeds import block_generator
from noisify.streams.streams import BlockVariates, StreamName

REQUIRED = "NOISIFY_REQUIRE_COMPILED" in os.environ
pytestmark = pytest.mark.skipif(
    not compiled_variates.built() and not REQUIRED,
    reason="THE COMPILED PART THAT DRAWS IS NOT BUILT, NOR TESTED: pip install -e . with a C++17 "
    "compiler",
)

SAMPLERS = {
    "normal": lambda generator, count: generator.standard_normal(count),
    "uniform": lambda generator, count: generator.uniform(size=count),
}
KINDS = st.sampled_from(list(SAMPLERS))
ENTROPIES = st.integers(0, 2**128 - 1) | st.sampled_from([0, 1, 2**32, 2**96 - 1, 2**128 - 1])
NAME = StreamName(seed=42, field="data", model="normal")


def by_numpy(kind, entropy, start, count):
    """Draw with NumPy's own generator and seed sequence."""
    out = []
    while count:
        block, inside = divmod(start, BLOCK)
        here = min(count, BLOCK - inside)
        drawn = SAMPLERS[kind](block_generator(entropy, block), inside + here)
        out.append(drawn[inside:])
        start, count = start + here, count - here
    return np.concatenate(out) if out else np.empty(0)


def compiled(kind, entropy, start, count):
    out = np.full((1, count), np.nan)
    assert compiled_variates.fill(kind, [entropy], start, out)
    return out[0]


def test_is_built():
    assert compiled_variates.built()
    assert native.load(native.Part.VARIATES) is not None


@given(kind=KINDS, entropy=ENTROPIES, start=st.integers(0, 2**45 - 1), count=st.integers(0, 300))
@example("normal", 7, BLOCK - 1, 2)
@example("normal", 7, 3 * BLOCK - 5, 2 * BLOCK + 9)
@example("uniform", 7, 2**32 * BLOCK - 1, 1)
@example("normal", 7, 0, 0)
def test_any_part_of_any_stream_is_numpys(kind, entropy, start, count):
    count = min(count, 2**32 * BLOCK - start)
    assert (
        compiled(kind, entropy, start, count).tobytes()
        == by_numpy(kind, entropy, start, count).tobytes()
    )


@pytest.mark.slow
@pytest.mark.parametrize("kind", SAMPLERS)
def test_ten_million_variates_are_numpys(kind):
    # About 150,000 of the normals take the slow path, and 2,600 come from the tail.
    for entropy in range(10):
        actual = compiled(kind, entropy << 99, 12345, 1_000_000)
        assert actual.tobytes() == by_numpy(kind, entropy << 99, 12345, 1_000_000).tobytes()


@pytest.mark.parametrize("kind", SAMPLERS)
@pytest.mark.parametrize(
    "positions",
    [
        Positions.range(0, 10),
        Positions.range(BLOCK - 3, 3 * BLOCK + 5),
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
        found.append(getattr(BlockVariates(NAME, positions), kind)("noise").tobytes())

    assert found[0] == found[1]


def test_can_be_turned_off(monkeypatch):
    monkeypatch.setenv(native.PURE, "1")

    assert not compiled_variates.fill("normal", [1], 0, np.empty((1, 3)))


def test_leaves_block_numbers_beyond_one_word_to_numpy():
    assert not compiled_variates.fill("normal", [1], 2**32 * BLOCK, np.empty((1, 3)))


def test_records_the_linked_numpy():
    # The build with sanitizers does not record it; then the installed NumPy is compared.
    assert native.load(native.Part.VARIATES).NUMPY in {np.__version__, ""}


def test_another_numpy_that_draws_the_same_is_used_with_it(monkeypatch):
    monkeypatch.setattr(np, "__version__", "another")
    compiled_variates.built.cache_clear()
    try:
        assert compiled_variates.built()
    finally:
        compiled_variates.built.cache_clear()


def test_a_part_that_draws_differently_is_not_used(monkeypatch):
    class Other:
        NUMPY = "another"

        @staticmethod
        def normal(entropy, block_size, start, out):
            part = native.load(native.Part.VARIATES)
            part.normal(entropy, block_size, start, out)
            out[-1:] *= -1

        uniform = normal

    monkeypatch.setattr(compiled_variates, "_part", Other)
    compiled_variates.built.cache_clear()
    try:
        assert not compiled_variates.built()
    finally:
        monkeypatch.undo()
        compiled_variates.built.cache_clear()


@pytest.mark.parametrize(
    "arguments",
    [
        (b"short", BLOCK, 0, np.empty(3)),
        (bytes(16), 0, 0, np.empty(3)),
        (bytes(16), BLOCK, 0, np.empty(3, np.float32)),
        (bytes(16), BLOCK, 0, np.empty((3, 3))),
        (bytes(16), BLOCK, 2**32 * BLOCK - 2, np.empty(3)),
    ],
    ids=["entropy", "block", "dtype", "axes", "too far"],
)
def test_refuses_arguments_that_would_write_out_of_bounds(arguments):
    part = native.load(native.Part.VARIATES)

    with pytest.raises(ValueError, match=r"entropy|axis"):
        part.normal(*arguments)


def test_refuses_unwritable_arrays():
    frozen = np.empty(3)
    frozen.flags.writeable = False
    part = native.load(native.Part.VARIATES)

    for out in (frozen, np.empty(6)[::2]):
        with pytest.raises((ValueError, BufferError)):
            part.normal(bytes(16), BLOCK, 0, out)
