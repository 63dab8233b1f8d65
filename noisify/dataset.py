"""A noisy view of a data set: the same noise for an item in an epoch, whichever worker loads it."""

from __future__ import annotations

import itertools
import operator
import warnings
from collections.abc import Mapping
from dataclasses import replace
from multiprocessing import context, sharedctypes
from numbers import Number
from typing import TYPE_CHECKING, Any, SupportsIndex

import numpy as np

from noisify.api import noisy_copy
from noisify.core.errors import NoisifyError, NoisifyWarning, UsageError, shown
from noisify.core.values import read_count
from noisify.plan.request import NoiseOptions, request_from, show_options

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Unpack

    from noisify.plan.model_names import ModelName
    from noisify.plan.model_spec import ModelSpec
    from noisify.plan.plan import Request


class Noisy:
    """A view of a data set whose items get noise when they are read.

    Item i in epoch e has the noise of `add_noise(item, seed=…, file=str(i), replicate=e)`: always
    the same, in whatever order items are read, and whichever worker reads them. The data set is
    not changed, and no framework is imported.

    Args:
        dataset: Anything with items by number or name: a list, an array, a torch `Dataset`, a
            Keras `PyDataset` (an item is then a batch).
        model: See `add_noise`.
        part: Which part of an item gets noise: the number of one in a tuple or a list, or a key of
            a mapping. Default: the first of a tuple, or else the item itself.
        decimals: See `add_noise`.
        seed: See `add_noise`. Without one, a seed is drawn once, for the view.
        file: A name for the data set, such as "train"; another has other noise. Item i has then the
            noise of `file="train/i"`.
        epoch: The epoch to start with.
        **options: Which noise, and on which fields, as for `add_noise`: from `scale` to `key`.
            Levels such as "0.1sd" and `snr` are of each item by itself; give a number for the same
            level everywhere.

    Attributes:
        dataset: The data set, without noise.
        seed: The seed.

    NumPy arrays, tables and numbers come back as what they are, and torch tensors as tensors on
    their device; a list of numbers comes back as a list, anything else with `__array__` as a NumPy
    array.

    >>> from noisify import Noisy
    >>> noisy = Noisy([(0.0, "a"), (0.0, "b")], scale=1, seed=42)
    >>> noisy[1] == noisy[-1] == list(noisy)[1] != noisy[0]
    True
    >>> before = noisy[0]
    >>> noisy.set_epoch(1)
    >>> before == noisy[0]
    False
    """

    @show_options
    def __init__(
        self,
        dataset: Any,
        model: ModelName | ModelSpec | None = None,
        *,
        part: int | str | None = None,
        decimals: int | None = None,
        seed: SupportsIndex | None = None,
        file: str | None = None,
        epoch: SupportsIndex = 0,
        **options: Unpack[NoiseOptions],
    ) -> None:
        if not hasattr(dataset, "__getitem__"):
            raise UsageError(
                f"data set {shown(dataset)} has no items by number; give a list, an array, or a "
                "data set with __getitem__"
            )
        request = request_from(options, model=model, decimals=decimals, seed=seed, file=file)
        if request.rng != "noisify":
            raise UsageError(f"items get noise of their own; drop rng {request.rng!r}")
        self._set(dataset, request, part, read_count("epoch", epoch, 0))

    def __getitem__(self, index: SupportsIndex | str) -> Any:
        """Return an item with its noise in this epoch."""
        key = self._key(index)
        name = f"{self._request.file}/{key}" if self._request.file else str(key)
        request = replace(self._request, file=name, replicate=self.epoch)
        notes: list[str] = []

        def noisy(value: object) -> object:
            result, found = noisy_copy(value, request, 1)
            notes.extend(found)
            return result

        try:
            found = _with_noise(self.dataset[key], self._part, noisy)
        except NoisifyError as error:
            raise error.at(f"item {key}") from None
        for note in notes:
            warnings.warn(f"item {key}: {note}", NoisifyWarning, stacklevel=2)
        return found

    def __len__(self) -> int:
        """Return the number of items."""
        return len(self.dataset)

    def __iter__(self) -> Iterator[Any]:
        """Yield the items in order."""
        if hasattr(self.dataset, "__len__"):
            yield from (self[index] for index in range(len(self)))
            return
        for index in itertools.count():
            try:
                item = self[index]
            except IndexError:
                return
            yield item

    def __repr__(self) -> str:
        """Return the view with its seed and epoch."""
        kind = type(self.dataset).__name__
        return f"<Noisy {kind}, seed {self.seed}, epoch {self.epoch}>"

    @property
    def epoch(self) -> int:
        """The epoch; workers see it at once."""
        return int(self._epoch.value)

    def set_epoch(self, epoch: SupportsIndex) -> None:
        """Set the epoch, from 0: each has noise of its own."""
        self._epoch.value = read_count("epoch", epoch, 0)

    def on_epoch_begin(self) -> None:
        """Tell the data set that an epoch begins, for Keras."""
        getattr(self.dataset, "on_epoch_begin", _nothing)()

    def on_epoch_end(self) -> None:
        """Tell the data set that an epoch ends, for Keras, and go on to the next."""
        getattr(self.dataset, "on_epoch_end", _nothing)()
        self.set_epoch(self.epoch + 1)

    @property  # type: ignore[misc]  # read only, as weak proxies have it
    def __class__(self) -> type:
        """The data set's class for a Keras `PyDataset`, since Keras takes no other."""
        kind = type(self.dataset)
        return kind if any(base.__name__ == "PyDataset" for base in kind.__mro__) else Noisy

    def __getattr__(self, name: str) -> Any:
        """Return an attribute of the data set; its methods would return items without noise."""
        if name.startswith("_") or callable(value := getattr(self.dataset, name)):
            raise AttributeError(f"a noisy view has no {name!r}; its attribute dataset may have it")
        return value

    def __reduce__(self) -> tuple[Any, ...]:
        """Support pickle; a worker that is being started shares the epoch."""
        shared = context.get_spawning_popen() is not None
        epoch = self._epoch if shared else self.epoch
        return _made_again, (self.dataset, self._request, self._part, epoch)

    def _set(self, dataset: Any, request: Request, part: int | str | None, epoch: Any) -> None:
        self.dataset = dataset
        self.seed = request.seed
        self._request = request
        self._part = part
        self._epoch = sharedctypes.RawValue("q", epoch) if isinstance(epoch, int) else epoch

    def _key(self, index: object) -> int | str:
        """Return the number of an item from the start, or its name."""
        if isinstance(index, str):
            return index
        try:
            number = operator.index(index)  # type: ignore[arg-type]
        except TypeError:
            raise UsageError(
                f"item {shown(index)} is not one item; give a number, or use dataset for several"
            ) from None
        if number >= 0:
            return number
        if number + len(self) < 0:
            raise IndexError(f"item {number} of {len(self)}")
        return number + len(self)


