"""Noise that replaces labels, or moves values to another place."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from noisify.core.chunk import BLOCK
from noisify.core.errors import UsageError
from noisify.noise import parameters
from noisify.noise.model import ANYTHING, LABELS, NoiseContext, RateModel
from noisify.noise.parameters import ParameterError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from noisify.noise.level import Rate
    from noisify.noise.parameters import Words
    from noisify.statistics.survey import FieldStatistics

_SLACK = 1e-9
"""How far a row of probabilities typed in decimals may exceed 1."""
_TRUTH = {"true": True, "false": False}


@dataclass(frozen=True)
class Labels:
    """Distinct labels in the dtype of a field.

    Attributes:
        values: Shape (k,), in the order they were given.
    """

    values: NDArray[Any]

    def find(self, wanted: NDArray[Any]) -> NDArray[np.int64]:
        """Return the index of each of `wanted` among the k labels, shape (n,); k if not there."""
        count = len(self.values)
        if self.values.dtype.kind == "O":
            index = self._index
            return np.fromiter((index.get(text, count) for text in wanted), np.int64, len(wanted))
        if not count:
            return np.zeros(len(wanted), np.int64)
        order, ranked = self._ranked
        at = np.minimum(np.searchsorted(ranked, wanted), count - 1)
        return np.where(ranked[at] == wanted, order[at], count)

    @cached_property
    def _index(self) -> dict[str, int]:
        return {text: i for i, text in enumerate(self.values)}

    @cached_property
    def _ranked(self) -> tuple[NDArray[np.int64], NDArray[Any]]:
        order = np.argsort(self.values)
        return order, self.values[order]


@lru_cache(maxsize=64)
def labels(texts: tuple[str, ...], dtype: np.dtype[Any]) -> Labels:
    """Convert labels from texts to the dtype of a field, without duplicates.

    Raises:
        UsageError: If a field of this dtype cannot hold one of them.
    """
    made = dict.fromkeys(_label(text, dtype) for text in texts)
    values = np.empty(len(made), dtype)
    values[:] = list(made)
    return Labels(values)


def _label(text: str, dtype: np.dtype[Any]) -> object:
    if dtype.kind == "O":
        return text
    try:
        return _TRUTH[text.casefold()] if dtype.kind == "b" else dtype.type(int(text))
    except (KeyError, ValueError, OverflowError):
        raise UsageError(f"{text!r} is not a label that {dtype} values can hold") from None


@dataclass(frozen=True, kw_only=True)
class LabelFlip(RateModel):
    """Label noise: a label that is hit becomes another one of the field's.

    Without a matrix the noise is uniform (symmetric): each other value of the field is equally
    likely, P(noisy = b | true = a) = rate / (k - 1) among k values; a bool becomes the other one.
    With a matrix it is class-conditional: "a>b=0.2|a>c=0.1" means P(noisy = b | true = a) = 0.2
    and so on. Otherwise the label stays; the rate (1 unless given) multiplies all probabilities.
    For the study of learning with noisy labels: Angluin and Laird (1988), "Learning from noisy
    examples"; the matrix is T of Patrini et al. (2017), "Making deep neural networks robust to
    label noise".

    A field with only one value stays as it is (unless it is a bool).
    """

    name: ClassVar[str] = "label-flip"
    family: ClassVar[str] = "labels"
    takes: ClassVar[frozenset[str]] = LABELS
    example: ClassVar[str] = "-c species --rate 5%"

    rate: Rate = parameters.rate("share of the labels hit: 0.05, or 1 with a matrix")
    values: Words | None = parameters.texts("the labels to choose from; left out: the field's")
    matrix: str | None = parameters.text("P(noisy = b | true = a) as a>b=0.2|a>c=0.1|b>a=0.05")

    def __post_init__(self) -> None:
        """Fill in the rate and check the matrix."""
        if self.rate is None:
            object.__setattr__(self, "rate", 0.05 if self.matrix is None else 1.0)
        super().__post_init__()
        if self.matrix is None:
            return
        if self.values is not None:
            raise ParameterError("label-flip takes either values or a matrix", "values", "matrix")
        for label, row in self.rows.items():
            if math.fsum(row.values()) > 1 + _SLACK:
                raise ParameterError(
                    f"the probabilities of {label!r} in the matrix of label-flip add up to "
                    f"{math.fsum(row.values()):g}, more than 1",
                    "matrix",
                )

    @cached_property
    def rows(self) -> dict[str, dict[str, float]]:
        """The matrix: by true label, what it becomes and how probably.

        Raises:
            UsageError: If it cannot be read.
        """
        rows: dict[str, dict[str, float]] = {}
        for entry in (self.matrix or "").split("|"):
            pair, _, typed = entry.rpartition("=")
            label, arrow, other = pair.partition(">")
            try:
                share = float(typed)
            except ValueError:
                share = -1.0
            if not arrow or not 0 <= share <= 1:
                raise ParameterError(
                    f"{entry!r} in the matrix of label-flip is not like a>b=0.2 with a share "
                    "from 0 to 1",
                    "matrix",
                )
            row = rows.setdefault(label.strip(), {})
            if other.strip() in row:
                raise ParameterError(f"the matrix of label-flip names {pair!r} twice", "matrix")
            row[other.strip()] = share
        return rows

    def statistics(self, field: str) -> Mapping[str, frozenset[str]]:
        """Request the field's values unless they or a matrix are given."""
        return {field: frozenset({"values"})} if self.values is None and self.matrix is None else {}

    def fitted(self, field: str, statistics: Mapping[str, FieldStatistics]) -> dict[str, Any]:
        """Return the field's values."""
        return {"values": tuple(str(value) for value, _ in statistics[field].values)}

    def apply(self, values: NDArray[Any], context: NoiseContext) -> NDArray[Any]:
        """Return the labels, with those hit replaced."""
        hit, other = context.variates.uniform("hit"), context.variates.uniform("other")
        if self.matrix is not None:
            return self._by_matrix(values, hit, other)
        if values.dtype.kind == "b":
            return np.asarray(values ^ (hit < self.rate))
        if self.values is None:
            raise UsageError("label-flip needs the values of the whole field")
        known, where = labels(self.values, values.dtype), np.flatnonzero(hit < self.rate)
        own = known.find(values[where])
        others = len(known.values) - (own < len(known.values))
        where, own, others = (array[others > 0] for array in (where, own, others))
        choice = (other[where] * others).astype(np.int64)
        choice += choice >= own  # skip its own label
        noisy = values.copy()
        noisy[where] = known.values[choice]
        return noisy

    def _by_matrix(
        self, values: NDArray[Any], hit: NDArray[np.float64], other: NDArray[np.float64]
    ) -> NDArray[Any]:
        noisy = values.copy()
        for label, row in self.rows.items():
            rising = np.cumsum(list(row.values()))
            is_label = values == labels((label,), values.dtype).values[0]
            where = np.flatnonzero(is_label & (hit < self.rate * rising[-1]))
            choice = np.searchsorted(rising, other[where] * rising[-1], side="right")
            become = [labels((text,), values.dtype).values for text in row]
            noisy[where] = np.concatenate(become)[choice]
        return noisy


