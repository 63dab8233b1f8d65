"""A noisy view of a data set: item i in epoch e has the same noise, whoever reads it."""

import multiprocessing
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from noisify import NoisifyWarning, Noisy, UsageError, add_noise, models

ZEROS = np.zeros((4, 3))
PAIRS = [(row, label) for label, row in enumerate(ZEROS)]
START_METHODS = sorted(set(multiprocessing.get_all_start_methods()) & {"fork", "spawn"})


class Pair(NamedTuple):
    x: object
    y: int


class Images:
    """A data set as torch has them."""

    classes = ("cat", "dog")

    def __len__(self):
        return 4

    def __getitem__(self, index):
        return ZEROS[index], index % 2

    def subset(self):
        return self


class PyDataset:
    """Stands in for Keras's class of this name."""

    workers = 2

    @property
    def num_batches(self):
        return len(self)

    def on_epoch_end(self):
        self.ended = getattr(self, "ended", 0) + 1


class Batches(PyDataset):
    def __len__(self):
        return 2

    def __getitem__(self, index):
        return ZEROS[2 * index : 2 * index + 2], [0, 1]


class Tensor:
    """Has of a torch tensor what noise needs."""

    def __init__(self, array, device="cpu"):
        self.array, self.device = np.asarray(array), device

    def detach(self):
        return self

    def cpu(self):
        return Tensor(self.array)

    def numpy(self):
        assert self.device == "cpu"
        return self.array

    def new_tensor(self, array):
        return Tensor(array, self.device)


def same(first, second):
    return np.array_equal(first, second)


class TestAnItem:
    def test_has_noise_of_its_own(self):
        noisy = Noisy(ZEROS, scale=1, seed=1)

        assert len({tuple(row) for row in noisy}) == 4

    @pytest.mark.parametrize("epoch", [0, 3])
    def test_has_the_noise_of_add_noise(self, epoch):
        noisy = Noisy(ZEROS, "laplace", scale=1, seed=1, epoch=epoch)

        expected = add_noise(ZEROS[2], "laplace", scale=1, seed=1, file="2", replicate=epoch)
        assert same(expected, noisy[2])

    def test_has_the_noise_of_its_data_set(self):
        noisy = Noisy(ZEROS, scale=1, seed=1, file="train")

        assert same(add_noise(ZEROS[2], scale=1, seed=1, file="train/2"), noisy[2])
        assert not same(Noisy(ZEROS, scale=1, seed=1, file="test")[2], noisy[2])

    @pytest.mark.parametrize("index", [2, -2, np.int64(2), np.uint8(2)])
    def test_is_found_by_any_whole_number(self, index):
        noisy = Noisy(ZEROS, scale=1, seed=1)

        assert same(noisy[2], noisy[index])

    def test_is_found_by_name(self):
        noisy = Noisy({"day1": ZEROS}, scale=1, seed=1)

        assert same(add_noise(ZEROS, scale=1, seed=1, file="day1"), noisy["day1"])

    def test_does_not_depend_on_the_order(self):
        noisy = Noisy(ZEROS, scale=1, seed=1)

        backwards = [noisy[i] for i in reversed(range(4))]
        assert same(list(noisy), backwards[::-1])

    def test_leaves_the_data_set_as_it_is(self):
        data = ZEROS.copy()
        list(Noisy(data, scale=1))

        assert same(ZEROS, data)


class TestEpochs:
    def test_have_noise_of_their_own(self):
        noisy = Noisy(ZEROS, scale=1, seed=1)
        first = list(noisy)
        noisy.set_epoch(1)
        second = list(noisy)
        noisy.set_epoch(0)

        assert not np.isin(first, second).any()
        assert same(first, list(noisy))

    def test_go_on_with_keras(self):
        batches = Batches()
        noisy = Noisy(batches, scale=1, seed=1)
        noisy.on_epoch_begin()
        noisy.on_epoch_end()

        assert noisy.epoch == 1
        assert batches.ended == 1

    @pytest.mark.parametrize("epoch", [-1, 1.5, "1", None])
    def test_are_counted_from_0(self, epoch):
        with pytest.raises(UsageError, match="epoch"):
            Noisy(ZEROS).set_epoch(epoch)


