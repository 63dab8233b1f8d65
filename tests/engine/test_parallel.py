"""The map that keeps the order of its items, and no more of them than it has to."""

import gc
import time
import weakref

import pytest

from noisify.engine.parallel import ordered_map


class Item:
    pass


@pytest.mark.parametrize("together", [1, 3, 8])
@pytest.mark.parametrize("jobs", [1, 2, 5])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 20, 200])
def test_keeps_the_order(jobs: int, count: int, together: int) -> None:
    results = ordered_map(str, range(count), jobs, together=together)
    assert list(map(str, range(count))) == list(results)


@pytest.mark.parametrize("together", [1, 3])
@pytest.mark.parametrize("jobs", [1, 2])
def test_lets_go_of_the_items_that_are_done(jobs: int, together: int) -> None:
    made = []

    def items():
        for _ in range(40):
            item = Item()
            made.append(weakref.ref(item))
            yield item
            del item

    results = ordered_map(lambda _: None, items(), jobs, together=together)
    for _ in range(20):
        next(results)
    gc.collect()

    assert [None] * 18 == [item() for item in made[:18]]
    results.close()


@pytest.mark.parametrize("together", [1, 3])
@pytest.mark.parametrize("jobs", [1, 2])
def test_lets_go_of_the_results_that_were_taken(jobs: int, together: int) -> None:
    results = ordered_map(lambda _: Item(), range(40), jobs, together=together)
    taken = [weakref.ref(next(results)) for _ in range(20)]
    gc.collect()

    assert [None] * 19 == [item() for item in taken[:19]]
    results.close()


def test_items_that_are_handed_over_together_are_not_begun_after_a_failure() -> None:
    begun = []

    def work(item: int) -> None:
        if item == 500:
            raise ValueError(item)
        if item > 500:
            begun.append(item)
            time.sleep(0.5)  # it is known by then that there was a failure

    with pytest.raises(ValueError, match="500"):
        list(ordered_map(work, range(1000), 2, together=50))

    assert len(begun) <= 3
