"""Test the kernels against mpmath, and the compiled ones against those in NumPy."""

import os

import kernel_tables
import mpmath
import numpy as np
import pytest

from noisify.core.native import Part, load
from noisify.kernels import elementary, tables

REQUIRED = "NOISIFY_REQUIRE_COMPILED" in os.environ
RNG = np.random.default_rng(20)
MANY = 1500
LARGEST, LEAST = np.finfo(np.float64).max, 5e-324
EDGES = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    LEAST,
    -LEAST,
    2.0**-1022,
    LARGEST,
    -LARGEST,
    np.inf,
    -np.inf,
    np.nan,
]
EXP_EDGES = [709.782712893384, 709.7827128933841, -708.3964, -745.1332191019411, -745.14, 1e-300]
POSITIVE = RNG.integers(1, 0x7FF << 52, MANY).view(np.float64)
SUBNORMAL = RNG.integers(1, 1 << 52, MANY).view(np.float64)
NEAR_ONE = 1 + RNG.uniform(-1, 1, MANY) * 2.0 ** -RNG.integers(1, 52, MANY)
AROUND_ONE = np.concatenate([1 + 2.0**-52 * np.arange(-20, 20), RNG.uniform(0.99, 1.01, MANY)])
BITS = RNG.integers(-(2**63), 2**63, MANY).view(np.float64)
STEPS = np.log(2) / 256 * np.arange(-300, 300)
POINTS = {
    "exp": {
        "all": RNG.uniform(-745.2, 709.8, MANY),
        "small": RNG.uniform(-1, 1, MANY) * 2.0 ** -RNG.integers(0, 60, MANY),
        "subnormal": RNG.uniform(-745.2, -708.3, MANY),
        "between steps": np.concatenate([STEPS, np.nextafter(STEPS, 1), np.nextafter(STEPS, -1)]),
        "edges": np.array([*EDGES, *EXP_EDGES]),
        "bits": BITS,
    },
    "log": {
        "all": POSITIVE,
        "subnormal": SUBNORMAL,
        "near one": NEAR_ONE,
        "around one": AROUND_ONE,
        "unit": RNG.integers(1, 1 << 53, MANY) * 2.0**-53,
        "edges": np.array(EDGES),
        "bits": BITS,
    },
}
CASES = [
    pytest.param(name, points, id=f"{name} {which}")
    for name, sets in POINTS.items()
    for which, points in sets.items()
]
LIMITS = {"exp": 0.76, "log": 0.51}
"""The largest errors allowed, in units in the last place; exp's is that of subnormal values."""


def errors(name, points):
    """Return a kernel's errors in units in the last place where the value is finite."""
    found = getattr(elementary, name)(points)
    with mpmath.workprec(160):
        for x, y in zip(points.tolist(), found.tolist(), strict=True):
            exact = getattr(mpmath, name)(mpmath.mpf(x))
            nearest = float(exact)
            if abs(nearest) == np.inf:
                assert y == nearest
                continue
            unit = mpmath.mpf(float(np.spacing(abs(nearest))))
            yield float(abs(mpmath.mpf(y) - exact) / unit)


def has_finite_value(name, points):
    return np.isfinite(points) & ((points > 0) | (name != "log"))


@pytest.mark.parametrize(("name", "points"), CASES)
def test_are_below_one_unit_in_the_last_place(name, points):
    assert max(errors(name, points[has_finite_value(name, points)])) < LIMITS[name]


@pytest.mark.parametrize(("name", "points"), CASES)
@pytest.mark.skipif(
    load(Part.KERNELS) is None and not REQUIRED, reason="THE KERNELS ARE NOT COMPILED"
)
def test_are_the_same_bits_compiled_and_in_numpy(name, points, monkeypatch):
    kernel = getattr(elementary, name)
    monkeypatch.setenv("NOISIFY_PURE", "")
    compiled = kernel(points)
    monkeypatch.setenv("NOISIFY_PURE", "1")
    pure = kernel(points)
    nan = np.isnan(pure)
    assert np.array_equal(nan, np.isnan(compiled))
    assert pure[~nan].tobytes() == compiled[~nan].tobytes()


