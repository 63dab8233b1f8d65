"""The one table of models: a line each. Importing it imports no model and no NumPy."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, cast

from noisify.core import other_words
from noisify.core.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from noisify.noise.model import Model


@dataclass(frozen=True)
class Entry:
    """Where a model lives and what it is called."""

    name: str
    module: str
    class_name: str
    aliases: tuple[str, ...] = ()

    def load(self) -> type[Model]:
        """Import the model's class."""
        module = import_module(f"noisify.noise.{self.module}")
        return cast("type[Model]", getattr(module, self.class_name))


MODELS = (
    Entry("normal", "additive", "Normal", aliases=("gaussian",)),
    Entry("uniform", "additive", "Uniform"),
    Entry("laplace", "additive", "Laplace"),
    Entry("cauchy", "additive", "Cauchy"),
    Entry("student-t", "additive", "StudentT", aliases=("t",)),
    Entry("logistic", "additive", "Logistic"),
    Entry("gumbel", "additive", "Gumbel"),
    Entry("exponential", "additive", "Exponential"),
    Entry("gamma", "additive", "Gamma"),
    Entry("lognormal", "additive", "LogNormal", aliases=("log-normal",)),
    Entry("triangular", "additive", "Triangular"),
    Entry("truncated-normal", "additive", "TruncatedNormal"),
    Entry("multiplicative", "scaling", "Multiplicative", aliases=("speckle",)),
    Entry("rounding", "scaling", "Rounding", aliases=("quantize",)),
    Entry("bias", "scaling", "Bias", aliases=("offset",)),
    Entry("poisson", "counts", "Poisson", aliases=("shot",)),
    Entry("binomial", "counts", "Binomial", aliases=("thinning",)),
    Entry("salt-and-pepper", "impulse", "SaltAndPepper"),
    Entry("impulse", "impulse", "Impulse"),
    Entry("outlier", "impulse", "Outlier"),
    Entry("spike", "impulse", "Spike"),
    Entry("stuck", "impulse", "Stuck"),
    Entry("dropout", "impulse", "Dropout"),
    Entry("swap-bits", "impulse", "SwapBits", aliases=("bit-flip",)),
    Entry("scale-by", "scaling", "ScaleBy", aliases=("wrong-unit",)),
    Entry("laplace-mechanism", "privacy", "LaplaceMechanism"),
    Entry("gaussian-mechanism", "privacy", "GaussianMechanism"),
    Entry("ar1", "time_series", "AR1"),
    Entry("random-walk", "time_series", "RandomWalk"),
    Entry("colored", "time_series", "ColoredNoise", aliases=("coloured",)),
    Entry("pink", "time_series", "PinkNoise"),
    Entry("brown", "time_series", "BrownNoise"),
    Entry("blue", "time_series", "BlueNoise"),
    Entry("violet", "time_series", "VioletNoise"),
    Entry("drift", "time_series", "Drift"),
    Entry("jitter", "jitter", "Jitter"),
    Entry("correlated", "correlated", "Correlated"),
    Entry("missing", "missing", "Missing"),
    Entry("flip", "labels", "Flip", aliases=("label-flip",)),
    Entry("category-swap", "labels", "CategorySwap"),
    Entry("shuffle", "labels", "Shuffle"),
    Entry("typo", "text", "Typo"),
    Entry("ocr", "text", "Ocr"),
    Entry("case", "text", "Case"),
    Entry("whitespace", "text", "Whitespace"),
    Entry("truncate", "text", "Truncate"),
    Entry("mojibake", "text", "Mojibake"),
    Entry("time-swap", "times", "TimeSwap"),
    Entry("drop-rows", "rows", "DropRows"),
    Entry("duplicate-rows", "rows", "DuplicateRows"),
    Entry("swap-fields", "rows", "SwapFields"),
)


def find(name: str) -> Entry:
    """Return the entry of a model, by its name or an alias, in any case.

    Raises:
        UsageError: If there is none.
    """
    names = _names()
    wanted = _folded(name)
    if wanted in names:
        return names[wanted]
    raise UsageError(f"no model is called {name!r}{_instead(name)}")


def is_name(name: str) -> bool:
    """Return whether a model is called so."""
    return _folded(name) in _names()


def meant(name: str) -> Entry | None:
    """Return the model that a word of another program means, or that is called so, or None."""
    wanted = _folded(other_words.NAMESPACES.sub("", name))
    return _names().get(other_words.MODELS.get(wanted, wanted))


def with_parameter(key: str) -> Entry | None:
    """Return the first model with a parameter of a name, or None.

    It is looked up in the stub of `noisify.models`: to load all models would import NumPy, which
    takes longer than a mistake should.
    """
    from importlib.resources import files  # noqa: PLC0415 - only a mistake needs it

    stub = files("noisify").joinpath("models.pyi").read_text("utf-8")
    blocks = stub.split("\nclass ")[1:]
    owner = next((b.partition("(")[0] for b in blocks if f"\n        {key}: " in b), None)
    return next((entry for entry in MODELS if entry.class_name == owner), None)


@cache
def _names() -> dict[str, Entry]:
    return {word: entry for entry in MODELS for word in (entry.name, *entry.aliases)}


def _folded(name: str) -> str:
    return re.sub(r"[\s_-]+", "-", name.strip().casefold())


def _instead(name: str) -> str:
    """Return what to type instead of a name that no model has."""
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
