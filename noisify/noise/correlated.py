"""Noise that is correlated between fields, like the fields themselves."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from noisify.core.errors import DataError, UsageError
from noisify.core.options import option
from noisify.noise import parameters
from noisify.noise.model import Model, NoiseContext
from noisify.noise.parameters import ParameterError
from noisify.streams.streams import StreamVariates

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from noisify.noise.parameters import Matrix, Words
    from noisify.statistics.survey import FieldStatistics


@dataclass(frozen=True, kw_only=True)
class Correlated(Model):
    """Correlated noise: each row gets x + e, e ~ N(0, share * Cov), Cov the fields' covariance.

    For blurring microdata before they are shared: the noisy fields keep their means and their
    correlations, and every variance and covariance grows by the factor 1 + share. A field's
    correlation with its own noisy copy is 1 / sqrt(1 + share). This is method "correlated" of
    sdcMicro's addNoise, whose noise is share in percent: noise=150 is share 1.5. Kim, "A method
    for limiting disclosure in microdata", 1986; Brand, "Microdata protection through noise
    addition", LNCS 2316, 2002.

    The covariance is that of all chosen fields over the rows in which each of them has a number. It
    divides by the number of rows n, as every statistic here does, where R divides by n - 1. It may
    be singular. A field alone gets normal noise with share as a share of its variance. To
    set another covariance, give one: rows in the order of the fields in the file.
    """

    name: ClassVar[str] = "correlated"
    family: ClassVar[str] = "correlated"
    level: ClassVar[str] = "share"
    multi_field: ClassVar[bool] = True
    example: ClassVar[str] = "-c income,spending -p share=0.1"

    share: float = parameters.number("the noise's covariance over the fields'", 1.0, at_least=0.0)
    fields: Words | None = parameters.texts("the fields, in file order; default: those chosen")
    covariance: Matrix | None = parameters.matrix("covariance of the fields; default: their own")

    def __post_init__(self) -> None:
        """Check that the covariance is valid and fits the fields."""
        super().__post_init__()
        if self.covariance is None:
            return
        root_of(self.covariance)
        if self.fields is not None and len(self.fields) != len(self.covariance):
            raise ParameterError(
                f"covariance of {self.name} has {len(self.covariance)} rows for "
                f"{len(self.fields)} fields",
                "covariance",
            )

    def apply(self, values: NDArray[Any], context: NoiseContext) -> NDArray[Any]:
        """Return values + this field's component of the rows' noise."""
        if self.fields is None or self.covariance is None:
            raise UsageError(f"{self.name} needs the covariance of the fields it works on")
        if context.others is None or not isinstance(context.variates, StreamVariates):
            raise UsageError(f"this model needs noisify's own streams; drop {option('rng')}")
        row = root_of(self.covariance)[self.fields.index(context.variates.name.field)]
        noise = np.zeros(len(values))
        with np.errstate(over="ignore", invalid="ignore"):  # what overflows saturates
            for other, factor in zip(self.fields, row.tolist(), strict=True):
                if factor:
                    noise += factor * context.others(other).normal("noise")
            noise *= math.sqrt(self.share)
            return context.add(values, noise)

    def statistics(self, field: str) -> Mapping[str, frozenset[str]]:
        """Request the covariance of all fields unless it is given."""
        if self.covariance is not None:
            return {}
        return {name: frozenset({"covariance"}) for name in self.fields or (field,)}

    def fitted(self, field: str, statistics: Mapping[str, FieldStatistics]) -> dict[str, Any]:
        """Return the fields and their covariance."""
        fields = self.fields or (field,)
        for one in fields:
            found = statistics[one]
            variance = found.covariance.get(one, 0.0)
            if not math.isfinite(variance) or 0 < found.sd < _LEAST_SD:
                raise DataError(
                    "its variance is beyond what float64 holds; bring it into another unit first",
                    field=one,
                )
        covariance = tuple(
            tuple(float(statistics[one].covariance.get(other, 0.0)) for other in fields)
            for one in fields  # absent where there are no rows
        )
        return {"fields": fields, "covariance": covariance}


_LEAST_SD = 1e-150
"""The square of a smaller standard deviation loses precision in float64."""
SINGULAR = 1e-12
"""The share of a field's variance, left over by the fields before it, that counts as zero."""
TOLERANCE = 1e-5
"""Largest error of a correlation rebuilt from the root; rounding and SINGULAR stay below it."""


@lru_cache(maxsize=64)
def root_of(covariance: Matrix) -> NDArray[np.float64]:
    """Return the Cholesky factor L, L L' = covariance, of a matrix that may be singular.

    Works on the correlations, so that fields in very different units keep their precision. Golub
    and Van Loan, Matrix Computations, 4.2. Its steps are products, sums and roots of single
    elements, so the bits are the same on every machine.

    Raises:
        UsageError: If the matrix is not a covariance matrix: square, finite, symmetric and
            positive semidefinite.
    """
    size = len(covariance)
    if any(len(row) != size for row in covariance):
        raise ParameterError(
            f"covariance of correlated must have {size} numbers in each row", "covariance"
        )
    matrix = np.array(covariance).reshape(size, size)
    if not (np.isfinite(matrix).all() and (matrix == matrix.T).all()):
        raise ParameterError("covariance of correlated must be finite and symmetric", "covariance")
    variances = np.diag(matrix)
    deviations = np.sqrt(np.where(variances > 0, variances, 1.0))
    rest = matrix / deviations / deviations[:, None]
    correlations = rest.copy()
    root = np.zeros((size, size))
    for column in range(size):
        left = rest[column, column]
        if left > SINGULAR:
            root[column:, column] = rest[column:, column] / math.sqrt(left)
            rest -= root[:, column] * root[:, column, None]
    if size and np.abs(root @ root.T - correlations).max() > TOLERANCE:
        raise UsageError(
            "covariance of correlated is not a covariance matrix: some sum of the fields would "
            "have a negative variance"
        )
    root *= deviations[:, None]
    root.setflags(write=False)
    return root
