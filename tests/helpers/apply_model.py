"""Apply models to arrays: helpers that the tests of models share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from hypothesis import strategies as st

from noisify.core.chunk import BLOCK, Positions
from noisify.core.dtypes import NumberType
from noisify.noise.model import NoiseContext
from noisify.streams.streams import StreamName, StreamVariates

if TYPE_CHECKING:
    from noisify.noise.model import Model

FLOAT64 = NumberType.of_dtype(np.dtype("f8"))
TEXT = NumberType("text", np.dtype(object))
SIZE = 2 * BLOCK + 300
"""A length of more than two blocks, the last of them partial."""
CUTS = st.lists(
    st.one_of(st.integers(0, SIZE), st.sampled_from([BLOCK - 1, BLOCK, 2 * BLOCK])), max_size=4
)
"""Cuts of SIZE elements into chunks: anywhere, and at the edges of blocks."""


def number_types(names: str) -> dict[str, NumberType]:
    """Return number types by name: dtypes, and decimals such as `decimal(9,2)`."""
    found = {}
    for name in names.split():
        if name.startswith("decimal"):
            precision, scale = map(int, name[len("decimal(") : -1].split(","))
            found[name] = NumberType.decimal(precision, scale)
        else:
            found[name] = NumberType.of_dtype(np.dtype(name))
    return found


def some_values(number: NumberType, size: int) -> np.ndarray:
    """Return small values of a number type: -40 to 40, or 0 to 80 if it is unsigned."""
    whole = np.arange(size) * 37 % 81
    shifted = whole if number.dtype.kind == "u" else whole - 40
    if number.kind == "complex":
        return (shifted + 1j * whole).astype(number.dtype)
    return shifted.astype(number.dtype)


def same(one: np.ndarray, other: np.ndarray) -> bool:
    """Return whether two arrays have the same bits (or numbers, for dtypes with padding)."""
    if one.dtype != other.dtype or one.shape != other.shape:
        return False
    if one.dtype.char in "OgG":
        return one.tolist() == other.tolist() if one.dtype == object else bool(np.all(one == other))
    return one.tobytes() == other.tobytes()


def context_for(
    model: Model,
    number: NumberType,
    positions: Positions,
    *,
    field: str = "data",
    seed: int = 7,
    **parts: Any,
) -> NoiseContext:
    """Return a model's context at positions of a field; `parts` are arguments of `NoiseContext`."""

    def stream(name: str) -> StreamVariates:
        return StreamVariates(StreamName(seed, name, model.name), positions)

    return NoiseContext(stream(field), number, others=stream, **parts)


def apply(
    model: Model,
    values: np.ndarray,
    number: NumberType | None = None,
    *,
    start: int = 0,
    field: str = "data",
    seed: int = 7,
    usable: np.ndarray | None = None,
    **companions: np.ndarray,
) -> np.ndarray:
    """Return a chunk of a field with a model's noise; `companions` are other fields' values."""
    number = number or NumberType.of_dtype(values.dtype) or TEXT
    positions = Positions.range(start, start + len(values))
    context = context_for(
        model, number, positions, field=field, seed=seed, usable=usable, companions=companions
    )
    return model.apply(values, context)


def noise(
    model: Model, number: NumberType = FLOAT64, size: int = SIZE, **options: Any
) -> np.ndarray:
    """Return a model's noise alone: what it makes of zeros."""
    return apply(model, np.zeros(size, number.dtype), number, **options)


def check_share(expected: float, hit: np.ndarray) -> None:
    """Check that about so many elements are hit: to 4.5 standard errors of independent hits."""
    error = (expected * (1 - expected) / len(hit)) ** 0.5
    assert abs(hit.mean() - expected) <= 4.5 * error
