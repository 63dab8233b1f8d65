"""Combine the noise of recipes, presets and `--noise`, for the command and the library."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from noisify.core.errors import UsageError
from noisify.plan import presets
from noisify.plan.condition import parse as parse_condition
from noisify.plan.words import spec_from_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from noisify.plan.condition import Condition
    from noisify.plan.plan import NoiseSpec


def specs_of_presets(names: Iterable[str]) -> list[NoiseSpec]:
    """Return the specs of presets, such as "sensor-faults:2", in order."""
    return [spec_from_words(words) for name in names for words in presets.find(name)]


def combined(
    sources: Mapping[str, Sequence[NoiseSpec]],
    others: Sequence[str],
    columns: tuple[str, ...],
    common: NoiseSpec,
) -> tuple[NoiseSpec, ...]:
    """Return the specs of several sources in order, with the settings common to all of them.

    Args:
        sources: The specs of each source, by the name of its option or argument.
        others: The names of further options or arguments, which describe a spec by themselves.
        columns: Selectors of fields, for the specs of presets that choose none.
        common: Its `exclude` and `where` are added to those of each spec; its `clip` is for the
            specs without one.

    Raises:
        UsageError: If one of `others` is given, except columns for presets.
    """
    specs = [spec for found in sources.values() for spec in found]
    if set(sources) <= {"preset", "--preset"} and set(others) <= {"columns", "--columns"}:
        specs = [spec if spec.columns else replace(spec, columns=columns) for spec in specs]
    elif others:
        source = next(iter(sources))
        raise UsageError(
            f"{others[0]} does not go with {source}, which describes all noise; put it there"
        )
    return tuple(
        replace(
            spec,
            exclude=(*spec.exclude, *common.exclude),
            clip=common.clip if spec.clip is None else spec.clip,
            where=_both(spec.where, common.where),
        )
        for spec in specs
    )


def _both(one: Condition | None, other: Condition | None) -> Condition | None:
    if one is None or other is None:
        return other if one is None else one
    return parse_condition(f"({one.text}) and ({other.text})")
