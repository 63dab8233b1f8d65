"""The noise models as objects: `add_noise(df, models.StudentT(df=4, sd="0.1sd"), columns="temp")`.

Every model that `noisify --list-models` lists is a class here. Its arguments are the model's
parameters, by name, and for models with a scale `sd` and `snr`. A mistake is an error when the
object is made, and type checkers find it before: `models.pyi` beside this file tells them all.

>>> from noisify import models
>>> models.StudentT(df=4, sd="0.1sd")
StudentT(df=4, sd='0.1sd')
"""

from __future__ import annotations

from noisify.plan.model_names import ModelName
from noisify.plan.model_spec import ModelSpec, class_names, class_of

__all__ = ["ModelName", "ModelSpec", *sorted(class_names())]  # noqa: PLE0604 - names are texts


def __getattr__(name: str) -> type[ModelSpec]:
    """Make a model's class when it is first asked for."""
    if name in class_names():
        return class_of(name)
    raise AttributeError(f"module 'noisify.models' has no attribute {name!r}")


def __dir__() -> list[str]:
    """Return the names of all models."""
    return __all__
