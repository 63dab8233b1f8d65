"""Densities of noise models, to draw over the histogram of the change."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from noisify.plan.plan import Step


class Law(NamedTuple):
    """A density with its name.

    Attributes:
        title: Its name in the legend.
        of: Returns the density at some values, shape (n,).
    """

    title: str
    of: Callable[[NDArray[np.float64]], NDArray[np.float64]]


def _normal(x: NDArray[np.float64], _: float) -> NDArray[np.float64]:
    return np.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def _logistic(x: NDArray[np.float64], _: float) -> NDArray[np.float64]:
    small = np.exp(-np.abs(x))
    return np.asarray(small / (1 + small) ** 2)


def _student_t(x: NDArray[np.float64], df: float) -> NDArray[np.float64]:
    log = math.lgamma((df + 1) / 2) - math.lgamma(df / 2) - math.log(df * math.pi) / 2
    return np.asarray(np.exp(log - (df + 1) / 2 * np.log1p(x * x / df)))


_STANDARD: dict[str, Callable[[NDArray[np.float64], float], NDArray[np.float64]]] = {
    "normal": _normal,
    "laplace": lambda x, _: np.exp(-np.abs(x)) / 2,
    "uniform": lambda x, _: np.where(np.abs(x) <= 1, 0.5, 0.0),
    "cauchy": lambda x, _: 1 / (math.pi * (1 + x * x)),
    "logistic": _logistic,
    "student-t": _student_t,
}
"""Densities at scale 1 and loc 0: Johnson, Kotz and Balakrishnan (1994, 1995), "Continuous
Univariate Distributions"."""


def of_steps(steps: Sequence[Step]) -> Law | None:
    """Return the density of a field's noise, or None if it is not one model of absolute scale."""
    if len(steps) != 1:
        return None
    model = steps[0].model
    standard = _STANDARD.get(model.name)
    scale = getattr(getattr(model, "scale", None), "value", None)
    if standard is None or not scale:
        return None
    loc, df = float(getattr(model, "loc", 0.0)), float(getattr(model, "df", 0.0))
    return Law(
        f"density of {model.name}", lambda x: np.asarray(standard((x - loc) / scale, df) / scale)
    )


def normal(mean: float, sd: float) -> Law | None:
    """Return the normal density of a mean and an sd, or None if the sd is not above 0."""
    if not 0 < sd < math.inf:
        return None
    return Law("normal of the same sd", lambda x: np.asarray(_normal((x - mean) / sd, 0.0) / sd))
