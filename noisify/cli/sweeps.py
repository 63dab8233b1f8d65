"""Sweeps: an output for each value of a level, a parameter or the model."""

from __future__ import annotations

import itertools
import math
import re
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from noisify.core.errors import UsageError, shown
from noisify.noise import level, registry
from noisify.noise import model as interface
from noisify.noise.parameters import parameters_of, takes_level
from noisify.plan.words import AMOUNTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from noisify.plan.plan import NoiseSpec

_NUMBER = r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*([^\d\s:][^:]*?)?"
_RANGE = re.compile(rf"\s*{_NUMBER}\s*:\s*{_NUMBER}\s*:\s*{_NUMBER}\s*")
_MOST_VALUES = 10_000
_MOST_OUTPUTS = 100_000
"""A limit for memory: each output takes some 3 kB before the first is made."""
_LONGEST_NUMBER = 400
"""The most digits in a row; the largest float has 309."""
_FAR = re.compile(r"[eE][+-]?\d{4}")
"""An exponent beyond the range of floats."""


def sweeps(typed: Sequence[tuple[str, str]]) -> list[dict[str, str]]:
    """Return every combination of the values of several sweeps, the last varying fastest.

    Raises:
        UsageError: If a key is given twice, or a value is empty or given twice.
    """
    keys = [key for key, _ in typed]
    twice = {key for key in keys if keys.count(key) > 1}
    if twice:
        raise UsageError(f"--sweep {min(twice)} is given twice; list all its values in one")
    lists = [_values(key, text) for key, text in typed]
    for (key, text), values in zip(typed, lists, strict=True):
        if not all(values) or len(set(values)) < len(values):
            raise UsageError(f"--sweep {key}={text} has an empty or a repeated value")
    check_count(math.prod(map(len, lists)))
    return [dict(zip(keys, values, strict=True)) for values in itertools.product(*lists)]


def check_count(outputs: int) -> None:
    """Check the number of outputs of an input against the limit.

    Raises:
        UsageError: If there are more.
    """
    if outputs > _MOST_OUTPUTS:
        raise UsageError(
            f"--sweep and --replicates ask for {outputs:,} outputs of each input; at most "
            f"{_MOST_OUTPUTS:,} are made"
        )


def _values(key: str, text: str) -> list[str]:
    """Return the values of a comma-separated list, with START:STOP:STEP expanded."""
    return [value for part in text.split(",") for value in (_range(key, part) or [part.strip()])]


def _range(key: str, text: str) -> list[str] | None:
    """Return the numbers of START:STOP:STEP, including STOP; None if the text is not a range.

    The numbers are decimal, so 0.1:0.3:0.1 is 0.1, 0.2, 0.3. A unit may follow
    each of them or only the last.
    """
    match = _RANGE.fullmatch(text)
    if match is None:
        return None
    if max(map(len, re.findall(r"\d+", text))) > _LONGEST_NUMBER or _FAR.search(text):
        raise UsageError(f"--sweep {key}={shown(text)} has a number that is too long")
    start, stop, step = (Decimal(match[number]) for number in (1, 3, 5))
    units = {unit for unit in (match[2], match[4], match[6]) if unit}
    if len(units) > 1:
        raise UsageError(f"--sweep {key}={text} has several units, {' and '.join(sorted(units))}")
    if step == 0 or (stop - start) / step < 0:
        raise UsageError(f"--sweep {key}={text}: no step of {step} leads from {start} to {stop}")
    count = int((stop - start) / step) + 1
    if count > _MOST_VALUES:
        raise UsageError(f"--sweep {key}={text} has {count:,} values; at most {_MOST_VALUES:,}")
    return [f"{start + number * step:f}{''.join(units)}" for number in range(count)]


def swept_specs(specs: tuple[NoiseSpec, ...], swept: Mapping[str, str]) -> tuple[NoiseSpec, ...]:
    """Return specs with the swept values of one output applied, the model first.

    Raises:
        UsageError: If no spec takes a key.
    """
    for key in sorted(swept, key=lambda key: key != "model"):
        takes = [_takes(spec, key) for spec in specs]
        if not any(takes):
            models = ", ".join(dict.fromkeys(spec.model for spec in specs))
            raise UsageError(f"--sweep {key}: {models} noise has no {key}; see --explain MODEL")
        specs = tuple(
            _with(spec, key, swept[key]) if taken else spec
            for spec, taken in zip(specs, takes, strict=True)
        )
    return specs


def _takes(spec: NoiseSpec, key: str) -> bool:
    if key == "model":
        return True
    if key in {"sd", "snr"}:
        return takes_level(registry.find(spec.model).load())
    return key in parameters_of(registry.find(spec.model).load())


def _with(spec: NoiseSpec, key: str, value: str) -> NoiseSpec:
    if key == "model":
        entry = registry.find(value)
        interface.make(entry.load(), spec.parameters)
        return replace(spec, model=entry.name)
    model = registry.find(spec.model).load()
    parameters = {name: given for name, given in spec.parameters.items() if name != key}
    if key not in AMOUNTS or not takes_level(model):
        parameters[key] = value
        interface.make(model, parameters)
        return replace(spec, parameters=parameters)
    parameters.pop("scale", None)
    read: Any = level.parse_decibels(value) if key == "snr" else level.parse(value, option=key)
    amounts: dict[str, Any] = dict.fromkeys(AMOUNTS)
    return replace(spec, parameters=parameters, **(amounts | {key: read}))
