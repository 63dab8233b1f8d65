"""The Kolmogorov-Smirnov distance is SciPy's, however the samples are cut."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import ks_2samp

from noisify.comparison.distance import Distance

SIZE = 1000


def distance(before, after, *, fields=1):
    """Return the distance of two samples that come in chunks, after at most three passes."""
    found, passes = Distance(fields), 0
    while not found.done:
        passes += 1
        for start in range(0, max(len(before), len(after)), SIZE):
            found.add(before[start : start + SIZE], after[start : start + SIZE])
        found.end_pass()
    assert passes <= 3
    return found


def samples(kind, count):
    random = np.random.default_rng(1)
    normal = random.normal(size=count)
    return {
        "noise": (normal, normal + random.normal(scale=0.1, size=count)),
        "apart": (normal, normal[: count // 3] + 100),
        "integers": (random.integers(0, 50, count) * 1.0, random.integers(0, 52, count) * 1.0),
        "heavy tails": (random.standard_cauchy(count), random.standard_cauchy(count) * 2),
        "sorted": (np.sort(normal), np.sort(normal * 1.01)),
        "zeros of both signs": (np.zeros(count), -np.zeros(count)),
        "huge": (normal * 1e307, normal * -1e307),
    }[kind]


@pytest.mark.parametrize("count", [10, 100_000])
@pytest.mark.parametrize(
    "kind",
    ["noise", "apart", "integers", "heavy tails", "sorted", "zeros of both signs", "huge"],
)
def test_it_is_that_of_scipy(kind, count):
    before, after = samples(kind, count)
    found = distance(before, after)
    expected = ks_2samp(before, after, method="asymp").statistic
    assert expected == pytest.approx(found.value, rel=1e-12, abs=1e-15)
    assert found.error == 0


def test_among_many_fields_it_says_how_far_off_it_may_be():
    before, after = samples("noise", 100_000)
    found = distance(before, after, fields=4000)
    expected = ks_2samp(before, after, method="asymp").statistic
    assert 0 < found.error < 0.01
    assert found.value <= expected <= found.value + found.error


def test_without_values_there_is_none():
    assert math.isnan(distance(np.empty(0), np.ones(3)).value)
