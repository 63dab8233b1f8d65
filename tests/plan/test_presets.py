"""Presets."""

import subprocess
import sys

import numpy as np
import pytest

from noisify.core.chunk import Field
from noisify.core.dtypes import NumberType
from noisify.core.errors import UsageError
from noisify.noise import registry
from noisify.plan.presets import PRESETS, find, for_field, listing
from noisify.plan.words import spec_from_words

MODELS = {entry.name for entry in registry.MODELS}
EVERY = [(preset, severity) for preset in PRESETS for severity in preset.severities]


def image(dtype, kind="int"):
    return Field("data", kind, dtype, NumberType.of_dtype(np.dtype(dtype)))


class TestFind:
    def test_by_name_and_severity(self):
        expected = {
            "model": "normal", "scale": 0.38, "clip": [0.0, 1.0], "unit": "image", "truncate": True
        }  # fmt: skip
        assert (expected,) == find("imagenet-c-gaussian:5")
        assert (expected,) == find(" ImageNet_C_Gaussian : 5 ")

    def test_by_name_alone_has_severity_3(self):
        assert find("cifar-10-c-shot:3") == find("cifar-10-c-shot")
        assert 100.0 == find("cifar-10-c-shot")[0]["count"]

    def test_returns_words_of_ones_own(self):
        find("sensor-faults")[0]["scale"] = "spoilt"
        assert "spoilt" != find("sensor-faults")[0]["scale"]

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("imagenet-c-gausian", "no preset is called 'imagenet-c-gausian'; did you mean 'ima"),
            ("zzz", "no preset is called 'zzz'; see noisify --list-presets"),
            ("sensor-faults:6", r"has no severity '6' \(it has: 1, 2, 3, 4, 5\)"),
            ("sensor-faults:", "has no severity ''"),
        ],
    )
    def test_another_name_is_an_error(self, text, message):
        with pytest.raises(UsageError, match=message):
            find(text)


class TestTable:
    def test_has_the_values_of_the_papers(self):
        amounts = {
            name: [
                words.get("scale", words.get("rate", words.get("count")))
                for severity in range(1, 6)
                for words in find(f"{name}:{severity}")
            ]
            for name in ("imagenet-c-shot", "imagenet-c-impulse", "cifar-10-c-speckle")
        }
        expected = {
            "imagenet-c-shot": [60, 25, 12, 5, 3],
            "imagenet-c-impulse": [0.03, 0.06, 0.09, 0.17, 0.27],
            "cifar-10-c-speckle": ["6%", "10%", "12%", "16%", "20%"],
        }
        assert expected == amounts

    @pytest.mark.parametrize(("preset", "severity"), EVERY)
    def test_every_preset_is_sound(self, preset, severity):
        for words in find(f"{preset.name}:{severity}"):
            spec = spec_from_words(words)
            assert words["model"] == spec.model
            assert spec.optional or not spec.columns

    @pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.name)
    def test_every_severity_has_the_same_models(self, preset):
        models = {tuple(words["model"] for words in specs) for specs in preset.severities.values()}
        assert 1 == len(models)
        assert [1, 2, 3, 4, 5] == list(preset.severities)

    @pytest.mark.parametrize("name", ["sensor-faults", "human-data-entry"])
    def test_rates_grow(self, name):
        specs = [find(f"{name}:{severity}") for severity in range(1, 6)]
        rates = [[words.get("rate") for words in found] for found in zip(*specs, strict=True)]
        grow = [found for found in rates if None not in found]
        assert 3 <= len(grow)
        assert [sorted(set(found)) for found in grow] == grow


class TestForField:
    @pytest.mark.parametrize(("dtype", "full"), [("u1", 255), ("<u2", 65535), (">u2", 65535)])
    def test_integers_have_a_full_scale(self, dtype, full):
        words = {"scale": 0.5, "count": 60.0, "low": 0.0, "high": 1.0, "clip": [0.0, None]}
        expected = {
            "scale": 0.5 * full, "count": 60 / full, "low": 0, "high": full, "clip": [0, None]
        }  # fmt: skip
        assert expected == for_field(words, image(dtype))

    def test_floats_stay_from_0_to_1(self):
        words = find("imagenet-c-impulse")[0]
        assert words == for_field(words, image("f4", "float"))

    def test_percent_stays(self):
        words = for_field(find("imagenet-c-speckle")[0], image("u1"))
        assert ("35%", [0, 255]) == (words["scale"], words["clip"])

    def test_the_words_are_not_changed(self):
        words = find("imagenet-c-impulse")[0]
        for_field(words, image("u1"))
        assert find("imagenet-c-impulse")[0] == words

    def test_other_integers_have_no_full_scale(self):
        with pytest.raises(UsageError, match="field 'data': holds i8, and an image has floats"):
            for_field(find("imagenet-c-shot")[0], image("i8"))


class TestListing:
    def test_names_every_preset_under_its_group(self):
        lines = listing().splitlines()
        assert ["images:", "sensors:", "data entry:"] == [x for x in lines if x.endswith(":")]
        assert {p.name for p in PRESETS} == {x.split()[0] for x in lines if x.startswith("  ")}

    def test_needs_no_heavy_library(self):
        code = (
            "import sys; from noisify.plan.presets import find, listing; find('sensor-faults');"
            "listing(); print([m for m in ('numpy', 'pyarrow') if m in sys.modules])"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        assert "[]\n" == done.stdout
