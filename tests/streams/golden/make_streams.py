"""Write streams.json: streams and variates that pin version 2 of the random streams.

Run it only together with a new STREAM_VERSION: what it writes is a promise to all who repeat a run.
"""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import Any

from noisify.core.chunk import Positions
from noisify.streams.streams import StreamName, StreamVariates

PATH = Path(__file__).with_name("streams.json")
SEEDS = (0, 42, 2**128 - 1)
FIELDS = ("", "data", "entry/data", "Größe in µm, 温度")
STARTS = (0, 10**6, 2**53 - 4)
DEPTH = 4
DISTRIBUTIONS: dict[str, tuple[float, ...]] = {
    "uniform": (),
    "normal": (),
    "exponential": (),
    "laplace": (),
    "logistic": (),
    "gumbel": (),
    "triangular": (),
    "cauchy": (),
    "lognormal": (1.5,),
    "gamma": (2.5,),
    "student_t": (3.0,),
}


def streams() -> list[dict[str, Any]]:
    """Return stream names, one part of the name moved at a time, with their numbers."""
    plain = {"seed": 42, "field": "data", "model": "normal", "ordinal": 0, "replicate": 0}
    names = [plain | {"seed": seed, "field": field} for seed, field in product(SEEDS, FIELDS)]
    names += [plain | {"model": model} for model in ("laplace", "missing")]
    names += [plain | {"ordinal": 1}, plain | {"replicate": 1}, plain | {"file": "day1"}]
    return [
        name
        | {"seed": f"{name['seed']:#x}", "lane": lane}
        | {"start": f"{stream.start:#018x}", "increment": f"{stream.increment:#018x}"}
        for name in names
        for lane in ("noise", "hit")
        for stream in [StreamName(**name).stream(lane)]
    ]


def variates(distribution: str) -> list[dict[str, Any]]:
    """Return a few variates of a distribution from each stream, at a few places."""
    return [
        {
            "seed": f"{seed:#x}",
            "field": field,
            "start": start,
            "variates": [float(one).hex() for one in drawn],
        }
        for seed, field, start in product(SEEDS, FIELDS, STARTS)
        for made in [
            StreamVariates(StreamName(seed, field, "any"), Positions.range(start, start + DEPTH))
        ]
        for drawn in [made.drawn(distribution, "noise", *DISTRIBUTIONS[distribution])]
    ]


def golden() -> dict[str, Any]:
    """Return everything that the golden file holds."""
    return {"streams": streams(), "variates": {name: variates(name) for name in DISTRIBUTIONS}}


if __name__ == "__main__":
    PATH.write_text(json.dumps(golden(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