@pytest.fixture(params=["", "1"], ids=["compiled", "pure"])
def either(request, monkeypatch):
    """Compute with NumPy as well where kernels are compiled."""
    monkeypatch.setenv("NOISIFY_PURE", request.param)


@pytest.mark.usefixtures("either")
class TestValues:
    def test_of_exp_at_its_edges(self):
        found = elementary.exp([-np.inf, -1e300, -745.14, -0.0, 0.0, 709.79, 1e300, np.inf])
        assert [0, 0, 0, 1, 1, np.inf, np.inf, np.inf] == found.tolist()
        assert np.isnan(elementary.exp(np.nan))

    def test_of_log_at_its_edges(self):
        assert [-np.inf, -np.inf, 0, np.inf] == elementary.log([0.0, -0.0, 1.0, np.inf]).tolist()
        assert np.isnan(elementary.log([-LEAST, -1.0, -np.inf, np.nan])).all()

    @pytest.mark.parametrize("shape", [(), (0,), (3, 0), (2, 3, 5)])
    def test_have_the_shape_of_the_arguments(self, shape):
        for kernel in (elementary.exp, elementary.log):
            assert shape == kernel(np.ones(shape)).shape

    def test_do_not_depend_on_the_layout(self):
        grid = RNG.uniform(0.5, 2, (7, 12)).astype(">f8")
        expected = elementary.log(np.ascontiguousarray(grid, np.float64)[::2, ::-3])
        assert expected.tobytes() == elementary.log(grid[::2, ::-3]).tobytes()

    def test_leave_the_arguments_as_they_are(self):
        points = np.linspace(0.1, 2, 100)
        points.setflags(write=False)
        assert np.allclose(points, elementary.exp(elementary.log(points)), rtol=1e-15)


def test_the_tables_are_those_derived_with_mpmath():
    found = kernel_tables.tables()
    worked_out = {
        "EXP_HIGH": tables.powers().high,
        "EXP_LOW": tables.powers().low,
        "LOG_RECIPROCAL": tables.reciprocals(),
        "LOG_HIGH": tables.logarithms().high,
        "LOG_LOW": tables.logarithms().low,
    }
    for name, expected in found.items():
        assert expected == np.asarray(worked_out.get(name, getattr(tables, name, None))).tolist()
    header = (kernel_tables.KERNELS / "_kernel_tables.hpp").read_text(encoding="utf-8")
    assert kernel_tables.cpp_source() == header


class TestMagnitude:
    PARTS = np.concatenate([RNG.normal(size=MANY), BITS[np.isfinite(BITS)], SUBNORMAL, np.zeros(9)])
    POINTS = PARTS + 1j * np.roll(PARTS, 7)

    def test_is_below_one_unit_in_the_last_place(self):
        found = elementary.magnitude(self.POINTS)
        worst = 0.0
        with mpmath.workprec(2300):
            for z, modulus in zip(self.POINTS.tolist(), found.tolist(), strict=True):
                exact = mpmath.sqrt(mpmath.mpf(z.real) ** 2 + mpmath.mpf(z.imag) ** 2)
                unit = float(np.spacing(min(float(exact), LARGEST)))
                worst = max(worst, 0 if modulus == np.inf else abs(modulus - exact) / unit)
        assert worst < 0.76  # of subnormal numbers; others 0.5

    def test_of_real_numbers_is_their_absolute_value(self):
        assert [2.0, 0.0, np.inf] == elementary.magnitude(np.array([-2.0, -0.0, -np.inf])).tolist()

    def test_at_its_edges(self):
        points = np.array([0j, complex(np.inf, 1), complex(3, -np.inf), complex(LARGEST, LARGEST)])
        assert [0, np.inf, np.inf, np.inf] == elementary.magnitude(points).tolist()
        assert np.isnan(elementary.magnitude(np.array([complex(np.nan, 1)]))).all()
