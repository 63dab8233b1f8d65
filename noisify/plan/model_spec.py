"""The classes of `noisify.models`: noise models as objects, with parameters as typed.

The classes are made from the models' declared parameters, which `make readme` writes to
`noisify/models.pyi` for type checkers and editors.
"""

from __future__ import annotations

import inspect
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from noisify.core.errors import UsageError
from noisify.noise import level, registry
from noisify.noise.model import make
from noisify.noise.parameters import LEVEL, takes_level, unknown_parameter
from noisify.noise.parameters import parameters_of as declared_by
from noisify.plan.words import spec_from_words

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from noisify.noise.model import Model
    from noisify.noise.parameters import Parameter

_AMOUNTS = {
    "sd": "the noise's own standard deviation, as a level, instead of scale",
    "snr": "the signal-to-noise ratio in dB, instead of scale",
}
"""Further parameters of models with a scale."""


class ModelSpec:
    """A noise model and its parameters, checked on creation.

    Attributes:
        name: The model's name.
        parameters: The parameters given, as typed.
    """

    name: ClassVar[str] = ""
    parameters: Mapping[str, Any] = MappingProxyType({})

    def __init__(self, *unnamed: object, **parameters: object) -> None:
        """Check and store a model's parameters.

        Raises:
            UsageError: If one is unknown or wrong.
        """
        if not self.name:
            raise UsageError("ModelSpec is not a model itself; make one, such as models.Normal()")
        if unnamed:
            example = ", ".join(list(parameters_of(self.name))[:1])
            raise UsageError(
                f"{type(self).__name__} takes its parameters by name, such as {example}=…"
            )
        given = {key: value for key, value in parameters.items() if value is not None}
        known = parameters_of(self.name)
        for key in given:
            if key not in known:
                raise unknown_parameter(key, self.name, known)
        spec_from_words({"model": self.name, **given})
        self.__dict__["parameters"] = MappingProxyType(given)

    def words(self) -> dict[str, Any]:
        """Return the model as the words of a noise spec."""
        return {"model": self.name, **self.parameters}

    def __setattr__(self, name: str, value: object) -> None:
        """Refuse to set an attribute: models are immutable."""
        raise AttributeError(f"{type(self).__name__} cannot be changed; make another")

    def __reduce__(self) -> tuple[Any, ...]:
        """Support pickle and copy."""
        return _made_again, (self.name, dict(self.parameters))

    def __eq__(self, other: object) -> bool:
        """Return whether another object is the same model with equal parameters."""
        if not isinstance(other, ModelSpec):
            return NotImplemented
        return self._meaning() == other._meaning()

    def __hash__(self) -> int:
        """Return a hash of the model and its parameters' values."""
        return hash(self._meaning())

    def _meaning(self) -> tuple[object, ...]:
        """Return the model with its parameters parsed, and the levels that set its scale."""
        spec = spec_from_words(self.words())
        scale = {} if spec.scale is None else {"scale": spec.scale}
        model = make(registry.find(self.name).load(), {**spec.parameters, **scale})
        return model, spec.sd, spec.snr

    def __repr__(self) -> str:
        """Return the model as Python code."""
        given = ", ".join(f"{key}={value!r}" for key, value in self.parameters.items())
        return f"{type(self).__name__}({given})"


def _made_again(name: str, parameters: Mapping[str, Any]) -> ModelSpec:
    return class_of(registry.find(name).class_name)(**parameters)


def parameters_of(name: str) -> dict[str, inspect.Parameter]:
    """Return the parameters of a model's class by name, with types as annotations."""
    model = registry.find(name).load()
    declared = {
        key: (_default(parameter), parameter.type.hint)
        for key, parameter in declared_by(model).items()
    }
    if takes_level(model):
        declared |= dict.fromkeys(_AMOUNTS, (None, LEVEL.hint))
    return {
        key: inspect.Parameter(
            key,
            inspect.Parameter.KEYWORD_ONLY,
            default=default,
            annotation=hint if default is not None else f"{hint} | None",
        )
        for key, (default, hint) in declared.items()
    }


def _default(parameter: Parameter) -> object:
    """Return a parameter's default as it would be typed."""
    if parameter.required:
        return inspect.Parameter.empty
    if isinstance(parameter.default, level.Level):
        return level.as_json(parameter.default)
    return parameter.default


@cache
def class_of(class_name: str) -> type[ModelSpec]:
    """Return the class of `noisify.models` with this name.

    Raises:
        KeyError: If there is none.
    """
    entry = {entry.class_name: entry for entry in registry.MODELS}[class_name]
    return type(
        class_name,
        (ModelSpec,),
        {
            "__doc__": _documentation(entry.load()),
            "__module__": "noisify.models",
            "__signature__": inspect.Signature(list(parameters_of(entry.name).values())),
            "name": entry.name,
        },
    )


def class_names() -> list[str]:
    """Return the names of the classes, in the order of the registry."""
    return [entry.class_name for entry in registry.MODELS]


def _documentation(model: type[Model]) -> str:
    """Return a model's docstring with a line for each parameter."""
    about = inspect.cleandoc(model.__doc__ or "").partition("\n\nArgs:")[0]
    return "\n".join([about, "", "Args:", *_parameter_lines(model)])


def _parameter_lines(model: type[Model]) -> Iterator[str]:
    for key, parameter in declared_by(model).items():
        yield f"    {key}: {parameter.help}"
    if takes_level(model):
        yield from (f"    {key}: {help_text}" for key, help_text in _AMOUNTS.items())
