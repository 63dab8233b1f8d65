"""Turn the command line into runs: one request for each output of an input."""

from __future__ import annotations

from dataclasses import field, replace
from typing import TYPE_CHECKING

from noisify.cli.sweeps import check_count, sweeps, swept_specs
from noisify.core.errors import UsageError
from noisify.core.value_class import frozen
from noisify.noise import registry
from noisify.noise.parameters import parameters_of, unknown_parameter
from noisify.plan import recipe as recipes
from noisify.plan.combine import combined, specs_of_presets
from noisify.plan.condition import parse as parse_condition
from noisify.plan.file_part import file_part
from noisify.plan.plan import NoiseSpec, Recipe, Request
from noisify.plan.spec_text import parse_spec
from noisify.plan.words import AMOUNTS, check_level, spec_from_words
from noisify.streams.limits import new_seed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from noisify.cli.arguments import Arguments
    from noisify.noise.model import Model
    from noisify.plan.condition import Condition

_FLAGS = {
    "model": "--dist", "scale": "--scale", "sd": "--sd", "snr": "--snr", "rate": "--rate",
    "loc": "--loc", "df": "--df", "parameters": "--param", "columns": "--columns",
}  # fmt: skip
"""The attributes of `Arguments` that describe one noise spec, and their flags."""


@frozen
class Run:
    """The request for one output of each input.

    Attributes:
        request: The noise.
        swept: The swept values of this output, as typed, by key.
        replicate: The number of the noisy copy, from 1; None without replicates.
        drawn: Whether the seed was drawn, not given.
        per_file: Whether each input gets its own noise, by its name.
    """

    request: Request
    swept: Mapping[str, str] = field(default_factory=dict)
    replicate: int | None = None
    drawn: bool = False
    per_file: bool = False

    def request_for(self, path: str) -> Request:
        """Return the request for one input."""
        return replace(self.request, file=file_part(path)) if self.per_file else self.request


def runs_of(arguments: Arguments, *, several: bool) -> list[Run]:
    """Return the runs: one for each output of an input.

    Args:
        arguments: The command line.
        several: Whether there are several inputs, which by default each get their own noise.

    Raises:
        UsageError: If options are invalid or contradict each other.
    """
    _check_swept(arguments)
    recipe = Recipe() if arguments.recipe is None else recipes.load(arguments.recipe)
    specs = _specs(arguments, recipe)
    every = sweeps(arguments.sweeps)
    check_count(len(every) * (1 if arguments.append else arguments.replicates or 1))
    swept_to = [swept_specs(specs, swept) for swept in every]

    seed = recipe.seed if arguments.seed is None else arguments.seed
    drawn = seed is None and any(_draws(spec) for found in swept_to for spec in found)
    base = Request(
        specs,
        seed=new_seed() if drawn else seed or 0,
        rng=arguments.rng or recipe.rng or "noisify",
        decimals=recipe.decimals if arguments.decimals is None else arguments.decimals,
        strict=arguments.read.strict or bool(recipe.strict),
        key=arguments.key or recipe.key,
    )
    per_file, file = _file_rule(arguments, recipe, base.rng, several=several)
    base = replace(base, file=file)
    if arguments.replicates is not None and base.rng != "noisify":
        raise UsageError(f"--replicates needs noisify's own streams; drop --rng {base.rng}")
    single = arguments.replicates is None or arguments.append
    copies = [None] if single else range(1, 1 + (arguments.replicates or 0))
    return [
        Run(replace(base, specs=own, replicate=(copy or 1) - 1), swept, copy, drawn, per_file)
        for swept, own in zip(every, swept_to, strict=True)
        for copy in copies
    ]


def _draws(spec: NoiseSpec) -> bool:
    """Return whether a spec's noise depends on the seed."""
    return registry.find(spec.model).load().random


def _check_swept(arguments: Arguments) -> None:
    """Refuse a flag or parameter that is also swept."""
    typed = dict(arguments.parameters)
    for key, _ in arguments.sweeps:
        for name in AMOUNTS if key in AMOUNTS else (key,):
            by = "-p" if name in typed else _FLAGS.get(name, f"--{name}")
            flag = getattr(arguments, name) if name in _FLAGS else None
            if name in typed or flag is not None:
                raise UsageError(f"{key} is given twice, by --sweep and {by}; keep one")