@dataclass(frozen=True, kw_only=True)
class CategorySwap(RateModel):
    """Two labels mistaken for each other: where it hits, a becomes b and b becomes a.

    Pair noise, as of an annotator who mixes up two classes. By default a and b are the field's two
    most frequent labels (of equally frequent ones, the first in the alphabet). Labels other than a
    and b stay, so the share of the field that changes is rate * (the share of a and b). A kind of
    the pair flipping of Han et al. (2018), "Co-teaching".

    A field with fewer than two labels stays as it is.
    """

    name: ClassVar[str] = "category-swap"
    family: ClassVar[str] = "labels"
    takes: ClassVar[frozenset[str]] = LABELS
    example: ClassVar[str] = "-c species --rate 5% -p a=setosa -p b=virginica"

    rate: Rate = parameters.rate("share of the elements that are hit", 0.05)
    a: str | None = parameters.text("one label; left out: the most frequent one")
    b: str | None = parameters.text("the other label; left out: the most frequent one but a")

    def __post_init__(self) -> None:
        """Check that there are two labels."""
        super().__post_init__()
        if self.a is not None and self.a == self.b:
            raise ParameterError(
                f"category-swap needs two different labels, not {self.a!r} twice", "a", "b"
            )

    def statistics(self, field: str) -> Mapping[str, frozenset[str]]:
        """Request the field's values unless both labels are given."""
        return {field: frozenset({"values"})} if self.a is None or self.b is None else {}

    def fitted(self, field: str, statistics: Mapping[str, FieldStatistics]) -> dict[str, Any]:
        """Return the most frequent labels."""
        counted = sorted((-count, str(value)) for value, count in statistics[field].values)
        frequent = iter([text for _, text in counted if text not in {self.a, self.b}])
        return {name: next(frequent, None) for name in "ab" if getattr(self, name) is None}

    def apply(self, values: NDArray[Any], context: NoiseContext) -> NDArray[Any]:
        """Return the labels, with a and b swapped where hit."""
        noisy, hit = values.copy(), context.hit(self.rate)
        if self.a is None or self.b is None:
            return noisy
        a, b = (labels((text,), values.dtype).values[0] for text in (self.a, self.b))
        noisy[hit & (values == a)] = b
        noisy[hit & (values == b)] = a
        return noisy


@dataclass(frozen=True, kw_only=True)
class Shuffle(RateModel):
    """Values in the wrong place: those hit change places with others hit in the same window.

    The field is cut into windows of equal length. The elements hit in a window form a random cycle:
    in random order, each takes the value of the next, and the last that of the first, so no value
    keeps its place. The field's values, their distribution and every window's mean stay exactly the
    same; their relation to neighbours and other fields is lost where it hits. Local data swapping
    (Dalenius and Reiss, 1982, "Data-swapping: a technique for disclosure control").

    Missing values stay where they are, and so does an element that is the only one hit in its
    window.
    """

    name: ClassVar[str] = "shuffle"
    family: ClassVar[str] = "labels"
    takes: ClassVar[frozenset[str]] = ANYTHING
    example: ClassVar[str] = "--rate 10% -p window=64"

    rate: Rate = parameters.rate("share of the elements that are hit", 0.05)
    window: int = parameters.whole(
        f"elements in a window, 2 to {BLOCK}", 256, at_least=2, at_most=BLOCK
    )
    axis: int = parameters.axis()

    @property
    def halo(self) -> int:
        """The length of a window, as a value may come from its other end."""
        return self.window

    def apply(self, values: NDArray[Any], context: NoiseContext) -> NDArray[Any]:
        """Return the values, with those hit permuted within their windows."""
        where, noisy = self.places_hit(context), values.copy()
        if not len(where):
            return noisy
        window = (where + int(context.variates.positions.starts[0])) // self.window
        order = where[np.lexsort((context.variates.uniform("order")[where], window))]
        first = np.flatnonzero(np.diff(window, prepend=-1))  # windows ascend, as `where` does
        source = np.roll(order, -1)
        source[np.append(first[1:], len(order)) - 1] = order[first]
        noisy[order] = values[source]
        return noisy
