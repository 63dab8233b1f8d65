"""Test the mechanisms of differential privacy: their noise follows from the budget."""

import math

import numpy as np
import pytest
from apply_model import noise

from noisify.core.dtypes import NumberType
from noisify.core.errors import UsageError
from noisify.noise import model as interface
from noisify.noise import registry
from noisify.noise.privacy import analytic_sigma, privacy_loss

DRAWS = 200_000
INT32 = NumberType.of_dtype(np.dtype("i4"))
mechanisms = pytest.mark.parametrize("name", ["laplace-mechanism", "gaussian-mechanism"])


def make(name, **parameters):
    return interface.make(registry.find(name).load(), {"sensitivity": 1, **parameters})


def scale(name, **parameters):
    return make(name, **parameters).fit("data", {}).scale


@mechanisms
class TestBoth:
    def test_needs_a_budget(self, name):
        with pytest.raises(UsageError, match=f"{name} needs epsilon .* add -p epsilon=VALUE"):
            make(name)

    def test_needs_a_sensitivity(self, name):
        with pytest.raises(UsageError, match=f"{name} needs sensitivity .* sensitivity=VALUE"):
            interface.make(registry.find(name).load(), {"epsilon": 1})

    def test_needs_nothing_of_the_data(self, name):
        assert make(name, epsilon=1).statistics("data") == {}

    def test_shows_its_scale_once_fitted(self, name):
        model = make(name, epsilon=0.5)
        assert model.scale is None
        settled = model.fit("data", {})
        assert settled.scale == settled.calibrated()
        assert settled.fit("data", {}) is settled
        assert noise(model).tolist() == noise(settled).tolist()

    def test_accepts_the_calibrated_scale_to_the_last_bit(self, name):
        wanted = scale(name, epsilon=3, sensitivity=10)
        close = wanted * (1 + 1e-12)
        assert scale(name, epsilon=3, sensitivity=10, scale=close) == close

    def test_refuses_another_scale(self, name):
        with pytest.raises(UsageError, match=f"^scale 3 of {name} is not the one .*; leave it out"):
            make(name, epsilon=1, scale=3)

    @pytest.mark.parametrize(
        "bad",
        [{"epsilon": 0}, {"epsilon": -1}, {"epsilon": math.inf}, {"epsilon": 1, "sensitivity": 0}],
    )
    def test_refuses_an_invalid_budget(self, name, bad):
        with pytest.raises(UsageError, match=f"^{list(bad)[-1]} .* must be"):
            make(name, **bad)

    def test_refuses_a_budget_without_a_finite_scale(self, name):
        with pytest.raises(UsageError, match="out of range"):
            make(name, epsilon=1e-300, sensitivity=1e300)

    def test_its_scale_grows_with_the_sensitivity(self, name):
        for epsilon in (0.5, 4):
            once, thrice = (scale(name, epsilon=epsilon, sensitivity=s) for s in (1, 3))
            assert pytest.approx(3 * once, rel=1e-15) == thrice

    def test_less_privacy_is_less_noise_from_the_same_draws(self, name):
        strict, lax = (make(name, epsilon=e).fit("data", {}) for e in (0.5, 2))
        assert strict.scale > lax.scale
        ratio = noise(strict, size=1000) / noise(lax, size=1000)
        assert pytest.approx(strict.scale / lax.scale, rel=1e-12) == ratio

    def test_of_whole_numbers_is_rounded(self, name):
        model = make(name, epsilon=0.1)
        assert np.rint(noise(model, size=1000)).tolist() == noise(model, INT32, size=1000).tolist()

    def test_says_what_it_does_not_protect_against(self, name):
        text = registry.find(name).load().__doc__
        for word in ("Mironov, 2012", "one release", "The sensitivity is yours", "knows the seed"):
            assert word in " ".join(text.split())


