"""Ready-made noise with severities from 1 to 5: published benchmarks, and common data faults.

A preset is a few noise specs in words, as `noisify.plan.words` reads them. Importing this imports
no NumPy.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from noisify.core.errors import DataError, UsageError, did_you_mean
from noisify.core.value_class import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

    from noisify.core.chunk import Field

Words = dict[str, Any]

DEFAULT_SEVERITY = 3
_FULL_SCALES = {"|u1": 255, "<u2": 65535, ">u2": 65535}
_FIVE = (1, 2, 3, 4, 5)


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
    groups: dict[str, list[Preset]] = {}
    for preset in PRESETS:
        groups.setdefault(preset.group, []).append(preset)
    width = max(len(preset.name) for preset in PRESETS)
    lines = []
    for group, members in groups.items():
        lines += [f"{group}:", *(f"  {p.name:<{width}}  {p.title}" for p in members), ""]
    return "\n".join(
        [*lines, f"NAME:SEVERITY takes 1 to 5; NAME alone is NAME:{DEFAULT_SEVERITY}.", ""]
    )


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
            "convert it first, or give the noise with -d and -s",
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
            "1; scale it first, or give the noise with -d and -s",
            field=field,
        )


def _image(
    model: str, parameter: str, amounts: tuple[float | str, ...], **others: float
) -> dict[int, tuple[Words, ...]]:
    """Return severities of one model for images: `parameter` takes one amount after the other.

    Integers are truncated, as by `np.uint8(np.clip(noisy, 0, 1) * 255)` in the publishers' code.
    """
    about = {"model": model, **others, "clip": [0.0, 1.0], "unit": "image", "truncate": True}
    return {
        severity: ({**about, parameter: amount},)
        for severity, amount in zip(_FIVE, amounts, strict=True)
    }


def _gaussian(*scales: float) -> dict[int, tuple[Words, ...]]:
    return _image("normal", "scale", scales)


def _shot(*counts: float) -> dict[int, tuple[Words, ...]]:
    return _image("poisson", "count", counts)


def _impulse(*rates: float) -> dict[int, tuple[Words, ...]]:
    return _image("salt-and-pepper", "rate", rates, low=0.0, high=1.0)


def _speckle(*percents: str) -> dict[int, tuple[Words, ...]]:
    """Return x * (1 + N(0, s)), with s in percent since it does not depend on full scale."""
    return _image("multiplicative", "scale", percents)


def _sensor_faults() -> dict[int, tuple[Words, ...]]:
    """Return the faults of sensors, in the order in which they happen."""
    drift = ("0.05sd", "0.1sd", "0.2sd", "0.5sd", "1sd")
    noise = ("0.02sd", "0.05sd", "0.1sd", "0.2sd", "0.4sd")
    spikes = ((0.001, "4sd"), (0.002, "5sd"), (0.005, "6sd"), (0.01, "8sd"), (0.02, "10sd"))
    stuck = ((0.001, 10), (0.002, 20), (0.005, 40), (0.01, 60), (0.02, 100))
    missing = (0.005, 0.01, 0.02, 0.05, 0.1)
    return {
        severity: (
            {"model": "drift", "scale": drift[i]},
            {"model": "normal", "scale": noise[i]},
            {"model": "spike", "rate": spikes[i][0], "scale": spikes[i][1]},
            {"model": "stuck", "rate": stuck[i][0], "run": stuck[i][1]},
            {"model": "missing", "rate": missing[i]},
        )
        for i, severity in enumerate(_FIVE)
    }


def _human_data_entry() -> dict[int, tuple[Words, ...]]:
    """Return the mistakes of people who type data; missing kinds of fields are skipped."""
    slips = (0.005, 0.01, 0.02, 0.05, 0.1)
    factors = (0.001, 0.002, 0.005, 0.01, 0.02)
    specs = (
        ("typo", ":text", slips),
        ("whitespace", ":text", slips),
        ("case", ":text", slips),
        ("scale-by", ":float", factors),
        ("missing", ":number", slips),
    )
    return {
        severity: tuple(
            {"model": model, "fields": fields, "rate": rates[i], "optional": True}
            for model, fields, rates in specs
        )
        for i, severity in enumerate(_FIVE)
    }


_IMAGES, _SENSORS, _ENTRY = "images", "sensors", "data entry"
_IMAGENET = "of ImageNet-C (Hendrycks and Dietterich, 2019)"
_CIFAR = "of CIFAR-10-C (Hendrycks and Dietterich, 2019)"

PRESETS = (
    Preset("imagenet-c-gaussian", f"the Gaussian noise {_IMAGENET}", _IMAGES,
           _gaussian(0.08, 0.12, 0.18, 0.26, 0.38)),
    Preset("imagenet-c-shot", f"the shot noise {_IMAGENET}", _IMAGES,
           _shot(60.0, 25.0, 12.0, 5.0, 3.0)),
    Preset("imagenet-c-impulse", f"the impulse noise {_IMAGENET}", _IMAGES,
           _impulse(0.03, 0.06, 0.09, 0.17, 0.27)),
    Preset("imagenet-c-speckle", f"the speckle noise {_IMAGENET}", _IMAGES,
           _speckle("15%", "20%", "35%", "45%", "60%")),
    Preset("cifar-10-c-gaussian", f"the Gaussian noise {_CIFAR}", _IMAGES,
           _gaussian(0.04, 0.06, 0.08, 0.09, 0.10)),
    Preset("cifar-10-c-shot", f"the shot noise {_CIFAR}", _IMAGES,
           _shot(500.0, 250.0, 100.0, 75.0, 50.0)),
    Preset("cifar-10-c-impulse", f"the impulse noise {_CIFAR}", _IMAGES,
           _impulse(0.01, 0.02, 0.03, 0.05, 0.07)),
    Preset("cifar-10-c-speckle", f"the speckle noise {_CIFAR}", _IMAGES,
           _speckle("6%", "10%", "12%", "16%", "20%")),
    Preset("sensor-faults", "drift, noise, spikes, stuck and missing readings", _SENSORS,
           _sensor_faults()),
    Preset("human-data-entry", "typos, spaces, case, wrong powers of ten, gaps", _ENTRY,
           _human_data_entry()),
)  # fmt: skip
