"""The table of models, one line each. Importing it imports no model and no NumPy."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, cast

from noisify.core import other_words
from noisify.core.errors import UsageError, did_you_mean
from noisify.core.lazy import LazyModule

if TYPE_CHECKING:
    from importlib import resources

    from noisify.noise.model import Model
else:
    resources = LazyModule("importlib.resources")


@dataclass(frozen=True)
class ModelEntry:
    """A model's names, module and class."""

    name: str
    module: str
    class_name: str
    aliases: tuple[str, ...] = ()

    def load(self) -> type[Model]:
        """Import the model's class."""
        module = import_module(f"noisify.noise.{self.module}")
        return cast("type[Model]", getattr(module, self.class_name))


MODELS = (
    ModelEntry("normal", "additive", "Normal", aliases=("gaussian",)),
    ModelEntry("uniform", "additive", "Uniform"),
    ModelEntry("laplace", "additive", "Laplace"),
    ModelEntry("cauchy", "additive", "Cauchy"),
    ModelEntry("student-t", "additive", "StudentT", aliases=("t",)),
    ModelEntry("logistic", "additive", "Logistic"),
    ModelEntry("gumbel", "additive", "Gumbel"),
    ModelEntry("exponential", "additive", "Exponential"),
    ModelEntry("gamma", "additive", "Gamma"),
    ModelEntry("lognormal", "additive", "LogNormal", aliases=("log-normal",)),
    ModelEntry("triangular", "additive", "Triangular"),
    ModelEntry("truncated-normal", "additive", "TruncatedNormal"),
    ModelEntry("multiplicative", "scaling", "Multiplicative", aliases=("speckle",)),
    ModelEntry("rounding", "scaling", "Rounding", aliases=("quantize",)),
    ModelEntry("bias", "scaling", "Bias", aliases=("offset",)),
    ModelEntry("poisson", "counts", "Poisson", aliases=("shot",)),
    ModelEntry("binomial", "counts", "Binomial", aliases=("thinning",)),
    ModelEntry("salt-and-pepper", "impulse", "SaltAndPepper"),
    ModelEntry("impulse", "impulse", "Impulse"),
    ModelEntry("outlier", "impulse", "Outlier"),
    ModelEntry("spike", "impulse", "Spike"),
    ModelEntry("stuck", "impulse", "Stuck"),
    ModelEntry("dropout", "impulse", "Dropout"),
    ModelEntry("bit-flip", "impulse", "BitFlip", aliases=("swap-bits",)),
    ModelEntry("scale-by", "scaling", "ScaleBy", aliases=("wrong-unit",)),
    ModelEntry("laplace-mechanism", "privacy", "LaplaceMechanism"),
    ModelEntry("gaussian-mechanism", "privacy", "GaussianMechanism"),
    ModelEntry("ar1", "time_series", "AR1"),
    ModelEntry("random-walk", "time_series", "RandomWalk"),
    ModelEntry("colored", "time_series", "ColoredNoise", aliases=("coloured",)),
    ModelEntry("pink", "time_series", "PinkNoise"),
    ModelEntry("brown", "time_series", "BrownNoise"),
    ModelEntry("blue", "time_series", "BlueNoise"),
    ModelEntry("violet", "time_series", "VioletNoise"),
    ModelEntry("drift", "time_series", "Drift"),
    ModelEntry("timing-jitter", "time_series", "TimingJitter", aliases=("jitter",)),
    ModelEntry("correlated", "correlated", "Correlated"),
    ModelEntry("missing", "missing", "Missing"),
    ModelEntry("label-flip", "labels", "LabelFlip", aliases=("flip",)),
    ModelEntry("category-swap", "labels", "CategorySwap"),
    ModelEntry("shuffle", "labels", "Shuffle"),
    ModelEntry("typo", "text", "Typo"),
    ModelEntry("ocr", "text", "Ocr"),
    ModelEntry("case", "text", "Case"),
    ModelEntry("whitespace", "text", "Whitespace"),
    ModelEntry("truncate", "text", "Truncate"),
    ModelEntry("mojibake", "text", "Mojibake"),
    ModelEntry("day-month-swap", "times", "DayMonthSwap", aliases=("time-swap",)),
    ModelEntry("drop-rows", "rows", "DropRows"),
    ModelEntry("duplicate-rows", "rows", "DuplicateRows"),
    ModelEntry("swap-fields", "rows", "SwapFields"),
)


def find(name: str) -> ModelEntry:
    """Return the entry of a model by its name or an alias, ignoring case.

    Raises:
        UsageError: If there is no such model.
    """
    names = _names()
    wanted = _folded(name)
    if wanted in names:
        return names[wanted]
    raise UsageError(f"no model is called {name!r}{_instead(name)}")


def is_name(name: str) -> bool:
    """Return whether a text is a model's name or alias."""
    return _folded(name) in _names()


def meant(name: str) -> ModelEntry | None:
    """Return the model that a name means, here or in another program, or None."""
    wanted = _folded(other_words.NAMESPACES.sub("", name))
    return _names().get(other_words.MODELS.get(wanted, wanted))


def with_parameter(key: str) -> ModelEntry | None:
    """Return the first model with a parameter named `key`, or None."""
    known = stub_parameters()
    return next((entry for entry in MODELS if key in known[entry.class_name]), None)


def stub_parameters() -> dict[str, list[str]]:
    """Return the parameters of each class of `noisify.models`, from its stub.

    Loading the models would import NumPy, which is slow for an error message or a completion.
    """
    stub = resources.files("noisify").joinpath("models.pyi").read_text("utf-8")
    return {
        block.partition("(")[0]: re.findall(r"^        (\w+): ", block, re.MULTILINE)
        for block in stub.split("\nclass ")[1:]
    }


@cache
def _names() -> dict[str, ModelEntry]:
    return {word: entry for entry in MODELS for word in (entry.name, *entry.aliases)}


def _folded(name: str) -> str:
    return re.sub(r"[\s_-]+", "-", name.strip().casefold())


def _instead(name: str) -> str:
    """Return what to type instead of an unknown model name."""
    if found := meant(name):
        return f"; type {found.name}"
    if re.fullmatch(r"[\d.]+\s*(?:%|sd|iqr|dB)?", name.strip()):
        return f"; for a level type {'--snr' if 'dB' in name else '-s'} {name.strip()}"
    head, separator, _ = re.split(r"([:(,+ ]|$)", other_words.NAMESPACES.sub("", name), maxsplit=1)
    if separator and (found := meant(head)):
        if separator == ":":
            level, key = name.partition(":")[2].strip(), found.load().level
            option = {"scale": "-s ", "rate": "--rate "}.get(key, f"-p {key}=")
            return f"; type -d {found.name} {option}{level}, or --noise {found.name}:{level}"
        if separator == "(":
            return f"; type {found.name}, and its parameters with -s, --loc or -p KEY=VALUE"
        return f"; type --noise {found.name}:LEVEL, once for each model"
    wanted = _folded(name)
    return did_you_mean(wanted, _names()) or "; see noisify --list-models"
