"""Ready-made noise with severities from 1 to 5: published benchmarks, and common data faults.

A preset is a few noise specs in words, as `noisify.plan.words` reads them. Importing this imports
no NumPy.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from noisify.core.errors import DataError, UsageError, did_you_mean
from noisify.core.options import option
from noisify.core.value_class import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from noisify.core.chunk import Field

Words = dict[str, Any]

DEFAULT_SEVERITY = 3
_FULL_SCALES = {"|u1": 255, "<u2": 65535, ">u2": 65535}


@frozen
class Preset:
    """A preset: named noise specs for each severity.

    Attributes:
        name: Its name.
        title: A description of one line.
        group: The heading in the listing.
        severities: The words of its noise specs, by severity.
    """

    name: str
    title: str
    group: str
    severities: Mapping[int, tuple[Words, ...]]

    @property
    def default(self) -> int:
        """The default severity: 3, or the only one."""
        return DEFAULT_SEVERITY if DEFAULT_SEVERITY in self.severities else min(self.severities)


def find(text: str) -> tuple[Words, ...]:
    """Return the words of a preset's noise specs, each a fresh dict.

    Args:
        text: NAME or NAME:SEVERITY.

    Raises:
        UsageError: If there is no such preset, or it has no such severity.

    >>> find("cifar-10-c-impulse:5")[0]["rate"]
    0.07
    """
    name, colon, typed = text.partition(":")
    wanted = re.sub(r"[_\s]+", "-", name.strip().casefold())
    presets = {preset.name: preset for preset in PRESETS}
    if wanted not in presets:
        raise UsageError(
            f"no preset is called {name!r}"
            f"{did_you_mean(wanted, presets) or '; see noisify --list-presets'}"
        )
    preset = presets[wanted]
    severities = {str(severity): severity for severity in preset.severities}
    if colon and typed.strip() not in severities:
        raise UsageError(
            f"preset {preset.name} has no severity {typed.strip()!r} "
            f"(it has: {', '.join(severities)})"
        )
    severity = severities[typed.strip()] if colon else preset.default
    return tuple(dict(words) for words in preset.severities[severity])


def listing() -> str:
    """Return the list of presets by group, one line each."""
    lines = by_group((preset.group, preset.name, preset.title) for preset in PRESETS)
    return f"{lines}NAME:SEVERITY takes 1 to 5; NAME alone is NAME:{DEFAULT_SEVERITY}.\n"


def by_group(rows: Iterable[tuple[str, str, str]]) -> str:
    """Return a line for each name and its title, below headings for their groups.

    Args:
        rows: Group, name and title of each.
    """
    rows = list(rows)
    width = max(len(name) for _, name, _ in rows)
    groups: dict[str, list[str]] = {}
    for group, name, title in rows:
        groups.setdefault(group, [f"{group}:"]).append(f"  {name:<{width}}  {title}")
    return "".join(f"{line}\n" for lines in groups.values() for line in [*lines, ""])


def for_field(words: Mapping[str, Any], field: Field) -> Words:
    """Return a preset's words in the unit of one field, for presets whose unit is "image".

    Their numbers are for values from 0 to 1. Full scale is 255 for uint8 images and 65535 for
    uint16: amounts are multiplied by it, counts per unit divided. A scale in percent stays.

    Raises:
        UsageError: If the field holds whole numbers whose full scale is not known.
    """
    fitted = dict(words)
    if field.number is None or field.number.kind != "int":
        return fitted
    full = _FULL_SCALES.get(field.number.dtype.str)
    if full is None:
        raise UsageError(
            f"holds {field.type_name}, and an image has floats from 0 to 1, uint8 or uint16; "
            f"convert it first, or give the noise with {option('model')} and {option('scale')}",
            field=field.name,
        )
    for key in ("scale", "low", "high"):
        if isinstance(fitted.get(key), int | float):
            fitted[key] *= full
    if isinstance(fitted.get("count"), int | float):
        fitted["count"] /= full
    if fitted.get("clip") is not None:
        fitted["clip"] = [None if bound is None else bound * full for bound in fitted["clip"]]
    return fitted


def check_image(low: float, high: float, field: str) -> None:
    """Refuse floats that are not from 0 to 1 as the publishers' images are.

    Raises:
        DataError: If some are beyond.
    """
    if not (low >= 0 and high <= 1):
        raise DataError(
            f"holds values from {low:g} to {high:g}, and an image of floats has values from 0 to "
            f"1; scale it first, or give the noise with {option('model')} and {option('scale')}",
            field=field,
        )


def _severities(*specs: tuple[Words, Mapping[str, Sequence[Any]]]) -> dict[int, tuple[Words, ...]]:
    """Return the noise specs of severities 1 to 5.

    Args:
        specs: For each spec the words that stay the same, and those with a value for each severity.
    """
    return {
        severity: tuple(
            {**words, **{key: values[severity - 1] for key, values in graded.items()}}
            for words, graded in specs
        )
        for severity in (1, 2, 3, 4, 5)
    }


_IMAGE_NOISE: tuple[tuple[str, Words, str, Sequence[Any], Sequence[Any]], ...] = (
    # kind, fixed words, the word set by severity, its values for ImageNet-C and for CIFAR-10-C
    ("Gaussian", {"model": "normal"}, "scale",
     (0.08, 0.12, 0.18, 0.26, 0.38), (0.04, 0.06, 0.08, 0.09, 0.10)),
    ("shot", {"model": "poisson"}, "count",
     (60.0, 25.0, 12.0, 5.0, 3.0), (500.0, 250.0, 100.0, 75.0, 50.0)),
    ("impulse", {"model": "salt-and-pepper", "low": 0.0, "high": 1.0}, "rate",
     (0.03, 0.06, 0.09, 0.17, 0.27), (0.01, 0.02, 0.03, 0.05, 0.07)),
    # x * (1 + N(0, s)), with s in percent since it does not depend on full scale
    ("speckle", {"model": "multiplicative"}, "scale",
     ("15%", "20%", "35%", "45%", "60%"), ("6%", "10%", "12%", "16%", "20%")),
)  # fmt: skip


def _image_presets() -> Iterator[Preset]:
    """Yield the presets for images.

    Integers are truncated, as by `np.uint8(np.clip(noisy, 0, 1) * 255)` in the publishers' code.
    """
    settled = {"clip": [0.0, 1.0], "unit": "image", "truncate": True}
    for at, benchmark in enumerate(("ImageNet-C", "CIFAR-10-C")):
        for kind, words, graded, *amounts in _IMAGE_NOISE:
            yield Preset(
                f"{benchmark}-{kind}".lower(),
                f"the {kind} noise of {benchmark} (Hendrycks and Dietterich, 2019)",
                "images",
                _severities(({**words, **settled}, {graded: amounts[at]})),
            )


_SENSOR_FAULTS = _severities(  # in the order in which they happen
    ({"model": "drift"}, {"scale": ("0.05sd", "0.1sd", "0.2sd", "0.5sd", "1sd")}),
    ({"model": "normal"}, {"scale": ("0.02sd", "0.05sd", "0.1sd", "0.2sd", "0.4sd")}),
    ({"model": "spike"}, {"rate": (0.001, 0.002, 0.005, 0.01, 0.02),
                          "scale": ("4sd", "5sd", "6sd", "8sd", "10sd")}),
    ({"model": "stuck"}, {"rate": (0.001, 0.002, 0.005, 0.01, 0.02), "run": (10, 20, 40, 60, 100)}),
    ({"model": "missing"}, {"rate": (0.005, 0.01, 0.02, 0.05, 0.1)}),
)  # fmt: skip
_SLIPS = {"rate": (0.005, 0.01, 0.02, 0.05, 0.1)}
_DATA_ENTRY = _severities(  # kinds of fields that are not there are skipped
    ({"model": "typo", "fields": ":text", "optional": True}, _SLIPS),
    ({"model": "whitespace", "fields": ":text", "optional": True}, _SLIPS),
    ({"model": "case", "fields": ":text", "optional": True}, _SLIPS),
    ({"model": "scale-by", "fields": ":float", "optional": True},
     {"rate": (0.001, 0.002, 0.005, 0.01, 0.02)}),
    ({"model": "missing", "fields": ":number", "optional": True}, _SLIPS),
)  # fmt: skip

PRESETS = (
    *_image_presets(),
    Preset("sensor-faults", "drift, noise, spikes, stuck and missing readings", "sensors",
           _SENSOR_FAULTS),
    Preset("human-data-entry", "typos, spaces, case, wrong powers of ten, gaps", "data entry",
           _DATA_ENTRY),
)  # fmt: skip
