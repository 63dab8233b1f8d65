"""The models as objects: typed, documented, and the same noise as their names."""

import copy
import importlib.util
import inspect
import pickle
import re
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import noisify
from noisify import UsageError, add_noise, models
from noisify.noise import registry
from noisify.plan.model_spec import ModelSpec

ROOT = Path(noisify.__file__).parent.parent
X = np.linspace(-10, 10, 1000)
PRIVACY = {"epsilon": 0.5, "sensitivity": 1}
REQUIRED = {"LaplaceMechanism": PRIVACY, "GaussianMechanism": PRIVACY, "Rounding": {"step": 0.5}}
"""What models take that have no default."""


def made(entry):
    return getattr(models, entry.class_name)(**REQUIRED.get(entry.class_name, {}))


@pytest.mark.parametrize("entry", registry.MODELS, ids=lambda entry: entry.name)
class TestEveryModel:
    def test_is_an_object_that_says_how_it_is_made(self, entry):
        model = made(entry)

        assert isinstance(model, models.ModelSpec)
        assert entry.name == model.name
        assert repr(model) == repr(eval(f"models.{model!r}"))  # noqa: S307 - of our own text
        assert repr(model) == repr(pickle.loads(pickle.dumps(model)))  # noqa: S301 - likewise
        assert repr(model) == repr(copy.deepcopy(model))

    def test_documents_every_parameter(self, entry):
        model = getattr(models, entry.class_name)

        parameters = inspect.signature(model).parameters
        arguments = model.__doc__.partition("\nArgs:\n")[2].splitlines()
        assert list(parameters) == [line.partition(":")[0].strip() for line in arguments]

    def test_takes_its_defaults_as_they_are_shown(self, entry):
        signature = inspect.signature(getattr(models, entry.class_name))
        defaults = {
            name: parameter.default
            for name, parameter in signature.parameters.items()
            if parameter.default not in (parameter.empty, None)
        }

        given = {**defaults, **REQUIRED.get(entry.class_name, {})}
        assert given == dict(getattr(models, entry.class_name)(**given).parameters)


@pytest.mark.parametrize(
    ("model", "arguments"),
    [
        (models.Normal(), {}),
        (models.Normal(scale=0.5), {"scale": 0.5}),
        (
            models.StudentT(df=4, sd="0.1sd"),
            {"model": "student-t", "params": {"df": 4}, "sd": "0.1sd"},
        ),
        (models.Laplace(snr=20), {"model": "laplace", "snr": "20dB"}),
        (models.SaltAndPepper(rate="5%"), {"model": "salt-and-pepper", "rate": 0.05}),
        (models.ScaleBy(factor=[2, 3]), {"model": "scale-by", "params": {"factor": "2|3"}}),
    ],
    ids=str,
)
def test_the_noise_is_that_of_the_name(model, arguments):
    assert add_noise(X, **arguments, seed=1).tolist() == add_noise(X, model, seed=1).tolist()


def test_arguments_beside_a_model_say_what_it_does_not():
    expected = add_noise(X, models.StudentT(df=4, scale=2), seed=1).tolist()

    assert expected == add_noise(X, models.StudentT(df=4), scale=2, seed=1).tolist()
    assert expected == add_noise(X, models.StudentT(scale=2), params={"df": 4}, seed=1).tolist()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: models.StudentT(dff=4), "no parameter 'dff'; did you mean 'df'"),
        (lambda: models.StudentT(df=0), "df 0 of student-t must be above 0"),
        (lambda: models.StudentT(df="x"), "df 'x' of student-t is not a number"),
        (lambda: models.Normal(scale=1, sd=2), "scale and sd exclude each other"),
        (lambda: models.Normal(where="x > 1"), "no parameter 'where'"),
        (lambda: models.Normal(0.5), "by name, such as scale="),
        (models.LaplaceMechanism, "needs epsilon"),
        (lambda: models.Missing(mechanism="mar"), "needs the field that decides"),
        (ModelSpec, "such as models.Normal"),
        (lambda: add_noise(X, models.Normal), "model is the class Normal; make one"),
        (lambda: add_noise(X, models.Normal(scale=1), scale=1), "scale is given twice"),
        (lambda: add_noise(X, models), "model <module 'noisify.models'"),
    ],
)
def test_a_mistake_is_told_when_it_is_made(make, said):
    with pytest.raises(UsageError, match=said):
        make()


