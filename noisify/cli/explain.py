"""The texts of `--list-models` and `--explain`, generated from the models."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from noisify.noise import registry
from noisify.noise.parameters import parameters_of
from noisify.plan.presets import by_group

if TYPE_CHECKING:
    from noisify.noise.model import Model


def models_listing() -> str:
    """Return the list of models by family, one line each."""
    models = ((entry, entry.load()) for entry in registry.MODELS)
    lines = by_group(
        (model.family, ", ".join((entry.name, *entry.aliases)), summary(model))
        for entry, model in models
    )
    return f"{lines}noisify --explain MODEL tells more of one.\n"


def summary(model: type[Model]) -> str:
    """Return the first line of a model's docstring."""
    return (inspect.getdoc(model) or "").partition("\n")[0].rstrip(".")


def model_page(name: str) -> str:
    """Return the text of `--explain`: description, parameters and an example."""
    entry = registry.find(name)
    model = entry.load()
    also = f" (also {', '.join(entry.aliases)})" if entry.aliases else ""
    lines = [f"{entry.name}{also}: {model.family} noise", "", inspect.getdoc(model) or "", ""]
    lines.append("Parameters (-p KEY=VALUE; scale is also -s, rate --rate):")
    declared = parameters_of(model)
    width = max(map(len, declared), default=0)
    for key, parameter in declared.items():
        default = f" [default: {shown_default(parameter.default)}]"
        if parameter.default is None or parameter.required:
            default = ""
        lines.append(f"  {key:<{width}}  {parameter.help}{default}")
    takes = ", ".join(sorted(model.takes)) or "whole rows"
    lines += ["", f"Works on: {takes}.", "", "Example:"]
    lines += [f"  noisify data.csv -d {entry.name} {model.example} --seed 42 > noisy.csv", ""]
    return "\n".join(lines)


def shown_default(value: object) -> str:
    """Return a default value as it would be typed."""
    if isinstance(value, tuple):
        return "|".join(map(shown_default, value))
    return str(value).lower() if isinstance(value, bool) else str(value)
