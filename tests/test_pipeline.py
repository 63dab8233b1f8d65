"""The map that keeps the order of its items, and no more of them than it has to."""

import gc
import weakref

import pytest

from noisify.pipeline import ordered_map


class Item:
    pass


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 20])
def test_keeps_the_order(jobs: int, count: int) -> None:
    assert list(map(str, range(count))) == list(ordered_map(str, range(count), jobs))


@pytest.mark.parametrize("jobs", [1, 2])
def test_lets_go_of_the_items_that_are_done(jobs: int) -> None:
    made = []

    def items():
        for _ in range(20):
            item = Item()
            made.append(weakref.ref(item))
            yield item
            del item

    results = ordered_map(lambda _: None, items(), jobs)
    for _ in range(10):
        next(results)
    gc.collect()

    assert [None] * 8 == [item() for item in made[:8]]
    results.close()
