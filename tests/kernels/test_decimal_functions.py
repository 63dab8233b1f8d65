"""Test the functions of one number against mpmath."""

from decimal import Decimal

import mpmath
import pytest

from noisify.kernels import decimal_functions
from noisify.kernels.decimal_functions import digits
from noisify.noise import discrete_quantiles

SMALL = [5e-324, 1e-300, 1e-20, 1e-5, 0.0999, 0.1001]
CASES = {
    "expm1": (mpmath.expm1, [*SMALL, *(-x for x in SMALL), 1.0, -3.0, 700.0]),
    "log1p": (mpmath.log1p, [*SMALL, *(-x for x in SMALL), 0.5, -0.5, -1 + 2.0**-53, 1e300]),
    "sine": (mpmath.sin, [*SMALL, 1.0, 1.5707963, 3.14, 6.0, -2.0]),
    "normal_density": (mpmath.npdf, [0.0, 0.3, -1.0, 5.0, 38.0]),
    "normal_tail": (
        lambda z: mpmath.erfc(z / mpmath.sqrt(2)) / 2,
        [0.0, 1e-300, 0.3, 2.999, 3.0, 3.001, 8.0, 38.0, 1e4, -1.0, -4.0],
    ),
    "normal_centre": (
        lambda z: mpmath.erf(z / mpmath.sqrt(2)) / 2,
        [1e-300, 1e-9, 0.3, 2.999, 3.0, 3.001, 8.0, 38.0],
    ),
    "mills_ratio": (
        lambda z: mpmath.erfc(z / mpmath.sqrt(2)) / 2 / mpmath.npdf(z),
        [0.0, 1e-9, 0.3, 2.999, 3.0, 3.001, 8.0, 38.0],
    ),
}


@pytest.mark.parametrize(("name", "x"), [(name, x) for name, (_, xs) in CASES.items() for x in xs])
def test_have_forty_digits(name, x):
    with digits(), mpmath.workdps(500 if abs(x) < 1e-9 else 80):
        expected = CASES[name][0](mpmath.mpf(x))
        found = mpmath.mpf(str(getattr(decimal_functions, name)(Decimal(x))))
        assert abs(found - expected) <= abs(expected) * mpmath.mpf(10) ** -40


@pytest.mark.parametrize(
    ("base", "exponent", "expected"),
    [
        ("10", "2", "100"),
        ("10", "-3", "0.001"),
        ("0", "0", "1"),
        ("0", "0.5", "0"),
        ("0", "3", "0"),
    ],
)
def test_powers_are_exact_where_they_can_be(base, exponent, expected):
    with digits():
        assert Decimal(expected) == decimal_functions.power(Decimal(base), Decimal(exponent))


def test_powers_have_forty_digits():
    with digits(), mpmath.workdps(60):
        found = decimal_functions.power(Decimal("0.3"), Decimal("-2.7"))
        expected = mpmath.mpf("0.3") ** mpmath.mpf("-2.7")
        assert abs(mpmath.mpf(str(found)) / expected - 1) < 1e-40


def test_constants():
    with mpmath.workdps(70):
        assert abs(mpmath.mpf(str(decimal_functions.PI)) - mpmath.pi) < 1e-65


def test_the_table_of_stirling_errors():
    with mpmath.workdps(50):
        expected = [0.0]
        for n in map(mpmath.mpf, range(1, 16)):
            stirling = mpmath.log(2 * mpmath.pi * n) / 2 + n * mpmath.log(n) - n
            expected.append(float(mpmath.loggamma(n + 1) - stirling))
    assert expected == discrete_quantiles._STIRLING_TABLE.tolist()


def test_arithmetic_outside_keeps_its_digits():
    with digits():
        pass
    assert len(str(Decimal(1) / Decimal(3))) == 30