def _file_rule(
    arguments: Arguments, recipe: Recipe, rng: str, *, several: bool
) -> tuple[bool, str]:
    """Return whether each file gets its own noise, and if not, the file part for all files.

    Raises:
        UsageError: If options contradict each other or the streams.
    """
    if arguments.per_file and arguments.same_noise:
        raise UsageError("--per-file and --same-noise contradict each other; keep one")
    wanted = True if arguments.per_file else False if arguments.same_noise else recipe.per_file
    if wanted is None and recipe.file:
        if several:
            raise UsageError(
                f"the recipe holds the noise of one file, {recipe.file!r}; add --per-file for "
                "noise by each file's own name, or --same-noise"
            )
        return False, recipe.file
    if rng == "noisify":
        own = several and not (arguments.key or recipe.key)
        return own if wanted is None else wanted, ""
    if wanted:
        raise UsageError(f"--per-file needs noisify's own streams; drop --rng {rng}")
    return False, ""


def _specs(arguments: Arguments, recipe: Recipe) -> tuple[NoiseSpec, ...]:
    """Return the noise specs in order: of the recipe, presets and --noise, or else of the flags.

    Raises:
        UsageError: If flags that describe noise are combined with any of those.
    """
    sources: dict[str, Sequence[NoiseSpec]] = {}
    if arguments.recipe is not None:
        sources["--recipe"] = recipe.specs
    if arguments.presets:
        sources["--preset"] = specs_of_presets(arguments.presets)
    if arguments.noise:
        sources["--noise"] = [parse_spec(text) for text in arguments.noise]
    if not sources:
        return (_spec_of_flags(arguments),)
    flags = [_FLAGS[name] for name in _FLAGS if getattr(arguments, name) not in (None, ())]
    common = NoiseSpec(
        exclude=arguments.exclude, clip=arguments.clip, where=_condition(arguments.where)
    )
    return combined(sources, flags, arguments.columns, common)


def _condition(text: str | None) -> Condition | None:
    return None if text is None else parse_condition(text)


def _spec_of_flags(arguments: Arguments) -> NoiseSpec:
    """Return the noise spec that the flags describe."""
    swept = dict(arguments.sweeps).get("model", "normal").split(",")[0]
    name = arguments.model or registry.find(swept).name
    model = registry.find(name).load()
    amounts = {key: getattr(arguments, key) for key in AMOUNTS}
    if arguments.rate is not None and "rate" not in parameters_of(model):
        raise UsageError(
            f"{name} noise reaches every element: say how much with {model.level}, not a rate"
        )
    check_level(model, amounts)
    parameters = _parameters(arguments, model)
    own_fields = parameters.pop("fields", None)
    for key in AMOUNTS:
        if key in parameters and amounts[key] is not None:
            raise UsageError(f"{key} is given twice, by --{key} and by -p; keep one")
    words = {
        "model": name, **amounts, **parameters,
        "fields": arguments.columns or None, "field": own_fields and own_fields.split("|"),
        "exclude": arguments.exclude, "clip": arguments.clip,
        "where": _condition(arguments.where),
    }  # fmt: skip
    return spec_from_words(words, typed_as="-p ")


def _parameters(arguments: Arguments, model: type[Model]) -> dict[str, str]:
    """Return the parameters of -p and its shorthand flags; refuse unknown and repeated ones."""
    found: dict[str, str] = {}
    short = [(key, getattr(arguments, key), f"--{key} and by -p") for key in ("loc", "df", "rate")]
    for key, value, by in [*((*one, "-p") for one in arguments.parameters), *short]:
        if value is None:
            continue
        if key in found:
            comma = "" if by == "-p" else ","
            raise UsageError(f"{key} is given twice{comma} by {by}; keep one")
        found[key] = value
    for key in found:
        if key not in parameters_of(model):
            raise unknown_parameter(key, model.name, parameters_of(model))
    return found
