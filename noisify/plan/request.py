"""Turn the arguments of a library call into a request, read like the words of a recipe.

The options that every function of the library takes are declared once: it takes them as
`**options: Unpack[NoiseOptions]`, which type checkers and editors check, and passes them to
`request_from`. `show_options` puts their names into its signature, for `help()`, notebooks and
scikit-learn. What they mean is in the docstring of `noisify.add_noise`.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from numbers import Integral
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

from noisify.core.errors import UsageError, did_you_mean, shown
from noisify.core.options import named_as_arguments
from noisify.core.values import is_list, read_count, read_path, read_text, read_truth, texts
from noisify.noise import registry
from noisify.noise.parameters import parameters_of, takes_level
from noisify.plan import recipe as recipes
from noisify.plan.combine import combined, specs_of_presets
from noisify.plan.file_part import file_part
from noisify.plan.model_spec import ModelSpec
from noisify.plan.plan import NoiseSpec, Recipe, Request
from noisify.plan.record_key import read_key
from noisify.plan.spec_text import parse_spec
from noisify.plan.word_values import read_decimals, read_rng, read_seed
from noisify.plan.words import AMOUNTS, WORDS, exactly, spec_from_words, takes_no
from noisify.streams.limits import new_seed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from os import PathLike

    SpecLike = str | ModelSpec | Mapping[str, Any]
    """A noise spec: the text of `--noise`, a model, or the words of a recipe's table."""
    RecipeLike = str | PathLike[str] | Mapping[str, Any]
    """The path of a recipe, or the contents of a recipe or a report."""

Function = TypeVar("Function", bound="Callable[..., Any]")
_OF_ONE_SPEC = ("model", "scale", "sd", "snr", "rate", "params", "columns")


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


@named_as_arguments()
def request_from(options: Mapping[str, Any], **more: object) -> Request:
    """Return the request for the arguments of a call.

    Args:
        options: `NoiseOptions`; an option that is None counts as left out, also in `more`.
        **more: The caller's other arguments: model, decimals, seed, rng, file, replicate, and of a
            file `per_file` and `source`.

    Raises:
        UsageError: If an argument is invalid.
        TypeError: If an option is unknown.
    """
    check_options(options)
    arguments = {**options, **more}
    said: dict[str, Any] = {key: one for key, one in arguments.items() if one is not None}
    recipe = _recipe(said["recipe"]) if "recipe" in said else Recipe()
    seed = read_seed(said["seed"]) if "seed" in said else recipe.seed
    rng = read_rng(said["rng"]) if "rng" in said else recipe.rng or "noisify"
    file = _file(said, recipe)
    replicate = read_count("replicate", said["replicate"], 0) if "replicate" in said else 0
    if (file or replicate) and rng != "noisify":
        own = "file" if file else "replicate"
        raise UsageError(f"noise of a {own}'s own needs noisify's own streams; drop rng {rng!r}")
    return Request(
        specs=_specs(said, recipe),
        seed=new_seed() if seed is None else seed,
        rng=rng,
        file=file,
        key=read_key(said["key"]) if "key" in said else recipe.key,
        decimals=read_decimals(said["decimals"]) if "decimals" in said else recipe.decimals,
        strict=bool(recipe.strict),
        replicate=replicate,
    )


def _file(said: Mapping[str, Any], recipe: Recipe) -> str:
    """Return the file part of the streams' names; may be empty."""
    if "file" in said:
        return read_text("file", said["file"])
    per_file = read_truth("per_file", said["per_file"]) if "per_file" in said else recipe.per_file
    if per_file is None:
        return recipe.file
    if per_file and "source" not in said:
        raise UsageError("noise by the file's name needs a name; give file='day1'")
    return file_part(read_path("source", said["source"])) if per_file else ""


def _specs(said: Mapping[str, Any], recipe: Recipe) -> tuple[NoiseSpec, ...]:
    """Return the noise specs in order: of recipe, presets and noise, or else of the arguments."""
    sources: dict[str, Sequence[NoiseSpec]] = {}
    if "recipe" in said:
        sources["recipe"] = recipe.specs
    if "preset" in said:
        sources["preset"] = specs_of_presets(texts("preset", said["preset"]))
    if "noise" in said:
        sources["noise"] = _noise(said["noise"])
    if not sources:
        return (_spec_of_arguments(said),)
    others = [key for key in _OF_ONE_SPEC if key in said]
    columns = _selectors("columns", said["columns"]) if "columns" in said else ()
    common = {key: said[key] for key in ("exclude", "clip", "where") if key in said}
    return combined(sources, others, columns, spec_from_words(common))