class TestLaplaceMechanism:
    def test_its_scale_is_sensitivity_over_epsilon(self):
        assert scale("laplace-mechanism", epsilon=0.5, sensitivity=3) == 6

    def test_no_bin_is_more_than_e_to_the_epsilon_likelier_one_sensitivity_away(self):
        drawn = noise(make("laplace-mechanism", epsilon=1), size=DRAWS)
        edges = np.arange(-5.0, 6.0)
        here, _ = np.histogram(drawn, edges)
        there, _ = np.histogram(drawn + 1, edges)
        log_ratio = np.log(here / there)
        error = np.sqrt(1 / here + 1 / there)
        assert np.all(np.abs(log_ratio) < 1 + 4.5 * error)
        assert np.max(np.abs(log_ratio)) > 0.9

    def test_has_the_calibrated_sd(self):
        drawn = noise(make("laplace-mechanism", epsilon=0.5), size=DRAWS)
        sd = 2 * math.sqrt(2)
        assert abs(drawn.mean()) < 4.5 * sd / math.sqrt(DRAWS)
        assert abs(drawn.std() - sd) < 4.5 * sd * math.sqrt(5 / (4 * DRAWS))


class TestGaussianMechanism:
    def test_classical_up_to_one(self):
        assert pytest.approx(4.8448, abs=5e-5) == scale("gaussian-mechanism", epsilon=1)
        assert pytest.approx(9.6896, abs=1e-4) == scale("gaussian-mechanism", epsilon=0.5)

    def test_analytic_beyond(self):
        assert scale("gaussian-mechanism", epsilon=2, sensitivity=3) == 3 * analytic_sigma(2, 1e-5)
        just_above = scale("gaussian-mechanism", epsilon=np.nextafter(1, 2))
        assert pytest.approx(3.730632, abs=1e-6) == just_above

    def test_has_the_calibrated_sd(self):
        drawn = noise(make("gaussian-mechanism", epsilon=1), size=DRAWS)
        sd = 4.844805262605389
        assert abs(drawn.mean()) < 4.5 * sd / math.sqrt(DRAWS)
        assert abs(drawn.std() - sd) < 4.5 * sd / math.sqrt(2 * DRAWS)

    @pytest.mark.parametrize("delta", [1e-300, 1e-12, 1e-5, 0.1, 0.9])
    @pytest.mark.parametrize("epsilon", [1.5, 5.0, 40.0, 700.0, 5000.0])
    def test_analytic_sigma_is_the_smallest_that_is_enough(self, epsilon, delta):
        sigma = analytic_sigma(epsilon, delta)
        assert privacy_loss(sigma, epsilon) <= delta
        assert privacy_loss(sigma * (1 - 1e-6), epsilon) > delta

    @pytest.mark.parametrize("sigma", [0.5, 1.0, 4.0])
    @pytest.mark.parametrize("epsilon", [1.0, 3.0])
    def test_privacy_loss_is_the_integral_it_stands_for(self, epsilon, sigma):
        """The least delta is the integral of max(0, p(x) - e**epsilon p(x + 1))."""
        x, step = np.linspace(-12 * sigma - 60, 12 * sigma + 60, 2_000_001, retstep=True)
        gap = np.exp(-((x / sigma) ** 2) / 2) - math.exp(epsilon) * np.exp(
            -(((x + 1) / sigma) ** 2) / 2
        )
        expected = np.sum(np.maximum(gap, 0)) * step / (sigma * math.sqrt(2 * math.pi))
        assert pytest.approx(expected, rel=1e-6, abs=1e-12) == privacy_loss(sigma, epsilon)

    @pytest.mark.parametrize("delta", [1e-12, 1e-5, 0.1, 0.9])
    @pytest.mark.parametrize("epsilon", [0.01, 0.5, 1.0])
    def test_classical_sigma_is_enough(self, epsilon, delta):
        sigma = scale("gaussian-mechanism", epsilon=epsilon, delta=delta)
        assert privacy_loss(sigma, epsilon) <= delta

    @pytest.mark.parametrize("delta", [0, 1, 2, math.nan])
    def test_refuses_an_invalid_delta(self, delta):
        with pytest.raises(UsageError, match=r"^delta "):
            make("gaussian-mechanism", epsilon=1, delta=delta)
