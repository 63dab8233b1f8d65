"""From the arguments of a call of the library to a request; read as a recipe's words are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from numbers import Integral
from os import PathLike
from typing import TYPE_CHECKING, Any

from noisify.core.errors import UsageError, shown
from noisify.core.values import is_list, read_path, read_text, read_truth, texts
from noisify.noise import registry
from noisify.noise.parameters import parameters_of, takes_level
from noisify.plan import presets
from noisify.plan import recipe as recipes
from noisify.plan.file_part import file_part
from noisify.plan.model_spec import ModelSpec
from noisify.plan.plan import NoiseSpec, Request
from noisify.plan.run_words import read_decimals, read_rng, read_seed
from noisify.plan.words import WORDS, WordsError, exactly, parse_spec, spec_from_words
from noisify.streams.limits import new_seed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from noisify.plan.condition import Condition

SpecLike = str | ModelSpec | Mapping[str, Any]
"""One noise spec: the text of `--noise`, a model, or the words of a recipe's table."""
RecipeLike = str | PathLike[str] | Mapping[str, Any]
"""A recipe's file, or what a recipe or a report says."""

_OF_ONE_SPEC = ("model", "scale", "sd", "snr", "rate", "params", "columns")


def request_from(arguments: Mapping[str, Any]) -> Request:
    """Return what the arguments of a call ask for.

    Args:
        arguments: model, scale, sd, snr, rate, params, columns, exclude, clip, where, noise,
            recipe, preset, decimals, seed, rng, file, and of a file per_file and source; None: not
            said.

    Raises:
        UsageError: If anything makes no sense.
    """
    said = {key: value for key, value in arguments.items() if value is not None}
    told = _recipe(said["recipe"]) if "recipe" in said else recipes.Recipe()
    seed = read_seed(said["seed"]) if "seed" in said else told.seed
    rng = read_rng(said["rng"]) if "rng" in said else told.rng or "noisify"
    file = _file(said, told)
    if file and rng != "noisify":
        raise UsageError(f"noise of a file's own needs noisify's own streams; drop rng {rng!r}")
    return Request(
        specs=_specs(said, told),
        seed=new_seed() if seed is None else seed,
        rng=rng,
        file=file,
        decimals=read_decimals(said["decimals"]) if "decimals" in said else told.decimals,
        strict=bool(told.strict),
    )


def _file(said: Mapping[str, Any], told: recipes.Recipe) -> str:
    """Return what the streams' names call the data; empty: nothing."""
    if "file" in said:
        return read_text("file", said["file"])
    per_file = read_truth("per_file", said["per_file"]) if "per_file" in said else told.per_file
    if per_file is None:
        return told.file
    if per_file and "source" not in said:
        raise UsageError("noise by the file's name needs one; say file='day1'")
    return file_part(read_path("source", said["source"])) if per_file else ""


def _specs(said: Mapping[str, Any], told: recipes.Recipe) -> tuple[NoiseSpec, ...]:
    """Return the noise specs in order: the recipe's, the presets', those of noise; or the one."""
    sources = [key for key in ("recipe", "preset", "noise") if key in said]
    if not sources:
        return (_spec_of_arguments(said),)
    specs = [*told.specs]
    if "preset" in said:
        names = texts("preset", said["preset"])
        specs += [spec_from_words(words) for name in names for words in presets.find(name)]
    specs += _noise(said["noise"]) if "noise" in said else []
    others = [key for key in _OF_ONE_SPEC if key in said]
    if sources == ["preset"] and others == ["columns"]:  # it says what noise, not on which fields
        columns = _selectors("columns", said["columns"])
        specs = [spec if spec.columns else replace(spec, columns=columns) for spec in specs]
    elif others:
        raise UsageError(
            f"{others[0]} does not go with {sources[0]}, which says it all; put it there"
        )
    common = _spec_from({key: said[key] for key in ("exclude", "clip", "where") if key in said})
    return in_common(specs, common.exclude, common.clip, common.where)


def in_common(
    specs: Sequence[NoiseSpec],
    exclude: Sequence[str],
    clip: tuple[float, float] | None,
    where: Condition | None,
) -> tuple[NoiseSpec, ...]:
    """Return specs with what is asked of all of them.

    Args:
        specs: The specs.
        exclude: Selectors of fields to leave out.
        clip: Bounds for those specs that have none.
        where: A condition that rows have to meet besides that of a spec.
    """
    return tuple(
        replace(
            spec,
            exclude=(*spec.exclude, *exclude),
            clip=spec.clip if spec.clip is not None else clip,
            where=_both(spec.where, where),
        )
        for spec in specs
    )


