"""From options to requests: one for each output of an input."""

from __future__ import annotations

from dataclasses import field, replace
from typing import TYPE_CHECKING, Any

from noisify.cli.sweeps import AMOUNTS, check_count, sweeps, swept_specs
from noisify.core.errors import UsageError
from noisify.core.value_class import frozen
from noisify.noise import model as interface
from noisify.noise import registry
from noisify.noise.parameters import parameters_of
from noisify.plan.file_part import file_part
from noisify.plan.plan import NoiseSpec, Request
from noisify.streams.limits import new_seed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from noisify.cli.arguments import Arguments
    from noisify.plan.condition import Condition
    from noisify.plan.recipe import Recipe

_FLAGS = ("model", "scale", "sd", "snr", "rate", "loc", "df", "parameters", "columns")


@frozen
class Run:
    """What is asked for one output.

    Attributes:
        request: What noise.
        swept: The values of this output's sweep, as typed, by key.
        replicate: Which noisy copy it is, counted from 1; None: there is but one.
        drawn: Whether the seed is a new one that nobody gave.
        per_file: Whether each input gets noise of its own, named by the input.
    """

    request: Request
    swept: Mapping[str, str] = field(default_factory=dict)
    replicate: int | None = None
    drawn: bool = False
    per_file: bool = False

    def request_for(self, path: str) -> Request:
        """Return what noise one input gets."""
        return replace(self.request, file=file_part(path)) if self.per_file else self.request


def runs_of(arguments: Arguments, *, several: bool) -> list[Run]:
    """Return what is asked, an entry for each output that an input comes to.

    Args:
        arguments: The command line.
        several: Whether there are several inputs, which get noise of their own unless told.

    Raises:
        UsageError: If anything makes no sense.
    """
    _check_swept(arguments)
    told = None
    if arguments.recipe is not None:
        from noisify.plan import recipe  # noqa: PLC0415 - TOML and JSON

        told = recipe.load(arguments.recipe)
    specs = _specs(arguments, told)

    def said(option: str) -> Any:  # noqa: ANN401
        typed = getattr(arguments, option)
        return getattr(told, option, None) if typed is None else typed

    seed, drawn = said("seed"), False
    if seed is None:
        seed, drawn = new_seed(), True
    strict = arguments.read.strict or (told is not None and bool(told.strict))
    base = Request(specs, seed, said("rng") or "noisify", said("decimals"), strict)
    per_file, file = _file_rule(arguments, told, base.rng, several=several)
    base = replace(base, file=file)
    found = []
    every = sweeps(arguments.sweeps)
    check_count(len(every) * (1 if arguments.append else arguments.replicates or 1))
    for swept in every:
        request = replace(base, specs=swept_specs(specs, swept))
        if arguments.replicates is None or arguments.append:
            found.append(Run(request, swept, None, drawn, per_file))
            continue
        found += [
            Run(replace(request, replicate=number), swept, number + 1, drawn, per_file)
            for number in range(arguments.replicates)
        ]
    return found


def _check_swept(arguments: Arguments) -> None:
    """Refuse a flag that says once what a sweep says for each output."""
    typed = dict(arguments.parameters)
    for key, _ in arguments.sweeps:
        for name in AMOUNTS if key in AMOUNTS else (key,):
            by = "-p" if name in typed else "--dist" if name == "model" else f"--{name}"
            flag = getattr(arguments, name) if name in _FLAGS else None
            if name in typed or flag is not None:
                raise UsageError(f"{key} is said twice, by --sweep and {by}; keep one")


def _file_rule(
    arguments: Arguments, told: Recipe | None, rng: str, *, several: bool
) -> tuple[bool, str]:
    """Return whether each file gets noise of its own, and else what all of them are called.

    Raises:
        UsageError: If that is said twice, or cannot be.
    """
    if arguments.per_file and arguments.same_noise:
        raise UsageError("--per-file and --same-noise contradict each other; keep one")
    wanted = True if arguments.per_file else False if arguments.same_noise else None
    if wanted is None and told is not None:
        wanted = told.per_file
        if wanted is None and told.file:
            if several:
                raise UsageError(
                    f"the recipe holds the noise of one file, {told.file!r}; add --per-file for "
                    "noise by each file's own name, or --same-noise"
                )
            return False, told.file
    if rng == "noisify":
        return several if wanted is None else wanted, ""
    if wanted:
        raise UsageError(f"--per-file needs noisify's own streams; drop --rng {rng}")
    return False, ""


def _specs(arguments: Arguments, told: Recipe | None) -> tuple[NoiseSpec, ...]:
    """Return the noise specs, in order: the recipe's, the presets', those of --noise or the flags.

    Raises:
        UsageError: If flags that describe noise of their own stand beside those.
    """
    if told is None and not arguments.presets and not arguments.noise:
        return (_spec_of_flags(arguments),)
    from noisify.plan import presets  # noqa: PLC0415 - flags do without these
    from noisify.plan.request import in_common  # noqa: PLC0415 - likewise
    from noisify.plan.words import parse_spec, spec_from_words  # noqa: PLC0415

    specs = [] if told is None else list(told.specs)
    specs += [spec_from_words(words) for name in arguments.presets for words in presets.find(name)]
    specs += [parse_spec(text) for text in arguments.noise]
    flags = [name for name in _FLAGS if getattr(arguments, name) not in (None, ())]
    if (
        arguments.presets
        and not arguments.noise
        and arguments.recipe is None
        and flags == ["columns"]
    ):
        flags = []  # a preset says what noise, not on which fields
        specs = [
            spec if spec.columns else replace(spec, columns=arguments.columns) for spec in specs
        ]
    if flags:
        names = {"model": "--dist", "parameters": "--param"}
        source = "--recipe" if arguments.recipe else "--preset" if arguments.presets else "--noise"
        raise UsageError(
            f"{names.get(flags[0], '--' + flags[0])} does not go with {source}, which says it all; "
            "put it there"
        )
    return in_common(specs, arguments.exclude, arguments.clip, _condition(arguments.where))


def _condition(text: str | None) -> Condition | None:
    if text is None:
        return None
    from noisify.plan.condition import parse  # noqa: PLC0415 - few runs need it

    return parse(text)


def _spec_of_flags(arguments: Arguments) -> NoiseSpec:
    """Return the one noise spec that the flags describe, its parameters checked already."""
    swept = dict(arguments.sweeps).get("model", "normal").split(",")[0]
    name = arguments.model or registry.find(swept).name
    parameters: dict[str, Any] = dict(arguments.parameters)
    for key in parameters:
        if sum(name == key for name, _ in arguments.parameters) > 1:
            raise UsageError(f"{key} is given twice by -p; keep one")
    for key, value in (("loc", arguments.loc), ("df", arguments.df), ("rate", arguments.rate)):
        if value is None:
            continue
        if key in parameters:
            raise UsageError(f"{key} is given twice, by --{key} and by -p; keep one")
        parameters[key] = value
    model = registry.find(name).load()
    if arguments.rate is not None and "rate" not in parameters_of(model):
        raise UsageError(f"{name} noise reaches every element: give it a scale, not a rate")
    interface.make(model, parameters)
    return NoiseSpec(
        model=name,
        columns=arguments.columns,
        exclude=arguments.exclude,
        scale=arguments.scale,
        sd=arguments.sd,
        snr=arguments.snr,
        parameters=parameters,
        clip=arguments.clip,
        where=_condition(arguments.where),
    )
