"""The options that every function of the library takes, declared once.

A function takes them as `**options: Unpack[NoiseOptions]`, which type checkers and editors check,
and passes them to `request_from`. `show_options` puts their names into its signature, for `help()`,
notebooks and scikit-learn. What they mean is in the docstring of `noisify.add_noise`.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

from noisify.core.errors import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from os import PathLike

    from noisify.plan.model_spec import ModelSpec

    SpecLike = str | ModelSpec | Mapping[str, Any]
    """A noise spec: the text of `--noise`, a model, or the words of a recipe's table."""
    RecipeLike = str | PathLike[str] | Mapping[str, Any]
    """The path of a recipe, or the contents of a recipe or a report."""

Function = TypeVar("Function", bound="Callable[..., Any]")


class NoiseOptions(TypedDict, total=False):
    """Which noise, and on which fields; an option that is None counts as left out."""

    scale: float | str | None
    sd: float | str | None
    snr: float | str | None
    rate: float | str | None
    columns: str | int | Iterable[str | int] | None
    exclude: str | int | Iterable[str | int] | None
    params: Mapping[str, Any] | None
    clip: tuple[float | None, float | None] | None
    where: str | None
    noise: SpecLike | Iterable[SpecLike] | None
    recipe: RecipeLike | None
    preset: str | Iterable[str] | None
    key: str | Iterable[str] | None


NAMES = tuple(NoiseOptions.__annotations__)
"""The names of the options, in the order in which signatures show them."""


def show_options(function: Function) -> Function:
    """Show the options in a function's signature instead of `**options`."""
    signature = inspect.signature(function)
    shown = [
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=hint.__forward_arg__
        )
        for name, hint in NoiseOptions.__annotations__.items()
    ]
    own = [one for one in signature.parameters.values() if one.kind is not one.VAR_KEYWORD]
    every = sorted([*shown, *own], key=lambda one: one.kind)  # positional ones first
    vars(function)["__signature__"] = signature.replace(parameters=every)
    return function


def check_options(options: Mapping[str, object]) -> None:
    """Refuse unknown options, as Python refuses unknown keyword arguments.

    Raises:
        TypeError: If there is one.
    """
    for name in options:
        if name not in NAMES:
            raise TypeError(f"unexpected keyword argument {name!r}{did_you_mean(name, NAMES)}")
