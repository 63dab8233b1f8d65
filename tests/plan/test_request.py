"""Every function that adds noise takes `NoiseOptions`, and shows them to `help()`."""

import inspect
import re

import pytest

from noisify import Noisy, add_noise, noisify_file
from noisify.plan.request import NoiseOptions

noisify_dask = pytest.importorskip("noisify.dask", reason="needs dask")
noisify_sklearn = pytest.importorskip("noisify.sklearn", reason="needs scikit-learn")

FUNCTIONS = [add_noise, noisify_file, Noisy, noisify_sklearn.AddNoise, noisify_dask.add_noise]
EVERY = pytest.mark.parametrize(
    "function", FUNCTIONS, ids=lambda one: f"{one.__module__}.{one.__name__}"
)


@EVERY
def test_options_are_in_the_signature_with_their_types(function):
    parameters = inspect.signature(function).parameters

    declared = {key: hint.__forward_arg__ for key, hint in NoiseOptions.__annotations__.items()}
    assert declared == {key: parameters[key].annotation for key in declared}
    assert {None} == {parameters[key].default for key in declared}
    assert "options" not in parameters


@EVERY
def test_options_are_described(function):
    described = re.findall(r"^ +([*\w]+): ", inspect.cleandoc(function.__doc__), re.MULTILINE)

    expected = [*NoiseOptions.__annotations__] if function is add_noise else ["**options"]
    assert expected == [one for one in described if one in expected]
    if function is not add_noise:
        first, *_, last = NoiseOptions.__annotations__
        assert f"from `{first}` to `{last}`" in " ".join(function.__doc__.split())


@EVERY
def test_options_that_are_unknown_are_refused(function):
    data = ([0.0],) * (2 if function is noisify_file else 1)

    with pytest.raises(TypeError, match=r"keyword argument 'scael'; did you mean 'scale'\?"):
        function(*data, scael=1)