def told(noisy, questions, answers):
    for index in iter(questions.get, None):
        answers.put(noisy[index][0])


class TestWorkers:
    def test_in_threads_give_the_same(self):
        noisy = Noisy(PAIRS * 10, scale=1, seed=1)

        with ThreadPoolExecutor(4) as pool:
            found = [row for row, _ in pool.map(noisy.__getitem__, range(40))]
        assert same([row for row, _ in noisy], found)

    def test_with_a_copy_give_the_same(self):
        noisy = Noisy(Images(), scale=1, seed=1, epoch=2)

        copy = pickle.loads(pickle.dumps(noisy))  # noqa: S301 - our own

        assert copy.epoch == 2
        assert same(noisy[3][0], copy[3][0])

    @pytest.mark.slow  # seconds: each worker starts Python
    @pytest.mark.parametrize("method", START_METHODS)
    def test_that_live_on_see_the_next_epoch(self, method):
        noisy = Noisy(Images(), scale=1, seed=1)
        context = multiprocessing.get_context(method)
        questions, answers = context.Queue(), context.Queue()
        worker = context.Process(target=told, args=(noisy, questions, answers))
        worker.start()
        for epoch in (0, 5):
            noisy.set_epoch(epoch)
            questions.put(1)
            assert same(noisy[1][0], answers.get(timeout=60))
        questions.put(None)
        worker.join(60)
        assert worker.exitcode == 0


class TestParts:
    def test_of_a_tuple_the_first_gets_noise(self):
        x, y = Noisy(PAIRS, scale=1, seed=1)[3]

        assert same(Noisy(ZEROS, scale=1, seed=1)[3], x)
        assert y == 3

    def test_of_a_named_tuple_likewise(self):
        assert isinstance(Noisy([Pair(0.0, 1)], scale=1)[0], Pair)

    @pytest.mark.parametrize(
        ("item", "part", "kept"),
        [
            ((1, 2.0, "a"), 1, (1, "a")),
            ([1, 2.0, "a"], 1, (1, "a")),
            ({"x": 2.0, "y": 1}, "x", (1,)),
            ((1, 2.0), -1, (1,)),
        ],
        ids=str,
    )
    def test_one_is_chosen(self, item, part, kept):
        noisy = Noisy([item], scale=1, seed=1, part=part)[0]

        assert type(noisy) is type(item)
        values = list(noisy.values()) if isinstance(item, dict) else list(noisy)
        assert [value for value in values if not isinstance(value, float)] == list(kept)
        assert 2.0 not in values

    @pytest.mark.parametrize(
        ("item", "part", "message"),
        [
            ({"x": 1.0, "y": 2}, None, "item 0: it is a mapping of x, y; say which gets noise"),
            ({"x": 1.0}, "z", "item 0: a dict has no part 'z'"),
            ((1.0,), 1, "item 0: a tuple has no part 1"),
            ((1.0,), "x", "item 0: a tuple has no part 'x'"),
            (1.0, 0, "item 0: a float has no part 0"),
            ([1.0, [2.0]], None, "item 0: it is a list of unlike parts"),
            ("text", None, "item 0: data is of type str"),
            (("text", 1), None, "item 0: data is of type str"),
        ],
        ids=str,
    )
    def test_a_wrong_one_is_named(self, item, part, message):
        with pytest.raises(UsageError, match=message):
            Noisy([item], part=part)[0]


class TestKindsOfItems:
    @pytest.mark.parametrize(
        "item",
        [
            1.5,
            np.float32(1.5),
            [1.5, 2.5],
            np.ones((2, 3), "f4"),
            pd.DataFrame({"x": [1.5, 2.5]}),
            pd.Series([1.5, 2.5]),
            pl.DataFrame({"x": [1.5, 2.5]}),
            pa.table({"x": [1.5, 2.5]}),
        ],
        ids=lambda item: f"{type(item).__module__}.{type(item).__name__}",
    )
    def test_come_back_as_what_they_are(self, item):
        noisy = Noisy([item], scale=1, seed=1)[0]

        assert type(noisy) is type(item)
        assert not np.array_equal(np.asarray(noisy), np.asarray(item))

    def test_tensors_too(self):
        noisy = Noisy([(Tensor([1.5, 2.5], "cuda"), 1)], scale=1, seed=1)[0][0]

        assert isinstance(noisy, Tensor)
        assert noisy.device == "cuda"
        expected = add_noise(np.array([1.5, 2.5]), scale=1, seed=1, file="0")
        assert same(expected, noisy.array)

    def test_whole_numbers_stay_whole(self):
        noisy = Noisy([7], scale=5, seed=2)[0]

        assert type(noisy) is int
        assert noisy != 7

    def test_warn_where_nothing_changes(self):
        with pytest.warns(NoisifyWarning, match="item 0: field 'data': nothing changed") as found:
            Noisy([7], scale=0.1, seed=1)[0]
        assert found[0].filename == __file__


