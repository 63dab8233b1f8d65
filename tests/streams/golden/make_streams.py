"""Write streams.json: entropies and variates that pin version 1 of the random streams.

Run it only together with a new STREAM_VERSION: what it writes is a promise to all who repeat a run.
"""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from noisify.core.chunk import BLOCK, Positions
from noisify.core.dtypes import NumberType
from noisify.noise import model as interface
from noisify.noise import registry
from noisify.noise.level import Absolute
from noisify.streams.streams import BlockVariates, StreamName

PATH = Path(__file__).with_name("streams.json")
MODELS = ("normal", "uniform", "laplace", "cauchy", "student-t", "logistic")
SEEDS = (0, 42, 2**128 - 1)
FIELDS = ("", "data", "entry/data", "Größe in µm, 温度")
BLOCKS = (0, 1, 10**6)
DEPTH = 4
FLOAT64 = NumberType("float", np.dtype(np.float64))


def entropies() -> list[dict[str, Any]]:
    """Return stream names, one part of the name moved at a time, with their entropy."""
    plain = {"seed": 42, "field": "data", "model": "normal", "ordinal": 0, "replicate": 0}
    names = [plain | {"seed": seed, "field": field} for seed, field in product(SEEDS, FIELDS)]
    names += [plain | {"model": model} for model in MODELS]
    names += [plain | {"ordinal": 1}, plain | {"replicate": 1}]
    return [
        name | {"seed": f"{name['seed']:#x}", "lane": lane, "entropy": f"{entropy:#034x}"}
        for name in names
        for lane in ("noise", "hit")
        for entropy in [StreamName(**name).entropy(lane)]
    ]


def noise(name: StreamName, start: int, stop: int) -> list[str]:
    """Return what the model of a stream's name adds at scale 1 to zeros at start...stop."""
    model = interface.make(registry.find(name.model).load(), {"scale": Absolute(1.0)})
    positions = Positions.range(start, stop)
    context = interface.NoiseContext(BlockVariates(name, positions), FLOAT64)
    return [float(value).hex() for value in model.apply(np.zeros(positions.size), context)]


def variates(model: str) -> list[dict[str, Any]]:
    """Return the first variates of some blocks of a model, and those on both sides of their end."""
    return [
        {
            "seed": f"{seed:#x}",
            "field": field,
            "block": block,
            "first": noise(name, block * BLOCK, block * BLOCK + DEPTH),
            "border": noise(name, (block + 1) * BLOCK - DEPTH, (block + 1) * BLOCK + DEPTH),
        }
        for seed, field, block in product(SEEDS, FIELDS, BLOCKS)
        for name in [StreamName(seed, field, model)]
    ]


def streams() -> dict[str, Any]:
    """Return everything that the golden file holds."""
    return {"entropies": entropies(), "variates": {model: variates(model) for model in MODELS}}


if __name__ == "__main__":
    PATH.write_text(json.dumps(streams(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
