"""The one table of models: a line each. Importing it imports no model and no NumPy."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, cast

from noisify.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from noisify.noise.interface import Model


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
)


def find(name: str) -> Entry:
    """Return the entry of a model, by its name or an alias, in any case.

    Raises:
        UsageError: If there is none.
    """
    names = {word: entry for entry in MODELS for word in (entry.name, *entry.aliases)}
    wanted = name.strip().casefold().replace("_", "-")
    if wanted in names:
        return names[wanted]
    raise UsageError(
        f"no model is called {name!r}{did_you_mean(wanted, names) or '; see noisify --list-models'}"
    )