def _spec_of_arguments(said: Mapping[str, Any]) -> NoiseSpec:
    """Return the noise spec that the arguments describe."""
    words = _model_words(said.get("model", "normal"))
    words = _merged(words, _parameters(said.get("params", {})), "params")
    amounts = {key: said[key] for key in ("scale", "sd", "snr", "rate") if key in said}
    model = registry.find(words["model"]).load()
    for key in amounts:
        if key not in parameters_of(model) and not (key in AMOUNTS and takes_level(model)):
            raise takes_no(model, key)
    words = _merged(words, amounts, "an argument")
    for name, key in (("columns", "fields"), ("exclude", "exclude")):
        if name in said:
            words[key] = _selectors(name, said[name])
    words |= {key: said[key] for key in ("clip", "where") if key in said}
    return spec_from_words(words)


def _selectors(name: str, value: object) -> tuple[str, ...]:
    """Return selectors of fields; a whole number is the label of a DataFrame's column."""
    listed = tuple(value) if is_list(value) else (value,)
    if not any(map(_is_label, listed)):
        return texts(name, listed if is_list(value) else value)
    return texts(name, [exactly(str(one)) if _is_label(one) else one for one in listed])


def _is_label(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, Integral):
        return False
    return abs(int(value)) < _LABELS


_LABELS = 1 << 64


def _model_words(model: object) -> dict[str, Any]:
    """Return a model as words."""
    if isinstance(model, type) and issubclass(model, ModelSpec):
        raise UsageError(f"model is the class {model.__name__}; make one: {model.__name__}(…)")
    if not isinstance(model, str | ModelSpec):
        raise UsageError(
            f"model {shown(model)} is neither a text such as 'normal' nor one of noisify.models"
        )
    return model.words() if isinstance(model, ModelSpec) else {"model": model}


def _parameters(params: object) -> dict[str, Any]:
    """Return the argument `params`, checked.

    Raises:
        UsageError: If it is not a mapping of parameters.
    """
    if not isinstance(params, Mapping) or not all(isinstance(key, str) for key in params):
        raise UsageError(f"params {shown(params)} is not a mapping such as {{'df': 3}}")
    for key in params:
        if key in WORDS and key not in {"sd", "snr"}:
            raise UsageError(
                f"params: {key!r} is not a parameter of a model; give it as an argument"
            )
    return dict(params)


def _merged(words: dict[str, Any], more: Mapping[str, Any], source: str) -> dict[str, Any]:
    for key in more:
        if key in words:
            raise UsageError(f"{key} is given twice, the second time by {source}; keep one")
    return {**words, **more}


def _noise(noise: object) -> list[NoiseSpec]:
    """Return the specs that `noise` lists."""
    listed = [noise] if isinstance(noise, str | ModelSpec | Mapping) else noise
    if not is_list(listed):
        raise UsageError(f"noise {shown(noise)} is neither a noise spec nor a list of them")
    specs = [spec for one in listed for spec in _listed(one)]
    if not specs:
        raise UsageError("noise lists nothing; give a spec such as 'temp=normal:0.5'")
    return specs


def _listed(one: object) -> tuple[NoiseSpec, ...]:
    """Return the specs of one entry of `noise`; a mapping with a preset may hold several."""
    if isinstance(one, str):
        return (parse_spec(one, place=f"noise {shown(one)}: "),)
    if isinstance(one, Mapping):
        words = {key: value for key, value in one.items() if key != "model"}
        if "model" in one:
            words = _merged(_model_words(one["model"]), words, "noise")
        return recipes.of_document({"noise": [words]}).specs
    return (spec_from_words(_model_words(one)),)


def _recipe(given: object) -> Recipe:
    """Return a recipe from its path or its contents."""
    if isinstance(given, Mapping):
        return recipes.of_document(dict(given))
    return recipes.load(read_path("recipe", given))