def _made_again(*state: Any) -> Noisy:
    made = Noisy.__new__(Noisy)
    made._set(*state)  # noqa: SLF001 - of the class above
    return made


def _nothing() -> None:
    """Stand in for a method that a data set does not have."""


def _with_noise(
    item: Any,
    part: int | str | None,
    noisy: Callable[[object], object],
) -> object:
    """Return an item with noise in a part of it."""
    if part is None and isinstance(item, tuple) and item:
        part = 0
    if part is None and isinstance(item, Mapping):
        keys = ", ".join(map(str, item))
        raise UsageError(f"it is a mapping of {keys}; say which gets noise, part=…")
    if part is None:
        return _noisy_value(item, noisy)
    changed = _noisy_value(_part_of(item, part), noisy)
    if isinstance(item, Mapping):
        return {**item, part: changed}
    parts = list(item)
    parts[operator.index(part)] = changed  # type: ignore[arg-type]  # texts are of mappings
    if isinstance(item, tuple):
        return type(item)(*parts) if hasattr(item, "_fields") else tuple(parts)
    return parts


def _part_of(item: Any, part: int | str) -> object:
    """Return a part of an item, which must be a mapping, a tuple or a list."""
    if isinstance(item, Mapping | tuple | list):
        try:
            return item[part]  # type: ignore[index]
        except (KeyError, IndexError, TypeError):
            pass
    raise UsageError(f"a {type(item).__name__} has no part {part!r}")


def _noisy_value(value: Any, noisy: Callable[[object], object]) -> object:
    """Return a value with noise, of the same type where that needs no framework."""
    if hasattr(value, "new_tensor"):  # torch's
        return value.new_tensor(noisy(value.detach().cpu().numpy()))
    if isinstance(value, Number | list):
        try:
            array = np.asarray(value)
        except ValueError:
            raise UsageError("it is a list of unlike parts; say which gets noise, part=0") from None
        changed: Any = noisy(array)
        return changed[()] if isinstance(value, np.generic) else changed.tolist()
    if hasattr(value, "__array__") and not isinstance(value, np.ndarray) and not _is_table(value):
        value = np.asarray(value)
    return noisy(value)


def _is_table(value: object) -> bool:
    """Return whether a value is a table or a column of one, which `add_noise` takes as it is."""
    return any(hasattr(value, name) for name in ("__arrow_c_stream__", "__arrow_c_array__", "iloc"))
