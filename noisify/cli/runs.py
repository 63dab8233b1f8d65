"""From options to requests: one for each output of an input."""

from __future__ import annotations

import dataclasses
import itertools
import os
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any

from noisify.core.errors import UsageError
from noisify.core.value_class import frozen
from noisify.noise import level, registry
from noisify.noise import model as interface
from noisify.plan.plan import NoiseSpec, Request

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from noisify.cli.execute import Asked
    from noisify.plan.condition import Condition
    from noisify.plan.recipe import Recipe

_SEED_BYTES = 16
_AMOUNTS = ("scale", "sd", "snr")
_FLAGS = ("model", "scale", "sd", "snr", "rate", "loc", "df", "parameters", "columns")


@frozen
class Variant:
    """What is asked for one output.

    Attributes:
        request: What noise.
        swept: The values of this output's sweep, as typed, by key.
        replicate: Which noisy copy it is, counted from 1; None: there is but one.
        drawn: Whether the seed is a new one that nobody gave.
    """

    request: Request
    swept: Mapping[str, str] = field(default_factory=dict)
    replicate: int | None = None
    drawn: bool = False


def variants(asked: Asked) -> list[Variant]:
    """Return what is asked, an entry for each output that an input comes to.

    Raises:
        UsageError: If anything makes no sense.
    """
    told = None
    if asked.recipe is not None:
        from noisify.plan import recipe  # noqa: PLC0415 - TOML and JSON

        told = recipe.load(asked.recipe)
    specs = _specs(asked, told)

    def said(option: str) -> Any:  # noqa: ANN401
        typed = getattr(asked, option)
        return getattr(told, option, None) if typed is None else typed

    seed, drawn = said("seed"), False
    if seed is None:
        seed, drawn = int.from_bytes(os.urandom(_SEED_BYTES), "little"), True
    strict = asked.strict or (told is not None and bool(told.strict))
    base = Request(specs, seed, said("rng") or "noisify", said("decimals"), strict)
    found = []
    for swept in _sweeps(asked.sweeps):
        request = replace(base, specs=_swept(specs, swept))
        if asked.replicates is None or asked.append:
            found.append(Variant(request, swept, drawn=drawn))
            continue
        found += [
            Variant(replace(request, replicate=number), swept, number + 1, drawn)
            for number in range(asked.replicates)
        ]
    return found


def _specs(asked: Asked, told: Recipe | None) -> tuple[NoiseSpec, ...]:
    """Return the noise specs, in order: the recipe's, the presets', those of --noise or the flags.

    Raises:
        UsageError: If flags that describe noise of their own stand beside those.
    """
    if told is None and not asked.presets and not asked.noise:
        return (_spec_of_flags(asked),)
    from noisify.plan import presets  # noqa: PLC0415 - flags do without these
    from noisify.plan.request import in_common  # noqa: PLC0415 - likewise
    from noisify.plan.words import parse_spec, spec_from_words  # noqa: PLC0415

    specs = [] if told is None else list(told.specs)
    specs += [spec_from_words(words) for name in asked.presets for words in presets.find(name)]
    specs += [parse_spec(text) for text in asked.noise]
    flags = [name for name in _FLAGS if getattr(asked, name) not in (None, ())]
    if asked.presets and not asked.noise and asked.recipe is None and flags == ["columns"]:
        flags = []  # a preset says what noise, not on which fields
        specs = [spec if spec.columns else replace(spec, columns=asked.columns) for spec in specs]
    if flags:
        names = {"model": "--dist", "parameters": "--param"}
        source = "--recipe" if asked.recipe else "--preset" if asked.presets else "--noise"
        raise UsageError(
            f"{names.get(flags[0], '--' + flags[0])} does not go with {source}, which says it all; "
            "put it there"
        )
    return in_common(specs, asked.exclude, asked.clip, _condition(asked.where))


def _condition(text: str | None) -> Condition | None:
    if text is None:
        return None
    from noisify.plan.condition import parse  # noqa: PLC0415 - few runs need it

    return parse(text)


def _spec_of_flags(asked: Asked) -> NoiseSpec:
    """Return the one noise spec that the flags describe, its parameters checked already."""
    name = asked.model or "normal"
    parameters: dict[str, Any] = dict(asked.parameters)
    for key, value in (("loc", asked.loc), ("df", asked.df), ("rate", asked.rate)):
        if value is None:
            continue
        if key in parameters:
            raise UsageError(f"{key} is given twice, by --{key} and by -p; keep one")
        parameters[key] = value
    model = registry.find(name).load()
    if asked.rate is not None and "rate" not in {f.name for f in dataclasses.fields(model)}:
        raise UsageError(f"{name} noise reaches every element: give it a scale, not a rate")
    interface.make(model, parameters)
    return NoiseSpec(
        model=name,
        columns=asked.columns,
        exclude=asked.exclude,
        scale=asked.scale,
        sd=asked.sd,
        snr=asked.snr,
        parameters=parameters,
        clip=asked.clip,
        where=_condition(asked.where),
    )


def _sweeps(typed: Sequence[tuple[str, str]]) -> list[dict[str, str]]:
    """Return every combination of the values of several sweeps, the last varying fastest."""
    keys = [key for key, _ in typed]
    twice = {key for key in keys if keys.count(key) > 1}
    if twice:
        raise UsageError(f"--sweep {min(twice)} is given twice; list all its values in one")
    lists = [[value.strip() for value in values.split(",")] for _, values in typed]
    for key, values in zip(keys, lists, strict=True):
        if not all(values) or len(set(values)) < len(values):
            raise UsageError(f"--sweep {key}={','.join(values)} has an empty or a repeated value")
    return [dict(zip(keys, values, strict=True)) for values in itertools.product(*lists)]


def _swept(specs: tuple[NoiseSpec, ...], swept: Mapping[str, str]) -> tuple[NoiseSpec, ...]:
    """Return specs with the values of one output of a sweep in them.

    Raises:
        UsageError: If no spec takes a key.
    """
    for key, value in swept.items():
        takes = [_takes(spec, key) for spec in specs]
        if not any(takes):
            models = ", ".join(dict.fromkeys(spec.model for spec in specs))
            raise UsageError(f"--sweep {key}: {models} noise has no {key}; see --explain MODEL")
        specs = tuple(
            _with(spec, key, value) if taken else spec
            for spec, taken in zip(specs, takes, strict=True)
        )
    return specs


def _takes(spec: NoiseSpec, key: str) -> bool:
    parameters = {f.name: str(f.type) for f in dataclasses.fields(registry.find(spec.model).load())}
    if key in {"sd", "snr"}:
        return "Level" in parameters.get("scale", "")
    return key in parameters


def _with(spec: NoiseSpec, key: str, value: str) -> NoiseSpec:
    model = registry.find(spec.model).load()
    scaled = any(f.name == "scale" and "Level" in str(f.type) for f in dataclasses.fields(model))
    parameters = {name: given for name, given in spec.parameters.items() if name != key}
    if key not in _AMOUNTS or not scaled:
        parameters[key] = value
        interface.make(model, parameters)
        return replace(spec, parameters=parameters)
    parameters.pop("scale", None)
    read: Any = level.parse_decibels(value) if key == "snr" else level.parse(value, option=key)
    amounts: dict[str, Any] = dict.fromkeys(_AMOUNTS)
    return replace(spec, parameters=parameters, **(amounts | {key: read}))
