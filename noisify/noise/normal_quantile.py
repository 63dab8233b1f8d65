"""The normal distribution's quantiles: one normal variate from one uniform."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from noisify.kernels.elementary import log

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

_CENTRE = 0.425
"""The first of the three approximations holds up to this distance from one half."""
_TAIL = 5.0
"""The third holds from this sqrt(-log p) on: p below 1.4e-11."""

# Numerator and denominator of each approximation, the highest power first.
_CENTRAL = (
    (
        2.5090809287301226727e3, 3.3430575583588128105e4, 6.7265770927008700853e4,
        4.5921953931549871457e4, 1.3731693765509461125e4, 1.9715909503065514427e3,
        1.3314166789178437745e2, 3.3871328727963666080e0,
    ),
    (
        5.2264952788528545610e3, 2.8729085735721942674e4, 3.9307895800092710610e4,
        2.1213794301586595867e4, 5.3941960214247511077e3, 6.8718700749205790830e2,
        4.2313330701600911252e1, 1.0,
    ),
)  # fmt: skip
_OUTER = (
    (
        7.74545014278341407640e-4, 2.27238449892691845833e-2, 2.41780725177450611770e-1,
        1.27045825245236838258e0, 3.64784832476320460504e0, 5.76949722146069140550e0,
        4.63033784615654529590e0, 1.42343711074968357734e0,
    ),
    (
        1.05075007164441684324e-9, 5.47593808499534494600e-4, 1.51986665636164571966e-2,
        1.48103976427480074590e-1, 6.89767334985100004550e-1, 1.67638483018380384940e0,
        2.05319162663775882187e0, 1.0,
    ),
)  # fmt: skip
_OUTERMOST = (
    (
        2.01033439929228813265e-7, 2.71155556874348757815e-5, 1.24266094738807843860e-3,
        2.65321895265761230930e-2, 2.96560571828504891230e-1, 1.78482653991729133580e0,
        5.46378491116411436990e0, 6.65790464350110377720e0,
    ),
    (
        2.04426310338993978564e-15, 1.42151175831644588870e-7, 1.84631831751005468180e-5,
        7.86869131145613259100e-4, 1.48753612908506148525e-2, 1.36929880922735805310e-1,
        5.99832206555887937690e-1, 1.0,
    ),
)  # fmt: skip


def normal_quantile(p: ArrayLike) -> NDArray[np.float64]:
    """Return the z below which a standard normal variate lies with probability p.

    Wichura (1988), "Algorithm AS 241: the percentage points of the normal distribution", Applied
    Statistics 37, 477-484, routine PPND16: accurate to about one part in 10**16.

    Args:
        p: Probabilities, of any shape: 0 gives -inf, 1 gives inf, anything out of 0 to 1 NaN.

    Returns:
        The same shape.

    >>> normal_quantile([0.025, 0.5, 0.975]).round(12).tolist()
    [-1.95996398454, 0.0, 1.95996398454]
    """
    p = np.asarray(p, np.float64)
    offset = p - 0.5
    z = np.full(p.shape, np.nan)
    central = np.abs(offset) <= _CENTRE
    inner = offset[central]
    z[central] = inner * _ratio(_CENTRAL, _CENTRE * _CENTRE - inner * inner)
    outside = ~central & (p > 0) & (p < 1)
    outer = p[outside]
    depth = np.sqrt(-log(np.minimum(outer, 1 - outer)))
    height = np.where(
        depth <= _TAIL, _ratio(_OUTER, depth - 1.6), _ratio(_OUTERMOST, depth - _TAIL)
    )
    z[outside] = np.copysign(height, offset[outside])
    z[p == 0], z[p == 1] = -np.inf, np.inf
    return z


def _ratio(
    polynomials: tuple[tuple[float, ...], tuple[float, ...]], x: NDArray[np.float64]
) -> NDArray[np.float64]:
    above, below = (polynomial(powers, x) for powers in polynomials)
    return above / below


def polynomial(powers: Sequence[float], x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a polynomial of x, whose first coefficient is that of the highest power.

    As `np.polyval`, but in place, which is faster in threads.
    """
    value = x * powers[0]
    for coefficient in powers[1:-1]:
        value += coefficient
        value *= x
    value += powers[-1]
    return value