class TestTheView:
    def test_is_as_long_as_the_data_set(self):
        assert len(Noisy(PAIRS)) == 4

    def test_ends_where_a_data_set_without_a_length_ends(self):
        class Endless:
            def __getitem__(self, index):
                return PAIRS[index]

        assert len(list(Noisy(Endless(), scale=1))) == 4

    def test_has_the_data_sets_attributes_but_no_method_that_would_lose_the_noise(self):
        noisy = Noisy(Images())

        assert noisy.classes == ("cat", "dog")
        with pytest.raises(AttributeError, match="a noisy view has no 'subset'"):
            noisy.subset()
        with pytest.raises(AttributeError, match="colour"):
            _ = noisy.colour

    def test_is_taken_by_keras(self):
        noisy = Noisy(Batches(), scale=1, seed=1)

        assert isinstance(noisy, PyDataset)
        assert (noisy.workers, noisy.num_batches) == (2, 2)
        assert isinstance(pickle.loads(pickle.dumps(noisy)), PyDataset)  # noqa: S301 - our own

    def test_of_anything_else_is_only_itself(self):
        assert not isinstance(Noisy([1.0]), list)
        assert isinstance(Noisy([1.0]), Noisy)

    def test_says_what_it_is(self):
        assert repr(Noisy([1.0], seed=7, epoch=2)) == "<Noisy list, seed 7, epoch 2>"

    def test_draws_one_seed(self):
        noisy = Noisy([1.0], scale=1)

        assert noisy[0] == noisy[0] != Noisy([1.0], scale=1)[0]
        assert noisy[0] == Noisy([1.0], scale=1, seed=noisy.seed)[0]

    def test_takes_models_and_recipes(self):
        recipe = {"seed": 3, "noise": [{"model": "laplace", "scale": 1}]}

        assert same(
            Noisy(ZEROS, models.Laplace(scale=1), seed=3)[1], Noisy(ZEROS, recipe=recipe)[1]
        )

    def test_can_be_of_a_view(self):
        twice = Noisy(Noisy(ZEROS, scale=1, seed=1), scale=1, seed=2)

        assert same(
            add_noise(Noisy(ZEROS, scale=1, seed=1)[1], scale=1, seed=2, file="1"), twice[1]
        )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Noisy(5), "data set 5 has no items by number"),
        (lambda: Noisy(iter([1.0])), "has no items by number"),
        (lambda: Noisy([1.0], "nromal"), "no model is called 'nromal'; did you mean 'normal'"),
        (lambda: Noisy([1.0], epoch=-1), "epoch -1 is not a whole number"),
        (lambda: Noisy([1.0])[0:1], "is not one item; give a number"),
        (lambda: Noisy([1.0])[0.5], "item 0.5 is not one item"),
        (
            lambda: Noisy([1.0], recipe={"rng": "numpy", "noise": [{"model": "normal"}]}),
            "items get noise of their own; drop rng 'numpy'",
        ),
    ],
)
def test_a_mistake_is_one_line(make, message):
    with pytest.raises(UsageError, match=message):
        make()


@pytest.mark.parametrize("index", [1, -2])
def test_an_item_that_is_not_there_is_an_index_error(index):
    with pytest.raises(IndexError):
        Noisy([1.0])[index]


def test_no_framework_is_imported():
    code = (
        "import sys\nfrom noisify import Noisy\nNoisy([(1.0, 2)], scale=1)[0]\n"
        "print({'torch', 'keras', 'tensorflow', 'pandas', 'pyarrow', 'h5py'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