def _both(one: Condition | None, other: Condition | None) -> Condition | None:
    if one is None or other is None:
        return other if one is None else one
    from noisify.plan.condition import parse  # noqa: PLC0415 - few runs need it

    return parse(f"({one.text}) and ({other.text})")


def _spec_of_arguments(said: Mapping[str, Any]) -> NoiseSpec:
    """Return the one noise spec that a call's arguments describe."""
    words = _model_words(said.get("model", "normal"))
    words = _merged(words, _parameters(said.get("params", {})), "params")
    amounts = {key: said[key] for key in ("scale", "sd", "snr", "rate") if key in said}
    _check_amounts(words["model"], amounts)
    words = _merged(words, amounts, "an argument")
    for name, key in (("columns", "fields"), ("exclude", "exclude")):
        if name in said:
            words[key] = _selectors(name, said[name])
    words |= {key: said[key] for key in ("clip", "where") if key in said}
    return _spec_from(words)


def _selectors(name: str, value: Any) -> tuple[str, ...]:  # noqa: ANN401
    """Return selectors of fields; a whole number is the label of a DataFrame's column."""
    listed = tuple(value) if is_list(value) else (value,)
    if not any(map(_is_label, listed)):
        return texts(name, listed if is_list(value) else value)
    return texts(name, [exactly(str(one)) if _is_label(one) else one for one in listed])


def _is_label(value: Any) -> bool:  # noqa: ANN401
    if isinstance(value, bool) or not isinstance(value, Integral):
        return False
    return abs(int(value)) < _LABELS


_LABELS = 1 << 64


def _check_amounts(name: str, amounts: Mapping[str, Any]) -> None:
    """Refuse an amount that a model does not take, and say which one it does."""
    model = registry.find(name).load()
    known = {*parameters_of(model), *(("sd", "snr") if takes_level(model) else ())}
    for key in amounts:
        if key not in known:
            instead = f"; say how much with {model.level}" if model.level else ""
            raise UsageError(f"{model.name} noise takes no {key}{instead}")


def _model_words(model: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return a model as words."""
    if isinstance(model, type) and issubclass(model, ModelSpec):
        raise UsageError(f"model is the class {model.__name__}; make one: {model.__name__}(…)")
    if not isinstance(model, str | ModelSpec):
        raise UsageError(
            f"model {shown(model)} is neither a text such as 'normal' nor one of noisify.models"
        )
    return model.words() if isinstance(model, ModelSpec) else {"model": model}


def _parameters(params: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return the parameters of a model that are given by name.

    Raises:
        UsageError: If they are no mapping, or hold what is no parameter.
    """
    if not isinstance(params, Mapping) or not all(isinstance(key, str) for key in params):
        raise UsageError(f"params {shown(params)} is not a mapping such as {{'df': 3}}")
    for key in params:
        if key in WORDS and key not in {"sd", "snr"}:
            raise UsageError(f"params: {key!r} is no parameter of a model; say it by an argument")
    return dict(params)


def _merged(words: dict[str, Any], more: Mapping[str, Any], source: str) -> dict[str, Any]:
    for key in more:
        if key in words:
            raise UsageError(f"{key} is given twice, the second time by {source}; keep one")
    return {**words, **more}


def _spec_from(words: Mapping[str, Any]) -> NoiseSpec:
    try:
        return spec_from_words(words)
    except WordsError as error:
        raise UsageError(error.message) from None


def _noise(noise: Any) -> list[NoiseSpec]:  # noqa: ANN401
    """Return the specs that `noise` lists."""
    alone = isinstance(noise, str | ModelSpec | Mapping)
    if not alone and not is_list(noise):
        raise UsageError(f"noise {shown(noise)} is neither a noise spec nor a list of them")
    specs: list[NoiseSpec] = []
    for one in [noise] if alone else noise:
        specs += _listed(one)
    if not specs:
        raise UsageError("noise lists nothing; give a spec such as 'temp=normal:0.5'")
    return specs


def _listed(one: Any) -> tuple[NoiseSpec, ...]:  # noqa: ANN401
    """Return the specs of one entry of `noise`; a mapping with a preset may hold several."""
    if isinstance(one, str):
        return (parse_spec(one, place=f"noise {shown(one)}: "),)
    if isinstance(one, Mapping):
        model = one.get("model", "normal")
        words = _merged(
            _model_words(model), {key: one[key] for key in one if key != "model"}, "noise"
        )
        if "model" not in one:
            del words["model"]
        return recipes.of_document({"noise": [words]}).specs
    return (_spec_from(_model_words(one)),)


def _recipe(given: Any) -> recipes.Recipe:  # noqa: ANN401
    """Return a recipe, from its file or from what it says."""
    if isinstance(given, Mapping):
        return recipes.of_document(dict(given))
    return recipes.load(read_path("recipe", given))
