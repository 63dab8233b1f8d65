import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noisify.streams.block_seeds import block_generator, block_generators, block_seeds

ENTROPIES = st.one_of(
    st.sampled_from([0, 1, 2**32 - 1, 2**32, 2**64, 2**96, 2**128 - 1]), st.integers(0, 2**128 - 1)
)
BLOCKS = st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=20)


@given(ENTROPIES, BLOCKS)
def test_seeds_are_those_of_numpys_seed_sequence(entropy, blocks):
    expected = [
        np.random.SeedSequence(entropy, spawn_key=(block,)).generate_state(3, np.uint64)
        for block in blocks
    ]

    np.testing.assert_array_equal(expected, block_seeds(entropy, np.array(blocks, np.uint32)))


@pytest.mark.parametrize(
    "blocks",
    [
        pytest.param([], id="none"),
        pytest.param([7], id="one"),
        pytest.param(list(range(100)), id="many"),
        pytest.param([3, 3, 0, 2**32 - 1, 5], id="in-any-order"),
        pytest.param([0, 1, 2, 3, 2**32, 2**40], id="beyond-32-bits"),
    ],
)
def test_generators_draw_what_those_made_one_by_one_draw(blocks):
    found = [g.standard_normal(3).tolist() for g in block_generators(2**100 + 17, blocks)]

    assert [block_generator(2**100 + 17, b).standard_normal(3).tolist() for b in blocks] == found


def test_generators_may_be_used_after_the_next_one_was_made():
    first, second, *_ = list(block_generators(5, range(8)))

    assert first.standard_normal() == block_generator(5, 0).standard_normal()
    assert second.standard_normal() == block_generator(5, 1).standard_normal()