def test_a_model_is_not_changed():
    model = models.StudentT(df=4)

    with pytest.raises(AttributeError, match="StudentT cannot be changed"):
        model.parameters = {}
    with pytest.raises(TypeError):
        model.parameters["df"] = 3


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (models.Normal(scale=1), models.Normal(scale=1), True),
        (models.Normal(scale=1, loc=2), models.Normal(loc="2", scale="1.0"), True),
        (models.Normal(), models.Normal(scale="0.1sd", loc=0), True),
        (models.Normal(scale=1), models.Normal(sd=1), False),
        (models.Normal(snr=20), models.Normal(snr=21), False),
        (models.Normal(scale=1), models.Laplace(scale=1), False),
        (models.Typo(kinds=["delete"]), models.Typo(kinds="delete"), True),
        (models.Correlated(covariance=np.eye(2)), models.Correlated(covariance="1|0;0|1"), True),
        (models.Normal(scale=1), "normal", False),
    ],
    ids=str,
)
def test_models_are_equal_where_they_say_the_same(one, other, equal):
    assert equal == (one == other)
    assert not equal or hash(one) == hash(other)
    assert equal == (len({one, other}) == 1)


def test_an_unknown_model_is_no_attribute():
    with pytest.raises(AttributeError, match=r"'noisify\.models' has no attribute 'StudenT'"):
        _ = models.StudenT
    assert {entry.class_name for entry in registry.MODELS} < set(dir(models))


def test_type_checkers_are_told_what_the_table_says():
    written = runpy.run_path(str(ROOT / "sample_data" / "model_stub.py"))

    assert written["stub"]() == written["STUB"].read_text(encoding="utf-8"), "run `make readme`"
    assert written["names"]() == written["NAMES"].read_text(encoding="utf-8"), "run `make readme`"


SNIPPET = """
from array import array
from noisify import Noisy, add_noise, models, noisify_file

data = array("d", [1.5])
noisy: array[float] = add_noise(data, models.StudentT(df=4, sd="0.1sd"), columns="temp")
several = add_noise(data, noise=[models.Missing(rate="5%"), "normal:1", {"scale": 1}])
models.StudenT(df=4)
models.StudentT(dff=4)
models.StudentT(df="4")
models.LaplaceMechanism()
add_noise(data, models.StudentT)
add_noise(data, scael=1)
add_noise(data, seed=1.5)
add_noise(data, "student-t", params={"df": 4}, rng="numpy-legacy")
add_noise(data, "gaussian")
add_noise(data, "studnet-t")
noisify_file("in.csv", "out.csv", "nromal")
add_noise(data, rng="nunpy")
Noisy([data], "shot", scale=1)
Noisy([data], "shott", scale=1)
Noisy([data], models.StudenT())
models.ModelName
"""
SEEN = (
    "__init__.py", "api.py", "dataset.py", "models.pyi", "plan/model_names.py",
    "plan/model_spec.py", "plan/request.py", "plan/word_values.py",
)  # fmt: skip
"""The files that mypy looks at besides: with all of them and NumPy it would take seconds."""
WRONG_LINES = [8, 9, 10, 11, 11, 12, 13, 14, 17, 18, 19, 21, 22]


@pytest.mark.skipif(importlib.util.find_spec("mypy") is None, reason="needs mypy")
def test_mypy_finds_a_mistake_in_a_model(tmp_path):
    (tmp_path / "snippet.py").write_text(SNIPPET)

    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--follow-imports=skip", "--hide-error-context",
         "--no-error-summary", "--config-file=", "--cache-dir=cache", "snippet.py",
         *(str(ROOT / "noisify" / file) for file in SEEN)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip

    errors = [line for line in done.stdout.splitlines() if re.match(r"snippet.*: error: ", line)]
    assert WRONG_LINES == [int(line.split(":")[1]) for line in errors], done.stdout + done.stderr
