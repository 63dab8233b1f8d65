"""Pages about models, made from the models themselves."""

from __future__ import annotations

import dataclasses
import inspect
from typing import TYPE_CHECKING

from noisify.noise import table

if TYPE_CHECKING:
    from noisify.noise.interface import Model


def models_listing() -> str:
    """Return the models by family, a line each."""
    families: dict[str, list[tuple[str, str]]] = {}
    for entry in table.MODELS:
        model = entry.load()
        title = ", ".join((entry.name, *entry.aliases))
        families.setdefault(model.family, []).append((title, summary(model)))
    width = max(len(title) for rows in families.values() for title, _ in rows)
    lines = []
    for family, rows in families.items():
        lines += [f"{family}:", *(f"  {title:<{width}}  {line}" for title, line in rows), ""]
    return "\n".join([*lines, "noisify --explain MODEL tells more of one.", ""])


def summary(model: type[Model]) -> str:
    """Return the first line of a model's docstring."""
    return (inspect.getdoc(model) or "").partition("\n")[0].rstrip(".")


def model_page(name: str) -> str:
    """Return a model's page: what it is, its parameters, an example."""
    entry = table.find(name)
    model = entry.load()
    also = f" (also {', '.join(entry.aliases)})" if entry.aliases else ""
    lines = [f"{entry.name}{also}: {model.family} noise", "", inspect.getdoc(model) or "", ""]
    lines.append("Parameters (-p KEY=VALUE; scale is -s):")
    for field in dataclasses.fields(model):
        default = "" if field.default is dataclasses.MISSING else f" [default: {field.default}]"
        lines.append(f"  {field.name:<8}{field.metadata['help']}{default}")
    extra = next((f for f in dataclasses.fields(model) if f.name not in {"scale", "loc"}), None)
    parameter = f" -p {extra.name}={extra.default:g}" if extra is not None else ""
    lines += [
        "",
        "Example:",
        f"  noisify data.csv -d {entry.name} -s 0.1{parameter} --seed 42 > noisy.csv",
        "",
    ]
    return "\n".join(lines)
